"""Tables, figures and files of a comparison, remade from its runs."""

from __future__ import annotations

import csv
import io
import shutil

import pytest
from matplotlib.image import imread
from rich.console import Console

from tuning.campaigns import comparison_report as report
from tuning.campaigns.results.comparison import compare_runs
from tuning.errors import CommandError
from tuning.records.files import read_json
from tuning.records.run_folder import RunFolder

FIGURES = {"histograms.png", "learning-curves.png", "stages.png", "rounds.png"}


@pytest.fixture(autouse=True)
def cache(monkeypatch):
    """A cache of information limits of our own, empty at first."""
    limits = {}
    monkeypatch.setattr(report, "_cached_limits", lambda run: limits.get(run.case))
    return limits


@pytest.fixture
def one_case(made_comparison):
    """The comparison folder with half of its runs, where two cases show no more than one."""
    shutil.rmtree(made_comparison / "ieee13-twelve")
    return made_comparison


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figures out, which take most of the time."""
    monkeypatch.setattr(report, "draw_comparison", lambda comparison, out: [])


def test_everything_is_written(made_comparison):
    files = report.report_comparison(made_comparison)
    pictures = {f"{case}-{name}" for case in ("ieee13", "ieee13-twelve") for name in FIGURES}
    tables = {"comparison.json", "comparison.csv", "comparison.md", "runs.csv"}
    assert {file.name for file in files} == tables | pictures | {"agents.png"}
    for file in files:
        assert file.stat().st_size > 0
        if file.suffix == ".png":
            pixels = imread(file)
            assert pixels.shape == (480, 840, 4)
            assert pixels[..., :3].std() > 0.05  # not an empty sheet


def test_remaking_gives_the_same_files(one_case):
    first = {file.name: file.read_bytes() for file in report.report_comparison(one_case)}
    for name in first:
        (one_case / name).unlink()
    again = {file.name: file.read_bytes() for file in report.report_comparison(one_case)}
    assert first == again


def test_a_changed_run_changes_the_comparison(made_comparison, undrawn):
    report.report_comparison(made_comparison)
    before = (made_comparison / "comparison.json").read_bytes()
    run = RunFolder(made_comparison / "ieee13" / "ts-maddpg" / "seed1")
    content = run.report()
    content["stages"][-1]["per_mean"] = 0.5
    run.write_report(content)
    report.report_comparison(made_comparison)
    assert (made_comparison / "comparison.json").read_bytes() != before


def test_markdown_has_the_papers_rows_below_ours(made_comparison, undrawn):
    report.report_comparison(made_comparison)
    content = read_json(made_comparison / "comparison.json")
    lines = (made_comparison / "comparison.md").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("| TS-MADDPG |"))
    figures = content["cases"]["ieee13"]["algorithms"]["ts-maddpg"]["figures"]
    low, middle, high = (100 * figures["per_mean"][k] for k in ("low", "iqm", "high"))
    assert f"| {middle:.2f} [{low:.2f}, {high:.2f}] |" in lines[place]
    assert lines[place + 1] == (
        "| paper: TS-MADDPG |  | 17.50 | 10.79 | 35.81 | 54.39 | 68.26 | 78.24 | 85.21 |"
    )
    assert any(line.startswith("| iterated, round 2 |") for line in lines)
    effort = [line for line in lines if line.startswith("| TS-MADDPG |")][1]
    assert [cell.strip() for cell in effort.split("|")[2:5]] == ["1,000", "900", "550"]
    assert any("to optimised performance: the first count" in line for line in lines)
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert widths == {10, 9, 4}  # every row as wide as its head


def test_csv_is_one_row_per_algorithm_and_one_per_run(made_comparison, undrawn):
    report.report_comparison(made_comparison)

    def rows(name):
        return list(csv.DictReader(io.StringIO((made_comparison / name).read_text())))

    table = rows("comparison.csv")
    assert [(row["case"], row["algorithm"]) for row in table][:2] == [
        ("ieee13", "maddpg-1"),
        ("ieee13", "ts-maddpg"),
    ]
    assert table[1]["seeds"] == "0 1"
    assert float(table[1]["per_mean_low"]) < float(table[1]["per_mean_iqm"])
    assert {row["agents"] for row in table} == {"2", "12"}
    each = rows("runs.csv")
    assert len(each) == 16
    iterated = next(row for row in each if row["algorithm"] == "iterated")
    stored = read_json(made_comparison / "ieee13" / "iterated" / "seed0" / "report.json")
    assert float(iterated["per_mean"]) == pytest.approx(stored["rounds"][1]["per_mean"])


def test_unfinished_runs_are_left_out(made_comparison, undrawn):
    (made_comparison / "ieee13" / "ts-maddpg" / "seed1" / "report.json").unlink()
    report.report_comparison(made_comparison)
    row = read_json(made_comparison / "comparison.json")["cases"]["ieee13"]["algorithms"]
    assert row["ts-maddpg"]["seeds"] == [0]
    assert row["ts-maddpg"]["figures"]["per_mean"]["low"] is None
    for file in made_comparison.glob("*/*/*/report.json"):
        file.unlink()
    with pytest.raises(CommandError, match="holds no finished run"):
        report.report_comparison(made_comparison)


def test_limits_are_lines_and_rows_where_they_are_known(one_case, cache):
    without = {file.name: file.read_bytes() for file in report.report_comparison(one_case)}
    cache["ieee13"] = {0: 0.002, 1: 0.255, 2: 0.008, 3: 0.004}
    files = {file.name: file.read_bytes() for file in report.report_comparison(one_case)}
    for name in ("ieee13-learning-curves.png", "ieee13-stages.png"):
        assert files[name] != without[name]
    text = (one_case / "comparison.md").read_text()
    assert "| information limit, 1 stage |  | 25.50 |" in text
    assert "| information limit, 2 stages |  | 0.80 |" in text
    assert "| information limit, full state |  | 0.20 |" in text
    cache.clear()  # as on another machine: the folder has kept them
    assert {file.name: file.read_bytes() for file in report.report_comparison(one_case)} == files


def test_negative_and_unknown_values_are_drawn_too(one_case):
    """Where bounds bind, a violation can be cheaper than the optimum; infeasible has no PER."""
    for run in map(RunFolder, one_case.glob("ieee13/*/seed*")):
        content = run.report()
        content["learning_curve"][0]["validation_per"] = -0.02
        content["stages"][-1] |= {"per_mean": None, "regret_kw_mean": None}
        content["stages"][0]["per_mean"] = -0.01
        run.write_report(content)
    for file in report.report_comparison(one_case):
        assert file.stat().st_size > 0


def test_tables_are_printed_in_full(made_comparison, undrawn):
    comparison = compare_runs(report.load_runs(made_comparison), {})
    text = io.StringIO()
    report.print_comparison(comparison, Console(file=text, highlight=False))
    printed = text.getvalue()
    for name in ("MADDPG-1", "paper: TS-MADDPG", "iterated, round 2", "all 2 cases together"):
        assert name in printed
    assert "…" not in printed  # nothing is cut off
    assert max(map(len, printed.splitlines())) <= 160


# The command


def test_report_of_a_comparison(door, made_comparison):
    code, out, err = door("report", made_comparison)
    assert (code, err) == (0, "")
    assert "all 2 cases together" in out
    assert f"{made_comparison}: comparison.json, comparison.csv" in out
    assert (made_comparison / "agents.png").is_file()


def test_report_of_a_run(door, made_comparison):
    run = made_comparison / "ieee13" / "ts-maddpg" / "seed0"
    code, out, _ = door("report", run)
    assert code == 0
    assert "ieee13, TS-MADDPG, preset fast, seed 0, 200 test states" in out
    assert f"{run}: per_histogram.png, learning_curve.png" in out
    assert (run / "learning_curve.png").is_file()


def test_report_refuses_other_folders(refused, made_comparison, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "neither a run nor many" in refused("report", tmp_path / "empty")
    assert "there is no such folder" in refused("report", tmp_path / "nowhere")
    run = made_comparison / "ieee13" / "ts-maddpg" / "seed0"
    (run / "report.json").unlink()
    assert "holds no finished run" in refused("report", run)
