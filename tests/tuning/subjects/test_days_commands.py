"""What the commands make of a run on days, and what they say of days where they have nothing."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tuning.records.run_folder import RunFolder

LINE = "is a case of days"


def test_evaluate_on_the_test_days(days_run: RunFolder, door, tmp_path):
    report = days_run.report()
    for stage in (1, 2):
        out = tmp_path / f"answers{stage}.npz"
        words = ["--stage", stage, "--optimum", "--test-days", 3, "--out", out]
        code, text, err = door("evaluate", days_run.path, *words)
        assert (code, err) == (0, "")
        assert f"3 days of ieee13-day, stage {stage}" in text and "gap closed" in text
        with np.load(out) as found:
            assert found["p_ctrl_kw"].shape == (3, 24, 12)
            assert found["soc_kwh"].shape == (3, 25, 12)
            assert found["dates"].shape == (3,)
            assert (found["optimal_cost_eur"] < found["cost_eur"]).all()
            mean = found["cost_eur"].mean()
        assert mean == pytest.approx(report["stages"][stage - 1]["cost_eur_mean"], rel=1e-9)


def test_evaluate_on_the_days_of_a_file(days_run: RunFolder, door, tmp_path, profiles_file):
    out = tmp_path / "answers.csv"
    words = ["--profiles", profiles_file, "--out", out]
    code, text, err = door("evaluate", days_run.path, *words)
    assert (code, err) == (0, "")
    assert "2 days of ieee13-day, stage 2" in text
    with out.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["date", "step", "p_ctrl_kw_1"] and header[-1] == "cost_eur"
    assert [row[1] for row in rows] == [str(k) for k in (*range(1, 25), *range(1, 25))]
    assert rows[0][0] == "2024-03-01" and rows[-1][0] == "2024-03-02"


def test_options_of_states_do_not_go_with_days(days_run: RunFolder, refused, states, tmp_path):
    out = tmp_path / "out.npz"
    line = refused("evaluate", days_run.path, "--states", states, "--out", out)
    assert f"--states: {days_run.path} is a run on days; this goes with runs on states" in line
    line = refused("evaluate", days_run.path, "--meter-error", 1e-3, "--out", out)
    assert "--meter-error:" in line and "is a run on days" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["limits", "--case", "ieee13-day"], "limits are sought of what a team can do in a single"),
        (["baselines", "--case", "ieee13-day"], "a receding horizon stand in the report of"),
        (["optimum", "--case", "ieee13-day"], "evaluate --optimum on one of its runs"),
        (["bench", "--case", "ieee13-day"], "which this command does not take"),
        (["case", "--case", "ieee13-day"], "which this command does not take"),
    ],
)
def test_what_days_have_none_of_is_one_line(words, says, refused, states, tmp_path):
    if words[0] == "optimum":
        words = [*words, "--states", states, "--out", tmp_path / "out.npz"]
    line = refused(*words)
    assert f"--case: ieee13-day {LINE}" in line and says in line


def test_robustness_and_baselines_judge_states_alone(days_run: RunFolder, refused):
    line = refused("robustness", days_run.path)
    assert f"{days_run.path} is a run on days: robustness is about meters and probes" in line
    line = refused("baselines", "--run", days_run.path)
    assert f"{days_run.path} is a run on days: no control, a price rule and a" in line


def test_show_draws_the_tree_and_a_day(days_run: RunFolder, door, refused, tmp_path):
    for name, words in (("case", ["--case", "ieee13-day"]), ("run", ["--run", days_run.path])):
        code, text, err = door("show", *words, "--out", tmp_path / name)
        assert (code, err) == (0, "")
        assert text == f"{tmp_path / name}: one_line.png, day.png\n"
    pictures = [(tmp_path / name / "day.png").read_bytes() for name in ("case", "run")]
    assert pictures[0] != pictures[1]
    line = refused("show", "--case", "ieee13-day", "--states", 10)
    assert "--states: a case of days is shown on one of its test days" in line
