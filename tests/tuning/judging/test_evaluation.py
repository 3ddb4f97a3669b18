"""The figures of an evaluation against values worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from stand_in import StandIn

from policies.controllers.agent import ControllerError
from rllib_grid import OptimalDispatch, make_case
from tuning.errors import CommandError
from tuning.judging import evaluation
from tuning.judging import samples as statistics
from tuning.judging.actions import Actions
from tuning.judging.evaluation import Judge, judge, violation_pu
from tuning.judging.execution import run_controllers

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
    np.testing.assert_allclose(violation_pu(v_pu, 0.95, 1.05), [0.0, 0.01, 0.02], atol=1e-15)


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


class Recorder(StandIn):
    """A controller that always sets ``kw`` and ``kvar``, and keeps what it was shown."""

    def __init__(self, case, agent, kw, kvar, num_stages=2):
        self.signature = case.layout.signature(agent)
        self.num_stages = num_stages
        self.rounds = 1
        self.value = (kw, kvar)
        self.seen = []

    def act(self, state, prototype=None, observation=None, stage=None):
        self.seen.append((stage, state, prototype, observation))
        buses = len(self.signature["buses"])
        return np.repeat(np.array([self.value], np.float32) * stage, buses, 1).repeat(len(state), 0)


def test_each_stage_sees_own_buses_and_the_voltages_of_the_stage_before():
    case = make_case("ieee13")
    p_base_kw, q_base_kvar = evaluation.test_states(case, 3)
    agents = {
        "agent_0": Recorder(case, "agent_0", 10.0, -5.0),
        "agent_1": Recorder(case, "agent_1", -20.0, 8.0),
    }
    first, second = run_controllers(case, agents, p_base_kw, q_base_kvar)
    odd, even = np.arange(0, 12, 2), np.arange(1, 12, 2)  # columns of buses 1, 3, .. and 2, 4, ..
    np.testing.assert_array_equal(first.p_ctrl_kw[:, odd], 10.0)
    np.testing.assert_array_equal(first.q_ctrl_kvar[:, even], 8.0)
    np.testing.assert_array_equal(second.p_ctrl_kw[:, even], -40.0)
    np.testing.assert_allclose(
        first.v_pu, case.v_pu(p_base_kw, q_base_kvar, first.p_ctrl_kw, first.q_ctrl_kvar)
    )
    stages = [stage for stage, *_ in agents["agent_1"].seen]
    assert stages == [1, 2]
    _, state, prototype, observation = agents["agent_1"].seen[1]
    np.testing.assert_array_equal(state, np.hstack([p_base_kw[:, even], q_base_kvar[:, even]]))
    np.testing.assert_array_equal(prototype, np.tile([-20.0] * 6 + [8.0] * 6, (3, 1)))
    np.testing.assert_array_equal(observation, first.v_pu[:, even])
    assert agents["agent_0"].seen[0][2:] == (None, None)


def test_meters_err_in_what_agents_see_and_not_in_what_is_judged():
    case = make_case("ieee13")
    p_base_kw, q_base_kvar = evaluation.test_states(case, 2_000)
    agents = {agent: Recorder(case, agent, 10.0, -5.0) for agent in case.agents}
    first, _ = run_controllers(case, agents, p_base_kw, q_base_kvar, meter_error_pu=1e-3)
    errors = []
    for agent in case.agents:
        buses = np.array(case.layout.signature(agent)["buses"]) - 1
        errors.append(agents[agent].seen[1][3] - first.v_pu[:, buses])
    errors = np.hstack(errors)
    assert np.std(errors) == pytest.approx(1e-3, rel=0.05)
    assert np.abs(np.corrcoef(errors.T) - np.eye(12)).max() < 0.1
    true_pu = case.v_pu(p_base_kw, q_base_kvar, first.p_ctrl_kw, first.q_ctrl_kvar)
    np.testing.assert_array_equal(first.v_pu, true_pu)


def test_stages_can_be_cut_short_but_not_invented():
    case = make_case("ieee13")
    states = evaluation.test_states(case, 3)
    agents = {agent: Recorder(case, agent, 1.0, 1.0) for agent in case.agents}
    assert len(run_controllers(case, agents, *states, num_stages=1)) == 1
    with pytest.raises(CommandError, match=r"--stage: 3 is out of bounds, the run has 1\.\.2"):
        run_controllers(case, agents, *states, num_stages=3)


def test_controllers_of_another_case_are_refused():
    case, other = make_case("ieee13"), make_case("ieee13-contiguous")
    states = evaluation.test_states(case, 3)
    agents = {agent: Recorder(other, agent, 1.0, 1.0) for agent in other.agents}
    with pytest.raises(CommandError, match="agent_0 was not made for case ieee13"):
        run_controllers(case, agents, *states)
    with pytest.raises(CommandError, match="but case ieee13 has agent_0, agent_1"):
        run_controllers(case, {"agent_0": agents["agent_0"]}, *states)
    agents = {a: Recorder(case, a, 1.0, 1.0, num_stages=i + 1) for i, a in enumerate(case.agents)}
    with pytest.raises(ControllerError, match="differ in \\(stages, rounds\\)"):
        run_controllers(case, agents, *states)
