"""What runs come to side by side, from made-up reports."""

from __future__ import annotations

import pytest

from tuning.campaigns.results.comparison import compare_runs, figures_of
from tuning.campaigns.results.runs import Run
from tuning.campaigns.results.states import best_round


def test_one_round_is_chosen_for_all_seeds(made_report):
    reports = [made_report(seed=s, rounds=(0.05, 0.01, 0.02)) for s in (0, 1)]
    by_seed = ((0.05, 0.010, 0.020), (0.05, 0.012, 0.001))  # the second seed has its own favourite
    for report, means in zip(reports, by_seed, strict=True):
        for entry, mean in zip(report["rounds"], means, strict=True):
            entry["per_mean"] = mean
    assert best_round(reports) == 3  # 1.05 % on average, against 1.1 %
    reports[0]["rounds"].pop()
    assert best_round(reports) == 2  # of the rounds that both have
    assert best_round([made_report(), *reports]) is None
    assert best_round([]) is None


@pytest.fixture
def runs(made_report):
    """Two seeds of two algorithms in ieee13, one of them in ieee13-twelve too."""

    def run(case, algorithm, seed, **how):
        config = {"git_commit": "abc", "case": {"groups": [[1]] * (12 if "twelve" in case else 2)}}
        return Run(case, algorithm, seed, made_report(seed=seed, case=case, **how), config)

    found = [run("ieee13", "ts-maddpg", seed) for seed in (1, 0)]
    found += [run("ieee13", "ms-maddpg-3", seed, per=(0.3, 0.2, 0.1)) for seed in (0, 1)]
    found += [run("ieee13-twelve", "ts-maddpg", seed, per=(0.5, 0.1)) for seed in (0, 1)]
    return found


def test_figures_of_a_run(runs):
    run = runs[0]
    figures = figures_of(run)
    last = run.report["stages"][-1]
    assert figures["per_mean"] == last["per_mean"]
    assert figures["per_below_30"] == last["per_cdf"]["30"]
    assert (figures["episodes"], figures["wall_s"]) == (1000, 22.0)
    # 0.02 (1 + 100 / e) is below 1.05 times the last 0.02 (1.2) from e = 400 on, after 500 others
    assert figures["episodes_to_optimised"] == 900
    assert figures["episodes_to_paper"] == 550
    assert figures_of(runs[2])["episodes_to_paper"] is None  # the paper has no K = 3


def test_comparison_holds_what_tables_and_figures_show(runs):
    found = compare_runs(runs, {"ieee13": {2: 0.008, 1: 0.255}})
    small, large = found.cases["ieee13"], found.cases["ieee13-twelve"]
    assert (small.agents, large.agents) == (2, 12)
    assert list(small.yardsticks.information_limit.items()) == [(1, 0.255), (2, 0.008)]
    assert large.yardsticks.information_limit == {}
    row = small.rows["ts-maddpg"]
    assert (row.seeds, row.stages, row.round) == ((0, 1), 2, None)
    finals = [run.report["stages"][-1] for run in (runs[1], runs[0])]
    assert row.compared.values == tuple(entry["per_mean"] for entry in finals)
    assert row.histogram.states == sum(row.histogram.counts) == 400
    assert row.paper.per_mean == 0.175
    assert small.rows["ms-maddpg-3"].paper is None
    assert len(small.rows["ms-maddpg-3"].by_stage) == 3
    assert list(found.all_cases) == ["ts-maddpg"]  # the only one that ran in both
    assert len(found.all_cases["ts-maddpg"].values) == 4
    assert compare_runs(runs[:4], {}).all_cases == {}


def test_json_has_every_name_that_readers_go_by(runs):
    content = compare_runs(runs, {"ieee13": {2: 0.008}}).to_json()
    assert set(content) == {"rules", "commits", "histogram_edges", "cases", "all_cases"}
    case = content["cases"]["ieee13"]
    assert (case["test_states"], case["information_limit"]) == (200, {"2": 0.008})
    assert case["team_rule"]["per_mean"] == runs[0].report["team_rule"]["per_mean"]
    assert "per_histogram" not in case["team_rule"]
    row = case["algorithms"]["ts-maddpg"]
    assert set(row["figures"]["per_mean"]) == {"iqm", "low", "high", "values"}
    assert len(row["stage_per_mean"]) == 2
    assert list(row["curve"]) == ["stage", "episodes", "per", "low", "high"]
    assert (row["name"], row["round_per_mean"]) == ("TS-MADDPG", [])


def test_an_iterated_actor_is_judged_by_its_best_round(made_report):
    report = made_report(rounds=(0.05, 0.01, 0.02))
    run = Run("ieee13", "iterated", 0, report, {"case": {"groups": [[1], [2]]}})
    row = compare_runs([run], {}).cases["ieee13"].rows["iterated"]
    assert row.round == 2
    assert row.compared.iqm == report["rounds"][1]["per_mean"]
    assert list(row.by_round) == [1, 2, 3]
