"""Table and picture of a training on days, from a made-up report."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tuning.subjects.days_report import draw_day, print_days

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
        "case": "ieee13-day",
        "algorithm": "TS-MADDPG",
        "preset": "fast",
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
    assert "ieee13-day, TS-MADDPG, preset fast, seed 3, 60 test days of 24 steps" in shown
    assert shown.count("91.2") == 6 and shown.count("1.25") == 6
    assert "the last stage saves 97.0% of what the receding horizon saves" in shown


def test_picture_is_the_same_at_every_drawing(report, tmp_path):
    first = draw_day(report["day"], tmp_path)
    before = first.read_bytes()
    assert before.startswith(b"\x89PNG") and len(before) > 10_000
    again = draw_day(json.loads(json.dumps(report["day"])), tmp_path)
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

    file = draw_day(heated["day"], tmp_path)
    tall = imread(file).shape
    for name in ("t_bounds_c", "outdoor_c", "idle"):
        del report["day"][name]
    file = draw_day(report["day"], tmp_path)
    plain = imread(file).shape
    assert (tall[0] / plain[0], tall[1] / plain[1]) == (1.5, 1.0)


def test_warnings_stand_at_the_top(report, capsys) -> None:
    print_days({**report, "warnings": ["worse than no control"]})
    assert capsys.readouterr().out.startswith("warning: worse than no control\n")
