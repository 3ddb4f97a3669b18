"""The live table of a sweep."""

from __future__ import annotations

import io
import types

import pytest
from rich.console import Console

from tuning.commands.sweep import SweepArgs, check
from tuning.records.measures import PER
from tuning.sweep.progress import SweepProgress


def fake_trial(name, status, rate):
    return types.SimpleNamespace(trial_id=name, status=status, config={"actor_lr": rate})


def row(per, episodes=500):
    return {"validation_per": per, "episodes_total": episodes, "stage": 1, "wall_s": 3.0}


@pytest.fixture
def progress():
    def make(terminal):
        text = io.StringIO()
        console = Console(
            file=text, force_terminal=terminal, width=120, height=40, color_system=None
        )
        space = check(SweepArgs(search=("actor_lr=1e-4..1e-2",))).space
        return SweepProgress(space, PER, 3, console=console), text

    return make


def test_lines_tell_beginnings_and_ends_once(progress):
    shown, text = progress(terminal=False)
    trials = [fake_trial("a", "TERMINATED", 1e-3), fake_trial("b", "PENDING", 2e-3)]
    with shown:
        shown.refresh(trials, {"a": [row(0.5)]}, {"a": "finished"})  # restored: nothing new
        trials[1].status = "RUNNING"
        for status in ("RUNNING", "PAUSED", "RUNNING"):
            trials[1].status = status
            shown.refresh(trials, {"a": [row(0.5)], "b": [row(0.25)]}, {"a": "finished"})
        trials[1].status = "TERMINATED"
        shown.refresh(trials, {"b": [row(0.25)]}, {"a": "finished", "b": "stopped"})
    assert text.getvalue().splitlines() == [
        "trial 2: begun, actor_lr 0.002",
        "trial 2: stopped, 25.00% after 500 episodes",
    ]


def test_table_shows_the_running_and_the_best(progress):
    shown, text = progress(terminal=True)
    trials = [fake_trial(name, "TERMINATED", 1e-3) for name in "ab"]
    trials.append(fake_trial("c", "RUNNING", 2.5e-3))
    rows = {"a": [row(0.5)], "b": [row(0.25), row(0.125, 1000)], "c": [row(float("nan"))]}
    with shown:
        shown.refresh(trials, rows, {"a": "stopped", "b": "finished"})
        table = text.getvalue()
    lines = [line.split() for line in table.splitlines() if line.strip()]
    cells = [line for line in lines if line[0] in "123"]
    assert [line[:2] for line in cells][:3] == [
        ["3", "running"],
        ["2", "finished"],
        ["1", "stopped"],
    ]
    assert cells[1] == ["2", "finished", "1", "1,000", "12.50%", "3", "0.001"]
    assert "1 of 3 trials finished, 1 running, 1 stopped, best validation PER 12.50%" in table
