"""What is made of a sweep's trials: tables, the best one, pictures; and the live table."""

from __future__ import annotations

import csv
import io
import json
import types

import pytest
from rich.console import Console

from tuning.commands.sweep import SweepArgs, check, training
from tuning.commands.train import TrainArgs
from tuning.commands.train import check as check_train
from tuning.records.files import read_json, write_json
from tuning.records.measures import PER
from tuning.sweep.progress import SweepProgress
from tuning.sweep.report import report_sweep

SEARCH = ("case=ieee13/ieee13-volt", "actor_lr=1e-4..1e-2", "critic_lr=1e-3..1e-2,1e-3")


@pytest.fixture
def made_sweep(tmp_path):
    """A folder with five trials: three finished in two cases, one stopped, one failed."""
    args = check(SweepArgs(search=SEARCH, scheduler="asha", trials=5, budget=200))
    write_json(tmp_path / "sweep.json", {"arguments": args.to_json()})
    made = [("ieee13", 1e-3, [0.5, 0.04], "finished"), ("ieee13", 5e-3, [0.4, 0.02], "finished")]
    made += [("ieee13-volt", 2e-3, [0.6, 0.3], "finished"), ("ieee13", 2e-4, [0.9], "stopped")]
    made += [("ieee13", 9e-3, [], "failed")]
    trials = []
    for number, (case, rate, curve, state) in enumerate(made, start=1):
        config = {"case": case, "actor_lr": rate, "critic_lr.1": 0.004, "critic_lr.2": "1e-3"}
        rows = [
            {"iteration": i, "stage": i, "episodes_total": 100 * i, "updates_total": 150 * i}
            | {"validation_per": per, "validation_violation_rate": 0.0, "wall_s": 2.0 * i}
            for i, per in enumerate(curve, start=1)
        ]
        trials.append(
            {
                "trial": number,
                "state": state,
                "folder": f"tune/trial_{number}",
                "error": "ValueError: no" if state == "failed" else None,
                "values": config,
                "last": rows[-1] if rows else None,
                "arguments": training(args, config).to_json(),
                "rows": rows,
            }
        )
    write_json(tmp_path / "trials.json", {"left": 0, "trials": trials})
    return tmp_path


def test_report_remakes_everything_from_the_trials(made_sweep, door):
    code, out, err = door("report", made_sweep)
    assert (code, err) == (0, "")
    names = ["trials.json", "trials.csv", "trials.md", "best.json", "validation.png"]
    assert f"{made_sweep}: {', '.join([*names, 'hyperparameters.png'])}\n" in out
    first = {name: (made_sweep / name).read_bytes() for name in names}
    report_sweep(made_sweep)
    assert {name: (made_sweep / name).read_bytes() for name in names} == first


def test_the_best_trial_is_what_train_takes(made_sweep):
    report_sweep(made_sweep)
    best = read_json(made_sweep / "best.json")
    assert (best["trial"], best["validation_per"]) == (2, 0.02)
    words = TrainArgs(config=made_sweep / "best.json", given=frozenset({"config"}))
    recipe = check_train(words).recipe
    assert recipe.settings == {"actor_lr": 0.005, "critic_lr": (0.004, 0.001)}
    assert (recipe.case, recipe.episodes) == ("ieee13", (100, 100))


def test_tables_rank_the_trials(made_sweep, capsys):
    report_sweep(made_sweep)
    with (made_sweep / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["2", "1", "3", "4", "5"]
    assert rows[0]["critic_lr.1"] == "0.004" and rows[0]["updates_total"] == "300"
    assert rows[-1]["error"] == "ValueError: no"
    table = (made_sweep / "trials.md").read_text()
    assert "| 2 | finished | 2.000 | ieee13 | 0.005 | 0.004 | 2 | 200 | 300 | 4 |" in table
    assert "| 5 | failed |  | ieee13 | 0.009 | 0.004 |  |  |  |  |" in table
    for note in ("best of ieee13: trial 2, 2.000%", "best of ieee13-volt: trial 3, 30.000%"):
        assert f"- {note}" in table
    assert "- trial 5 failed: ValueError: no" in table
    assert f"train --config {made_sweep / 'best.json'}" in capsys.readouterr().out


def test_without_a_finished_trial_there_is_no_best(made_sweep):
    content = read_json(made_sweep / "trials.json")
    content["trials"] = content["trials"][3:]
    (made_sweep / "trials.json").write_text(json.dumps(content))
    assert "best.json" not in [path.name for path in report_sweep(made_sweep)]
    content["trials"] = content["trials"][1:]
    (made_sweep / "trials.json").write_text(json.dumps(content))
    names = [path.name for path in report_sweep(made_sweep)]
    assert names == ["trials.json", "trials.csv", "trials.md"]  # no row, no picture


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
