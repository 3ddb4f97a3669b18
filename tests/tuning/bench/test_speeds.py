"""`bench` for real, in no time."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tuning.cli import main


def test_bench_measures_every_comparison(tmp_path: Path, ray_session, capsys) -> None:
    out = tmp_path / "bench"
    threads = torch.get_num_threads()
    assert main(["bench", "--seconds", "0.05", "--out", str(out)]) == 0
    torch.set_num_threads(threads)
    rates = json.loads((out / "bench.json").read_text())["rates"]
    assert {name: len(sides) for name, sides in rates.items()} == {
        "joint environment, steps/s": 2,
        "AC environment, steps/s": 3,
        "sampling through the RLlib runner, steps/s": 1,
        "learner, updates/s": 3,
        "critic in closed form, rows/s of an iteration": 2,
        "critic in closed form, fits/s": 1,
        "optimal dispatch, states/s": 3,
        "one decision, per s": 2,
    }
    assert all(rate > 0 for sides in rates.values() for rate in sides.values())
    assert "bench.json" in capsys.readouterr().out
