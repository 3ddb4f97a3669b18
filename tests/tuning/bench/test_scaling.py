"""Synthetic cases at the door, and the bench that uses them."""

from __future__ import annotations

import json

import pytest
import torch

from tuning.bench import measuring, scaling


@pytest.mark.parametrize("command", ["bench", "train"])
def test_wrong_synthetic_cases_are_refused(refused, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = refused(command, "--case", "synthetic-12-13")
    assert line == (
        "error: --case: case 'synthetic-12-13' has 13 agents, must be <= 12, one bus for each\n"
    )
    line = refused(command, "--case", "synthetic-a-2")
    assert "must be synthetic-BUSES-AGENTS, such as synthetic-100-10" in line
    line = refused(command, "--case", "ieee14")
    assert "did you mean ieee13?" in line
    known = ("synthetic-BUSES-AGENTS", "matpower:CASE", "pandapower:FUNCTION[?ARGUMENT=VALUE&...]")
    assert f"{', '.join(known)}, a .json file)" in line
    assert not list(tmp_path.iterdir())


def test_train_on_a_synthetic_case(door, ray_session, tmp_path):
    out = tmp_path / "run"
    words = ["train", "--case", "synthetic-20-5", "--episodes", 40, "--num-envs", 20, "--quiet"]
    code, _, _ = door(*words, "--out", out)
    assert code == 0
    report = json.loads((out / "report.json").read_text())
    assert report["case"] == "synthetic-20-5"
    assert len(list((out / "controllers").glob("agent_*.json"))) == 5
    assert report["zero_action"]["infeasible_states"] == 0


@pytest.fixture
def small(monkeypatch):
    """The bench at sizes that take no time."""
    monkeypatch.setattr(measuring, "ROUNDS", 1)
    for name, value in (("PROCESSES", (0, 1)), ("LANES", 1000)):
        monkeypatch.setattr(scaling, name, value)
    agents, buses = {2: "synthetic-4-2", 4: "synthetic-4-4"}, {4: "synthetic-4-4"}
    monkeypatch.setattr(scaling, "_GROWTH", {"agents": agents, "buses": buses})
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_bench_of_scaling_measures_every_side(door, small, ray_session, tmp_path):
    out = tmp_path / "scaling"
    code, printed, _ = door("bench", "--scaling", "--seconds", 0.01, "--out", out)
    assert code == 0
    content = json.loads((out / "scaling.json").read_text())
    processes, agents = ["in this process", "1 remote"], ["synthetic-4-2", "synthetic-4-4"]
    assert {name: list(sides) for name, sides in content["rates"].items()} == {
        "sampling, steps/s by env runners": processes,
        "updates/s by learners": processes,
        "updates/s by agents": agents,
        "updates/s by buses": agents[1:],
        "environment steps/s by agents": agents,
        "environment steps/s by buses": agents[1:],
        "rows/s of an iteration of the fit by buses": agents[1:],
    }
    assert all(rate > 0 for sides in content["rates"].values() for rate in sides.values())
    assert content["case"] == "ieee13"
    assert (out / "scaling.png").read_bytes().startswith(b"\x89PNG")
    assert "updates/s by agents" in printed and "scaling.json, scaling.png" in printed
