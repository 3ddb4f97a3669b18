"""A Ray cluster that runs already: joining it, and bringing this code along."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuning.cluster.local_ray import quiet_rllib, say_dashboard
from tuning.errors import CommandError

PACKAGES = ("rllib_grid", "policies", "tuning")
CONNECT_SECONDS = 10.0


def shipped_code() -> dict[str, Any]:
    """Return Ray's runtime environment that brings the packages of this process to every worker.

    It goes together with what ``ray job submit`` sets, which never names modules by itself.
    """
    root = Path(__file__).resolve().parents[2]
    return {"py_modules": [str(root / package) for package in PACKAGES]}


@contextmanager
def joined(address: str | None, num_cpus: int = 0, *, dashboard: bool = False) -> Iterator[None]:
    """Connect this process to a cluster, and leave it with the block.

    Its workers run the code of this process, whatever their nodes hold.

    Args:
        address: ``HOST:PORT`` of the cluster's head, or ``auto`` on one of its nodes; None joins
            nothing.
        num_cpus: Cores that the work needs at once; says so if the cluster has fewer.
        dashboard: Say where the cluster's dashboard is.

    Raises:
        CommandError: The cluster cannot be joined.
    """
    if address is None:
        yield
        return
    import ray
    from ray.exceptions import RayError

    quiet_rllib()
    if address != "auto":
        _check_listening(address)
    try:
        context = ray.init(
            address=address,
            runtime_env=shipped_code(),
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        raise CommandError(
            f"--address: cannot join a Ray cluster at {address}: {error} (its token belongs into "
            "RAY_AUTH_TOKEN or ~/.ray/auth_token, see docs/cluster.md)"
        ) from error
    try:
        if dashboard:
            say_dashboard(context.dashboard_url)
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < num_cpus:
            print(
                f"the cluster has {cores} cores, this takes {num_cpus}: waiting for more",
                file=sys.stderr,
            )
        yield
    finally:
        ray.shutdown()


def _check_listening(address: str) -> None:
    """Refuse an address where nothing listens; Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise CommandError(f"--address: {address} is neither HOST:PORT nor auto")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise CommandError(f"--address: no Ray cluster at {address}: {error}") from error
