"""Aggregation over seeds, on numbers small enough to do by hand."""

from __future__ import annotations

import pytest

from tuning.campaigns import comparison
from tuning.campaigns.comparison import Point, Run


def curve(*points):
    return [Point(*point) for point in points]


def test_interquartile_mean_drops_a_quarter_off_each_end():
    assert comparison.interquartile_mean([9.0, 2.0, 4.0, -50.0, 3.0]) == 3.0
    assert comparison.interquartile_mean([1, 2, 3, 4, 5, 6, 7, 100]) == 4.5
    assert comparison.interquartile_mean([1.0, 2.0, 6.0]) == 3.0  # nothing to drop


def test_interval_is_that_of_all_resamples():
    """Of the 27 resamples of three values, one has the least mean: more than 2.5 % of them."""
    summary = comparison.summarise([0.0, 3.0, 9.0])
    assert (summary["iqm"], summary["low"], summary["high"]) == (4.0, 0.0, 9.0)
    assert summary["values"] == [0.0, 3.0, 9.0]


def test_each_stratum_is_resampled_by_itself():
    apart = comparison.summarise([1.0, 1.0, 1.0], [5.0, 5.0, 5.0])
    assert (apart["iqm"], apart["low"], apart["high"]) == (3.0, 3.0, 3.0)
    together = comparison.summarise([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])
    assert together["low"] < 3.0 < together["high"]


def test_nothing_is_made_up_for_one_seed_or_a_missing_value():
    one = comparison.summarise([0.25])
    assert (one["iqm"], one["low"], one["high"]) == (0.25, None, None)
    missing = comparison.summarise([0.25, None, 0.3])
    assert (missing["iqm"], missing["low"]) == (None, None)
    assert missing["values"] == [0.25, None, 0.3]


def test_optimised_is_the_first_count_within_five_per_cent_of_the_best():
    learnt = curve((1, 100, 0.9), (1, 200, 0.30), (2, 300, 0.1049), (2, 400, 0.12), (2, 500, 0.1))
    assert comparison.episodes_to_optimised(learnt) == 300
    assert comparison.episodes_to_optimised(curve((1, 100, 0.106), (1, 200, 0.1))) == 200
    below = curve((1, 100, -0.1), (1, 200, -0.19), (1, 300, -0.191), (1, 400, -0.2))
    assert comparison.episodes_to_optimised(below) == 200
    assert comparison.episodes_to_optimised([]) is None


def test_passing_is_strictly_below():
    learnt = curve((1, 100, 0.3), (1, 200, 0.175), (2, 300, 0.1), (2, 400, 0.2))
    assert comparison.episodes_to_pass(learnt, 0.175) == 300
    assert comparison.episodes_to_pass(learnt, 0.1) is None


def test_band_holds_the_last_value_of_every_seed_at_every_count():
    one = curve((1, 10, 0.9), (1, 20, 0.5), (1, 20, 0.4), (2, 30, 0.2))
    other = curve((1, 15, 0.7), (1, 20, 0.6), (2, 30, 0.1))
    band = comparison.curve_band([one, other])
    assert band["stage"] == [1, 1, 1, 2]
    assert band["episodes"] == [10, 15, 20, 30]
    assert band["low"] == [0.7, 0.7, 0.4, 0.1]
    assert band["high"] == [0.9, 0.9, 0.6, 0.2]
    assert band["per"] == pytest.approx([0.8, 0.8, 0.5, 0.15])


def test_one_round_is_chosen_for_all_seeds(made_report):
    reports = [made_report(seed=s, rounds=(0.05, 0.01, 0.02)) for s in (0, 1)]
    by_seed = ((0.05, 0.010, 0.020), (0.05, 0.012, 0.001))  # the second seed has its own favourite
    for report, means in zip(reports, by_seed, strict=True):
        for entry, mean in zip(report["rounds"], means, strict=True):
            entry["per_mean"] = mean
    assert comparison.best_round(reports) == 3  # 1.05 % on average, against 1.1 %
    reports[0]["rounds"].pop()
    assert comparison.best_round(reports) == 2  # of the rounds that both have
    assert comparison.best_round([made_report(), *reports]) is None
    assert comparison.best_round([]) is None


def test_curve_leaves_out_what_is_no_number(made_report):
    report = made_report()
    report["learning_curve"][0]["validation_per"] = None
    assert len(comparison.curve_of(report)) == len(report["learning_curve"]) - 1
    assert comparison.curve_of({"learning_curve": None}) == []


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
    figures = comparison.figures_of(run)
    last = run.report["stages"][-1]
    assert figures["per_mean"] == last["per_mean"]
    assert figures["per_below_30"] == last["per_cdf"]["30"]
    assert (figures["episodes"], figures["wall_s"]) == (1000, 22.0)
    # 0.02 (1 + 100 / e) is below 1.05 times the last 0.02 (1.2) from e = 400 on, after 500 others
    assert figures["episodes_to_optimised"] == 900
    assert figures["episodes_to_paper"] == 550
    assert comparison.figures_of(runs[2])["episodes_to_paper"] is None  # the paper has no K = 3


def test_comparison_holds_what_tables_and_figures_show(runs):
    content = comparison.compare_runs(runs, {"ieee13": {2: 0.008, 1: 0.255}})
    small, large = content["cases"]["ieee13"], content["cases"]["ieee13-twelve"]
    assert (small["agents"], large["agents"]) == (2, 12)
    assert list(small["information_limit"].items()) == [("1", 0.255), ("2", 0.008)]
    assert large["information_limit"] == {}
    row = small["algorithms"]["ts-maddpg"]
    assert (row["seeds"], row["stages"], row["round"]) == ([0, 1], 2, None)
    finals = [run.report["stages"][-1] for run in (runs[1], runs[0])]
    assert row["figures"]["per_mean"]["values"] == [entry["per_mean"] for entry in finals]
    assert row["histogram"]["states"] == 400
    assert row["histogram"]["counts"].sum() == 400
    assert row["paper"]["per_mean"] == 0.175
    assert small["algorithms"]["ms-maddpg-3"]["paper"] is None
    assert len(small["algorithms"]["ms-maddpg-3"]["stage_per_mean"]) == 3
    assert list(content["all_cases"]) == ["ts-maddpg"]  # the only one that ran in both
    assert len(content["all_cases"]["ts-maddpg"]["values"]) == 4
    assert comparison.compare_runs(runs[:4], {})["all_cases"] == {}


def test_an_iterated_actor_is_judged_by_its_best_round(made_report):
    report = made_report(rounds=(0.05, 0.01, 0.02))
    run = Run("ieee13", "iterated", 0, report, {"case": {"groups": [[1], [2]]}})
    row = comparison.compare_runs([run], {})["cases"]["ieee13"]["algorithms"]["iterated"]
    assert row["round"] == 2
    assert row["figures"]["per_mean"]["iqm"] == report["rounds"][1]["per_mean"]
    assert [entry["round"] for entry in row["round_per_mean"]] == [1, 2, 3]
