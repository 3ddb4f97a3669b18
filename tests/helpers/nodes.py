"""Nodes of a Ray cluster on this machine, each a process of ours that is ended by its id."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_S = 180.0
# A node that is killed is given up after three seconds, not thirty.
QUICK_TO_SEE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}


class Nodes:
    """A head and any number of further nodes; none knows this checkout.

    Attributes:
        address: Of the head.
        environment: What a process needs to join: no path to this code, the cluster's token.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nodes-"))  # short: sockets lie below
        self._processes: list[subprocess.Popen[bytes]] = []
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("RAY_") and name != "PYTHONPATH"
        }
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        more = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
        self.environment = {**kept, **token, **more, **QUICK_TO_SEE, "OMP_NUM_THREADS": "1"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.start("--head", "--port", str(port), "--include-dashboard", "false")

    def start(self, *words: str) -> int:
        """Start a node of one core in a folder of its own; return the id of its raylet."""
        folder = self._folder / str(len(self._processes))
        (folder / "work").mkdir(parents=True)
        where = words or ("--address", self.address)
        command = [Path(sys.executable).with_name("ray"), "start", "--block", *where]
        command += ["--node-ip-address", "127.0.0.1", "--num-cpus", "1"]
        command += ["--object-store-memory", str(100 * 1024**2)]
        if words:
            command += ["--temp-dir", str(folder / "ray")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder / "work",
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        deadline = time.monotonic() + START_S
        while b"Ray runtime started" not in (folder / "log").read_bytes():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (raylet,) = (pid for pid in children(process.pid) if name(pid) == "raylet")
        return raylet

    def end(self) -> None:
        """End all nodes, and every process that they have started."""
        started = [
            pid for process in self._processes for pid in (process.pid, *children(process.pid))
        ]
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(60)
        for pid in started:
            if "ray" in name(pid) or "gcs" in name(pid):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)


def children(pid: int) -> list[int]:
    """Return the ids of all processes below another."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in map(int, below) for found in (child, *children(child))]


def name(pid: int) -> str:
    """Return the name of a process, empty if it has ended."""
    try:
        found = re.search(r"\((.*)\) (.)", Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return ""
    return found[1] if found and found[2] != "Z" else ""
