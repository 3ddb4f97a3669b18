"""`compare` for real: a cell is what `train` makes, and a killed comparison goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from policies.controllers.files import load_controllers
from tuning.cli import main
from tuning.records.files import read_json

ROOT = Path(__file__).parents[3]
REAL = ["--budget", "400", "--algorithms", "maddpg-1", "ts-maddpg", "--seeds", "0", "1", "--quiet"]


def test_real_comparison_end_to_end(tmp_path, ray_session, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no limits are cached here
    out = tmp_path / "out"
    assert main(["compare", "--out", str(out), *REAL]) == 0
    content = read_json(out / "comparison.json")
    rows = content["cases"]["ieee13"]["algorithms"]
    assert [(name, row["seeds"], row["stages"]) for name, row in rows.items()] == [
        ("maddpg-1", [0, 1], 1),
        ("ts-maddpg", [0, 1], 2),
    ]
    for row in rows.values():
        assert row["figures"]["episodes"]["values"] == [400, 400]
        assert row["figures"]["per_mean"]["low"] <= row["figures"]["per_mean"]["iqm"]
        assert row["histogram"]["states"] == 20_000
    assert "MADDPG-1" in capsys.readouterr().out

    # A cell is what `train` makes of the same arguments, to the last bit.
    alone = tmp_path / "alone"
    words = ["--algorithm", "ts-maddpg", "--episodes", "200", "200", "--seed", "1", "--quiet"]
    assert main(["train", *words, "--out", str(alone)]) == 0
    cell = load_controllers(out / "ieee13" / "ts-maddpg" / "seed1" / "controllers")
    for agent, controller in load_controllers(alone / "controllers").items():
        for mine, its in zip(controller.weights, cell[agent].weights, strict=True):
            for name, array in mine.items():
                np.testing.assert_array_equal(array, its[name])

    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    for name in before:
        (out / name).unlink()
    assert main(["report", str(out)]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_killed_comparison_goes_on(tmp_path, ray_session):
    """SIGKILL of the command while its workers train; they end with it, and nothing is lost."""
    out = tmp_path / "out"
    words = ["compare", "--out", str(out), "--budget", "1000", "--algorithms", "ts-maddpg"]
    words += ["--seeds", "0", "--quiet"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tuning", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    run = out / "ieee13" / "ts-maddpg" / "seed0"
    deadline = time.monotonic() + 120
    while not (run / "checkpoint").is_dir() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "report.json").exists()
    began = read_json(run / "config.json")
    assert began["command"][1:] == words
    assert main(words) == 0
    assert read_json(run / "config.json") == began
    assert read_json(out / "comparison.json")["cases"]["ieee13"]["algorithms"]["ts-maddpg"]
