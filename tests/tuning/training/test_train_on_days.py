"""Trainings on days from the command to the table; interrupted ones go on as if they were not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from policies.algorithms.maddpg import MADDPG
from policies.controllers.files import load_controllers
from tuning.cli import main
from tuning.records.run_folder import RunFolder

SMALL = ["actor_width=8", "critic_width=8", "critic_rows=8", "minibatch_size=32"]
SMALL += ["warmup_episodes=250", "updates_per_episode=2", "replay_capacity=20000"]
SMALL += ["updates_per_iteration=250", "validation_episodes=10"]
TINY = [
    "train",
    "--case",
    "ieee13-day",
    "--episodes",
    "750",
    "500",
    "--test-days",
    "3",
    "--settings",
    *SMALL,
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session) -> RunFolder:
    """A tiny training that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert main([*TINY, "--out", str(out), "--quiet"]) == 0
    return RunFolder(out)


def test_an_interrupted_training_goes_on_to_the_same_controllers(
    tmp_path: Path, ray_session, door, monkeypatch
) -> None:
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    code, printed, _ = door(*TINY, "--out", whole.path, "--quiet")
    assert code == 0 and "perfect" in printed and "stage" in printed
    report = whole.report()
    assert [stage["episodes"] for stage in report["stages"]] == [750, 500]
    assert (report["test_days"], report["steps"]) == (3, 24)
    assert report["yardsticks"]["perfect_foresight"]["gap_closed"] == pytest.approx(1.0, abs=1e-6)
    assert 0.9 < report["yardsticks"]["receding_horizon"]["gap_closed"] < 1.0
    assert (whole.path / "day.png").is_file()

    train, iterations = MADDPG.train, []

    def interrupted(self):
        iterations.append(self.iteration)
        if len(iterations) == 9:
            raise KeyboardInterrupt
        return train(self)

    monkeypatch.setattr(MADDPG, "train", interrupted)
    code, _, err = door(*TINY, "--out", cut.path, "--quiet", "--checkpoint-every", "400")
    assert code != 0 and f"go on with: python -m tuning train --resume {cut.path}" in err
    monkeypatch.setattr(MADDPG, "train", train)
    code, printed, err = door("train", "--resume", cut.path, "--quiet")
    assert (code, err) == (0, "")
    rows = [[int(row["iteration"]) for row in run.progress()] for run in (whole, cut)]
    assert rows[0] == rows[1] == list(range(1, len(rows[0]) + 1)) and len(rows[0]) > 9
    first, second = (load_controllers(run.controllers) for run in (whole, cut))
    rng = np.random.default_rng(0)
    for agent, controller in first.items():
        state = rng.uniform(-1, 1, (5, len(controller.signature["state"])))
        np.testing.assert_array_equal(second[agent].act(state), controller.act(state))
    same = ("cost_eur_mean", "gap_closed")
    config = json.loads(cut.config_file.read_text())
    config["case"]["efficiency"] = 0.9
    cut.config_file.write_text(json.dumps(config))
    code, _, err = door("train", "--resume", cut.path, "--quiet")
    assert code == 2 and "was begun with another case" in err
    for a, b in zip(report["stages"], cut.report()["stages"], strict=True):
        assert [a[name] for name in same] == [b[name] for name in same]


def test_report_remakes_tables_and_pictures(finished: RunFolder, door) -> None:
    picture = (finished.path / "day.png").read_bytes()
    (finished.path / "day.png").unlink()
    code, printed, err = door("report", finished.path)
    assert (code, err) == (0, "")
    assert "3 test days of 24 steps" in printed and "day.png" in printed
    assert (finished.path / "day.png").read_bytes() == picture


def test_resume_refuses_what_it_would_change(finished: RunFolder, refused) -> None:
    line = refused("train", "--resume", finished.path, "--test-days", 4)
    assert "--test-days 4 conflicts with 3 in" in line
    line = refused("train", "--resume", finished.path, "--settings", "gamma=0.5")
    assert "--settings gamma=0.5 conflicts with None in" in line


def test_folders_of_an_earlier_version_are_refused_in_one_line(tmp_path: Path, refused) -> None:
    run = tmp_path / "run"
    run.mkdir()
    old = {"day_case_name": "ieee13-day", "day_case": {}, "arguments": {"case": "ieee13-day"}}
    (run / "config.json").write_text(json.dumps(old))
    line = f"error: {run} holds days of an earlier version: train anew with train --case ieee13-day"
    assert refused("train", "--resume", run).startswith(line)
    assert refused("baselines", "--run", run, "--out", tmp_path / "out").startswith(line)
