"""`compare`: runs what is missing and only that, loses nothing, and once for real."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from policies.controllers.files import load_controllers
from rllib_grid import make_case
from tuning.campaigns import trainings as grid
from tuning.campaigns.progress import CampaignProgress
from tuning.cli import main
from tuning.errors import CommandError
from tuning.records.cells import Cell
from tuning.records.files import clear_debris, read_json
from tuning.records.locks import locked

ROOT = Path(__file__).parents[3]


@pytest.fixture
def trained(monkeypatch, tmp_path, made_report, ray_session):
    """Put a stub in place of the training; return the function that lists what it was called for.

    The stub writes a run folder at once. Cells named in a file ``broken`` fail after their
    configuration is written, as a training does that is stopped in the middle.
    """
    calls, broken = tmp_path / "calls", tmp_path / "broken"
    content = made_report()
    monkeypatch.setattr(grid, "REFRESH_SECONDS", 0.05)

    def stub(cell, plan, command):
        from rllib_grid import make_case

        with calls.open("a") as file:
            file.write(f"{cell}{', resumed' if plan.resume else ''}\n")
        if plan.resume is None:
            cell.run.write_config(make_case(cell.case), arguments=plan.to_json())
        if broken.exists() and str(cell) in broken.read_text().splitlines():
            return "Traceback:\n  ...\nRuntimeError: training diverged\n"
        row = {"episodes_total": 30, "validation_per": 0.5}
        cell.run.write_progress([row])
        cell.run.write_report({**content, "algorithm": cell.algorithm, "seed": cell.seed})
        return None

    monkeypatch.setattr(grid, "train_cell", stub)

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
    def dies(cell, plan, command):
        os._exit(7)

    monkeypatch.setattr(grid, "train_cell", dies)
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


def _hold(path, held):
    with locked(path):
        held.set()
        time.sleep(60)


def test_lock_is_free_once_its_holder_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held))
    holder.start()
    assert held.wait(30)
    with pytest.raises(CommandError, match="another process"), locked(tmp_path):
        pass
    holder.kill()
    with locked(tmp_path, wait_s=10.0):
        pass
    holder.join()


def test_half_written_files_do_not_block_a_cell(tmp_path):
    (tmp_path / ".config.json.123.part").touch()
    (tmp_path / "kept").touch()
    clear_debris(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_table_of_the_whole_grid(tmp_path, made_report):
    cells = [Cell(tmp_path, "ieee13", name, s) for name in ("maddpg-1", "iterated") for s in (0, 1)]
    cells[0].run.write_config(make_case("ieee13"))
    cells[0].run.write_report(made_report(per=(0.25,)))
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, highlight=False)
    with CampaignProgress(cells, dict.fromkeys(cells, 2_000), console=console) as shown:
        shown.set(cells[1], "running")
        cells[1].run.write_progress([{"episodes_total": 1_500, "validation_per": 0.125}])
        shown.set(cells[2], "failed")
        shown.refresh()
    printed = text.getvalue()
    per = cells[0].run.report()["stages"][-1]["per_mean"]
    for piece in (f"{per:.2%}", "1.5k 12.50%", "failed", "3,500 of 8,000 episodes", "seed 1"):
        assert piece in printed


# For real

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
