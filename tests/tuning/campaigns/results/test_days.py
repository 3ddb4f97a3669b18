"""Runs on days side by side, from made-up reports."""

from __future__ import annotations

import pytest

from tuning.campaigns.comparison_tables import comparison_sheets
from tuning.campaigns.pictures.comparison_pictures import draw_comparison
from tuning.campaigns.results.comparison import compare_runs, figures_of
from tuning.campaigns.results.runs import Run
from tuning.records.measures import GAP_CLOSED, PER

CONFIG = {"git_commit": "abc", "case": {"groups": [[1], [2]]}}


@pytest.fixture
def runs(made_day_report):
    """Two seeds of two algorithms."""
    made = {
        "maddpg-1": {"gap": (0.6,), "title": "MADDPG-1"},
        "ts-maddpg": {"gap": (0.5, 0.8), "title": "TS-MADDPG"},
    }
    return [
        Run("ieee13-day", name, seed, made_day_report(seed=seed, **how), CONFIG)
        for name, how in made.items()
        for seed in (0, 1)
    ]


def test_days_are_compared_by_the_gap_they_close(runs):
    case = compare_runs(runs, {}).cases["ieee13-day"]
    assert (case.measure, case.agents, case.tested) == (GAP_CLOSED, 2, 60)
    row = case.rows["ts-maddpg"]
    assert row.compared.values == tuple(r.report["stages"][-1]["gap_closed"] for r in runs[2:])
    assert [s.iqm for s in row.by_stage] == pytest.approx([0.505, 0.805])
    assert (row.round, row.histogram, row.paper) == (None, None, None)
    first = runs[2].report["learning_curve"][0]
    assert row.curve[0].high == first["validation_return"]
    assert case.yardsticks.receding_horizon.gap_closed == 0.95


def test_figures_hold_what_heat_pumps_add(made_day_report):
    plain = Run("x", "ts-maddpg", 0, made_day_report(), CONFIG)
    heated = Run("x", "ts-maddpg", 0, made_day_report(comfort=2.5), CONFIG)
    assert "comfort_eur_mean" not in figures_of(plain)
    assert figures_of(heated)["comfort_eur_mean"] == 2.5
    assert figures_of(plain)["cost_eur_mean"] == plain.report["stages"][-1]["cost_eur_mean"]
    assert figures_of(plain)["episodes"] == 1000


def test_states_and_days_stand_beside_each_other(runs, made_report, tmp_path):
    states = [Run("ieee13", "ts-maddpg", seed, made_report(seed=seed), CONFIG) for seed in (0, 1)]
    both = compare_runs([*states, *runs], {})
    assert list(both.of_kind(PER)) == ["ieee13"] and list(both.of_kind(GAP_CLOSED)) == [
        "ieee13-day"
    ]
    assert both.all_cases == {}  # no figure is of both
    assert {"paper", "gap"} <= set(both.rules)
    content = both.to_json()
    edges = states[0].report["stages"][0]["per_histogram"]["edges"]
    assert list(content["histogram_edges"]) == list(edges)
    day = content["cases"]["ieee13-day"]
    assert (day["test_days"], day["yardsticks"]["idle"]["gap_closed"]) == (60, 0.0)
    row = day["algorithms"]["ts-maddpg"]
    assert list(row["curve"]) == ["stage", "episodes", "return", "low", "high"]
    assert len(row["stage_gap_closed"]) == 2 and "histogram" not in row
    files = [path.name for path in draw_comparison(both, tmp_path)]
    assert [name for name in files if "day" in name] == [
        "ieee13-day-learning-curves.png",
        "ieee13-day-stages.png",
    ]


def test_tables_of_days(runs):
    judged, effort = comparison_sheets(compare_runs(runs, {}))
    assert judged.title.startswith("ieee13-day (2 agents, 60 test days)")
    assert judged.head[2:4] == ["gap closed, %", "cost, EUR a day"]
    by_name = {row[0]: row for row in judged.rows}
    assert by_name["perfect foresight"][2] == "100.00" and by_name["price rule"][2] == "70.00"
    assert by_name["TS-MADDPG"][2].startswith("80.50 [80.00, 81.00]")
    assert {len(row) for row in judged.rows} == {len(judged.head)}
    assert {len(row) for row in effort.rows} == {len(effort.head)}
    assert effort.head[2:4] == ["gap closed, stage 1, %", "gap closed, stage 2, %"]
    assert [row[3] != "" for row in effort.rows] == [False, True]  # MADDPG-1 has one stage
