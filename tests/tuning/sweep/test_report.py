"""What is made of a sweep's trials: tables, the best one, pictures."""

from __future__ import annotations

import csv
import json

import pytest

from tuning.commands.sweep import SweepArgs, check, training
from tuning.commands.train import TrainArgs
from tuning.commands.train import check as check_train
from tuning.records.files import read_json, write_json
from tuning.sweep.report import report_sweep

SEARCH = ("case=ieee13/ieee13-volt", "actor_lr=1e-4..1e-2", "critic_lr=1e-3..1e-2,1e-3")


@pytest.fixture
def made_sweep(tmp_path):
    """A folder with five trials: three finished in two cases, one stopped, one failed."""
    args = check(SweepArgs(search=SEARCH, scheduler="asha", trials=5, budget=200))
    write_json(tmp_path / "sweep.json", args.to_json())
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


def test_days_are_ranked_by_their_validation_return(tmp_path, capsys):
    args = check(SweepArgs(case="ieee13-day", search=SEARCH[1:2], trials=3, budget=200))
    write_json(tmp_path / "sweep.json", args.to_json())
    trials = []
    for number, value in enumerate((-60.0, -40.0, None), start=1):
        row = {"iteration": 1, "stage": 1, "episodes_total": 100, "updates_total": 20}
        row |= {"validation_return": value, "wall_s": 2.0}
        trials.append(
            {
                "trial": number,
                "state": "finished",
                "folder": f"tune/trial_{number}",
                "error": None,
                "values": {"actor_lr": 1e-3 * number},
                "last": row,
                "arguments": training(args, {"actor_lr": 1e-3 * number}).to_json(),
                "rows": [row],
            }
        )
    write_json(tmp_path / "trials.json", {"left": 0, "trials": trials})
    files = [path.name for path in report_sweep(tmp_path)]
    assert {"best.json", "validation.png", "hyperparameters.png"} <= set(files)
    best = read_json(tmp_path / "best.json")
    assert (best["trial"], best["validation_return"]) == (2, -40.0)
    assert best["arguments"]["case"] == "ieee13-day"
    table = (tmp_path / "trials.md").read_text()
    assert "| trial | state | validation return, EUR a day | actor_lr |" in table
    ranked = [line.split(" | ")[:3] for line in table.splitlines() if "finished" in line]
    assert ranked == [
        ["| 2", "finished", "-40.000"],
        ["| 1", "finished", "-60.000"],
        ["| 3", "finished", ""],
    ]
    assert "the test days have not been touched" in capsys.readouterr().out
