"""Trainings of a campaign: what is missing is run and only that, and nothing is lost."""

from __future__ import annotations

import os

import pytest

from tuning.campaigns import trainings
from tuning.campaigns.progress import CampaignProgress
from tuning.cli import main
from tuning.records.files import read_json
from tuning.records.locks import locked


@pytest.fixture
def trained(monkeypatch, tmp_path, made_report, ray_session):
    """Put a stub in place of the training; return the function that lists what it was called for.

    The stub writes a run folder at once. Cells named in a file ``broken`` fail after their
    configuration is written, as a training does that is stopped in the middle.
    """
    calls, broken = tmp_path / "calls", tmp_path / "broken"
    content = made_report()
    monkeypatch.setattr(trainings, "REFRESH_SECONDS", 0.05)

    def stub(cell, training, command):
        from rllib_grid import make_case

        with calls.open("a") as file:
            file.write(f"{cell}{', resumed' if training.resume else ''}\n")
        if training.resume is None:
            cell.run.write_config(make_case(cell.case), arguments=training.recipe.to_json())
        if broken.exists() and str(cell) in broken.read_text().splitlines():
            return "Traceback:\n  ...\nRuntimeError: training diverged\n"
        row = {"episodes_total": 30, "validation_per": 0.5}
        cell.run.write_progress([row])
        cell.run.write_report({**content, "algorithm": cell.algorithm, "seed": cell.seed})
        return None

    monkeypatch.setattr(trainings, "train_cell", stub)

    def list_calls():
        lines = sorted(calls.read_text().splitlines()) if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines

    list_calls.broken = broken
    return list_calls


def command(out, *more):
    words = ["compare", "--out", out, "--budget", 100, "--algorithms", "maddpg-1", "ts-maddpg"]
    return [*map(str, words), *map(str, more)]


def test_what_is_missing_is_run_and_only_that(trained, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(out, "--seeds", 0, 1)) == 0
    assert trained() == [
        "ieee13 maddpg-1 seed 0",
        "ieee13 maddpg-1 seed 1",
        "ieee13 ts-maddpg seed 0",
        "ieee13 ts-maddpg seed 1",
    ]
    printed = capsys.readouterr().out
    assert "0 of 4 trainings done, 0 of 400 episodes" in printed
    assert "ieee13 ts-maddpg seed 1: begun" in printed
    assert f"{out}: comparison.json, comparison.csv, comparison.md" in printed
    first = (out / "comparison.json").read_bytes()

    assert main(command(out, "--seeds", 0, 1)) == 0  # again: nothing to do
    assert trained() == []
    assert (out / "comparison.json").read_bytes() == first

    (out / "ieee13" / "ts-maddpg" / "seed0" / "report.json").unlink()  # killed in the middle
    assert main(command(out, "--seeds", 0, 1, 2)) == 0
    assert trained() == [
        "ieee13 maddpg-1 seed 2",
        "ieee13 ts-maddpg seed 0, resumed",
        "ieee13 ts-maddpg seed 2",
    ]
    rows = read_json(out / "comparison.json")["cases"]["ieee13"]["algorithms"]
    assert rows["ts-maddpg"]["seeds"] == [0, 1, 2]


def test_a_failed_cell_loses_no_other(trained, tmp_path, capsys):
    out = tmp_path / "out"
    trained.broken.write_text("ieee13 ts-maddpg seed 0\n")
    assert main(command(out, "--seeds", 0, 1, "--quiet")) == 1
    error = out / "ieee13" / "ts-maddpg" / "seed0.error.txt"
    captured = capsys.readouterr()
    assert captured.err == (
        f"failed: ieee13 ts-maddpg seed 0: RuntimeError: training diverged (see {error})\n"
    )
    assert "Traceback" in error.read_text()
    rows = read_json(out / "comparison.json")["cases"]["ieee13"]["algorithms"]
    assert rows["maddpg-1"]["seeds"] == [0, 1]
    assert rows["ts-maddpg"]["seeds"] == [1]

    trained()
    trained.broken.unlink()
    assert main(command(out, "--seeds", 0, 1, "--quiet")) == 0
    assert trained() == ["ieee13 ts-maddpg seed 0, resumed"]
    assert not error.exists()


def test_a_worker_that_dies_is_a_failed_cell(trained, tmp_path, monkeypatch, capsys):
    def dies(cell, training, command):
        os._exit(7)

    monkeypatch.setattr(trainings, "train_cell", dies)
    out = tmp_path / "out"
    assert main(command(out, "--seeds", 0, "--jobs", 1, "--quiet")) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("failed: ieee13 ") and "Crashed" in line for line in errors)
    assert not (out / "comparison.json").exists()  # nothing to compare


def test_interrupt_names_the_remedy(trained, tmp_path, monkeypatch, capsys):
    def interrupted(self, cell, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(CampaignProgress, "set", interrupted)
    assert main(command(tmp_path / "out", "--seeds", 0, "--quiet")) == 130
    assert capsys.readouterr().err == ("interrupted; the same command goes on where this one was\n")


def test_two_commands_at_once_are_refused(refused, tmp_path):
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"):
        message = refused(*command(tmp_path / "out"))
        assert "another process is at work in" in message
    assert list((tmp_path / "out").iterdir()) == []
