"""The figures of an evaluation against values worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from rllib_grid import OptimalDispatch, make_case
from tuning.judging import evaluation
from tuning.judging import samples as statistics
from tuning.judging.actions import Actions
from tuning.judging.evaluation import Judge, judge, violation_pu

PINNED_FIRST_KW = 50.39557352580397  # a change of the stream would make old results incomparable


def test_per_is_positive_for_worse_whatever_the_sign_of_the_optimum():
    cost = np.array([3.0, -1.0, 5.0, 2.0, 1.0])
    optimum = np.array([2.0, -2.0, 0.0, np.nan, 1.0])
    per = statistics.reward_error(cost, optimum)
    np.testing.assert_array_equal(per, [0.5, 0.5, np.nan, np.nan, 0.0])


def test_mean_with_interval_by_hand():
    mean, low, high = statistics.mean_ci95(np.array([1.0, 2.0, np.nan, 3.0, 4.0]))
    half = 1.959963984540054 * np.sqrt(5 / 3) / 2  # sample variance 5/3, four values
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - half, 2.5 + half), rel=1e-10)


def test_too_few_values_give_no_interval():
    mean, low, high = statistics.mean_ci95(np.array([2.0]))
    assert mean == 2.0 and np.isnan([low, high]).all()
    assert np.isnan(statistics.mean_ci95(np.array([np.nan]))).all()
    assert np.isnan(list(statistics.cdf(np.array([])).values())).all()


def test_cdf_counts_what_is_strictly_below():
    sample = np.array([-0.01, 0.05, 0.0999, 0.2, 0.31, np.nan])
    expected = {"5": 0.2, "10": 0.6, "15": 0.6, "20": 0.6, "25": 0.8, "30": 0.8}
    assert statistics.cdf(sample) == pytest.approx(expected)


def test_histogram_loses_no_value():
    found = statistics.histogram(np.array([-9.0, -0.001, 0.0, 0.0049, 0.0051, 3.0, np.nan]))
    assert (found["below"], found["above"], sum(found["counts"])) == (1, 1, 4)
    first = int(np.argmin(np.abs(np.array(found["edges"]))))  # the edge at 0
    assert found["counts"][first - 1 : first + 2] == [1, 2, 1]


def test_violation_is_the_worst_bus_on_either_side():
    v_pu = np.array([[1.0, 1.05], [0.94, 1.06], [0.93, 1.0]])
    np.testing.assert_allclose(violation_pu(v_pu, 0.95, 1.05), [0.0, 0.01, 0.02], atol=1e-10)


def test_judgement_by_hand():
    bounds = SimpleNamespace(v_min_pu=0.95, v_max_pu=1.05)
    v_pu = np.array([[1.0, 1.0], [0.95 - 0.9e-5, 1.0], [1.0, 1.07], [0.9, 1.0]])
    nothing = np.zeros((4, 2))
    actions = Actions(nothing, nothing, v_pu, cost_kw=np.array([1.1, 2.4, 4.0, 9.0]))
    found = judge(bounds, actions, np.array([1.0, 2.0, 4.0, np.nan]))
    assert (found.states, found.infeasible_states) == (4, 1)
    assert found.per_mean == pytest.approx(0.1)
    assert found.regret_kw_mean == pytest.approx(0.5 / 3)
    assert found.regret_ratio == pytest.approx(0.5 / 7)
    assert found.cost_kw_mean == pytest.approx(16.5 / 4)
    assert found.voltage_violation_rate == 0.5  # 0.9e-5 p.u. is within the tolerance
    assert found.voltage_violation_max_pu == pytest.approx(0.05)
    assert found.entry(stage=1, episodes=7)["per_ci95"] == found.per_ci95


def test_test_states_are_one_fixed_stream():
    case = make_case("ieee13")
    np.random.default_rng(0).random()
    p_test, q_test = evaluation.test_states(case, 50)
    again, _ = evaluation.test_states(case, 50)
    np.testing.assert_array_equal(p_test, again)
    assert p_test.shape == q_test.shape == (50, 12)
    assert p_test[0, 0] == pytest.approx(PINNED_FIRST_KW, abs=1e-9)


def test_optimal_actions_have_no_error_and_the_rules_are_where_they_should_be():
    case = make_case("ieee13")
    states = evaluation.test_states(case, 2_000)
    judged = Judge(case, *states)
    optimum = OptimalDispatch(case).solve(*states)
    best = judged.judge(optimum.p_ctrl_kw, optimum.q_ctrl_kvar)
    assert best.per_mean == pytest.approx(0.0, abs=1e-6)
    assert best.voltage_violation_rate == 0.0
    yardsticks = judged.yardsticks()
    assert yardsticks["team_rule_per_mean"] == pytest.approx(0.255, abs=0.012)  # s.e. 0.003
    assert yardsticks["zero_action_per_mean"] > 1.0
    assert yardsticks["test_states"] == 2_000
    per = judged.per(optimum.p_ctrl_kw, optimum.q_ctrl_kvar)
    np.testing.assert_allclose(per, 0.0, atol=1e-6)
