"""What `day` refuses before any long work, and what its report shows."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tuning.cli import main
from tuning.commands.day import DayArgs, check
from tuning.errors import CommandError
from tuning.training.day_report import draw_days, print_days

HOURS = list(range(24))
FIGURES = {
    "cost_eur_mean": -12.5,
    "gap_closed": 0.912,
    "penalty_eur_mean": 0.25,
    "loss_kwh_mean": 240.0,
    "step_violation_rate": 0.0125,
    "day_violation_rate": 0.1,
    "violation_max_pu": 0.002,
}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stages": 0}, "--stages: 0 is out of bounds, must be >= 1"),
        ({"test_days": 0}, "--test-days: 0 is out of bounds, must be >= 1"),
        ({"steps": 48}, "--steps: 48 is out of bounds, must be 24 or 96"),
        ({"gamma": 1.0}, "--gamma: 1.0 is out of bounds, must be >= 0 and < 1"),
        ({"seed": -1}, "--seed: -1 is out of bounds, must be >= 0"),
        ({"episodes": (5, 0)}, "--episodes: 0 is out of bounds, must be > 0"),
        ({"episodes": (5, 5, 5)}, "--episodes: 3 numbers for 2 stage.s., must be 1 or 2"),
        ({"settings": ("actor_lr=fast",)}, "--settings: actor_lr=fast is no number"),
    ],
)
def test_out_of_bounds_is_refused(options, says):
    with pytest.raises(CommandError, match=says):
        check(DayArgs(**options))


def test_one_number_of_days_serves_all_stages():
    args = check(DayArgs(episodes=(300,), stages=3))
    assert args.episodes == (300, 300, 300)
    json.dumps(args.to_json())
    assert "out" not in args.to_json()


def test_the_case_takes_steps_and_files_of_profiles(tmp_path):
    case = DayArgs(steps=96).make_case()
    assert case.profiles.num_steps == 96
    assert (case.settle, case.agent_reward) == ("stepwise", "local")


def test_bad_profiles_are_one_line_and_exit_code_two(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text("time,p_base_w_1\n")
    code = main(["day", "--profiles", str(path), "--out", str(tmp_path / "run"), "--quiet"])
    assert code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: mine.csv: line 1: unknown column 'p_base_w_1'")
    assert said.count("\n") == 1 and not (tmp_path / "run").exists()


def series(shift: float) -> dict:
    return {
        "p_ctrl_kw": [shift * hour for hour in HOURS],
        "q_ctrl_kvar": [-shift * hour for hour in HOURS],
        "soc_kwh": [shift + hour for hour in [*HOURS, 24]],
        "v_min_pu": [0.96] * 24,
        "v_max_pu": [1.01] * 24,
        "cost_eur": shift,
    }


@pytest.fixture
def report() -> dict:
    names = ("idle", "price_rule", "receding_horizon", "perfect_foresight")
    return {
        "day_case": "ieee13-day",
        "seed": 3,
        "steps": 24,
        "test_days": 60,
        "stages": [
            {"stage": k, **FIGURES, "saved_of_receding_horizon": 0.95 + k / 100} for k in (1, 2)
        ],
        "yardsticks": dict.fromkeys(names, FIGURES),
        "proof": {"duality_gap_eur": 3e-6},
        "day": {
            "date": "2023-02-01",
            "price_eur_per_kwh": [0.25] * 24,
            "p_base_kw": HOURS,
            "v_bounds_pu": [0.95, 1.05],
            "idle_v_min_pu": [0.94] * 24,
            "idle_v_max_pu": [1.0] * 24,
            "capacity_kwh": 60.0,
            "stage": series(1.0),
            "foresight": series(-1.0),
        },
    }


def test_table_shows_the_figures_in_per_cent(report, capsys):
    print_days(report, Console(width=120, highlight=False))
    shown = capsys.readouterr().out
    assert "ieee13-day, seed 3, 60 test days of 24 steps" in shown
    assert shown.count("91.2") == 6 and shown.count("1.25") == 6
    assert "the last stage saves 97.0% of what the receding horizon saves" in shown


def test_picture_is_the_same_at_every_drawing(report, tmp_path):
    (first,) = draw_days(report, tmp_path)
    before = first.read_bytes()
    assert before.startswith(b"\x89PNG") and len(before) > 10_000
    (again,) = draw_days(json.loads(json.dumps(report)), tmp_path)
    assert again.read_bytes() == before


@pytest.fixture
def heated(report) -> dict:
    """The report of a case with heat pumps."""
    comfort = {"comfort_eur_mean": 7.77, "discomfort_kh_mean": 3.33, "heat_kwh_mean": 4321.0}
    report["stages"] = [entry | comfort for entry in report["stages"]]
    report["yardsticks"] = {k: entry | comfort for k, entry in report["yardsticks"].items()}
    indoors = {"p_heat_kw": HOURS, "t_min_c": [20.0] * 25, "t_max_c": [23.0] * 25}
    day = report["day"]
    day |= {"t_bounds_c": [20.0, 24.0], "outdoor_c": HOURS, "idle": indoors}
    for name in ("stage", "foresight"):
        day[name] |= indoors
    return report


def test_comfort_is_told_where_there_is_heat(heated, capsys):
    print_days(heated, Console(width=120, highlight=False))
    shown = capsys.readouterr().out
    assert [shown.count(figure) for figure in ("7.77", "3.33", "4,321")] == [6, 6, 6]


def test_comfort_is_not_told_where_there_is_none(report, capsys):
    print_days(report, Console(width=120, highlight=False))
    shown = capsys.readouterr().out
    assert "comfort" not in shown and "heating" not in shown


def test_the_picture_of_heated_buildings_has_two_panels_more(report, heated, tmp_path):
    from matplotlib.image import imread

    (file,) = draw_days(heated, tmp_path)
    tall = imread(file).shape
    for name in ("t_bounds_c", "outdoor_c", "idle"):
        del report["day"][name]
    (file,) = draw_days(report, tmp_path)
    plain = imread(file).shape
    assert (tall[0] / plain[0], tall[1] / plain[1]) == (1.5, 1.0)
