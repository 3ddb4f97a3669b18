"""Held states: probes that cost, demand that drifts, meters and agents that fail."""

from __future__ import annotations

import numpy as np
import pytest
from stand_in import StandIn

from rllib_grid import GridError, JointGridEnv, OptimalDispatch, make_case
from tuning.judging import evaluation
from tuning.judging.evaluation import Judge, judge
from tuning.judging.execution import run_controllers
from tuning.judging.held_states import Faults

CASE = make_case("ieee13")
STATES = evaluation.test_states(CASE, 400)


class Climber(StandIn):
    """A controller that sets 10 kW and -5 kvar times the stage, and keeps what it was shown."""

    rounds = 1

    def __init__(self, agent, num_stages=2):
        self.signature = CASE.layout.signature(agent)
        self.num_stages = num_stages
        self.read = []

    def act(self, state, prototype=None, observation=None, stage=None):
        self.read.append(observation)
        buses = len(self.signature["buses"])
        return np.tile([10.0 * stage] * buses + [-5.0 * stage] * buses, (len(state), 1))


def climbers(num_stages=2):
    return {agent: Climber(agent, num_stages) for agent in CASE.agents}


def own(agent):
    return np.array(CASE.layout.signature(agent)["buses"]) - 1


def test_ideal_probes_leave_nothing_behind():
    first, second = run_controllers(CASE, climbers(), *STATES)
    assert first.step_cost_kw is None and second.base is None
    assert second.charged_kw is second.cost_kw


def test_a_step_costs_its_probes_in_their_part():
    case = CASE.replace(probe_share=0.3)
    ideal = run_controllers(CASE, climbers(3), *STATES)
    found = run_controllers(case, climbers(3), *STATES)
    c1, c2, c3 = (actions.cost_kw for actions in ideal)
    for mine, its in zip(found, (c1, 0.3 * c1 + 0.7 * c2, 0.3 * (c1 + c2) + 0.4 * c3), strict=True):
        np.testing.assert_allclose(mine.charged_kw, its, rtol=1e-9)
    np.testing.assert_array_equal(found[2].cost_kw, c3)


def test_the_environment_charges_the_same():
    case = CASE.replace(probe_share=0.3, penalty_kw_per_pu=0.0)
    env = JointGridEnv(case, 400, seed=0)
    p_kw, q_kvar = case.layout.from_state(env.reset())
    done = run_controllers(case, climbers(), p_kw, q_kvar)
    env.probe(case.layout.from_controls(done[0].p_ctrl_kw, done[0].q_ctrl_kvar))
    step = env.step(case.layout.from_controls(done[1].p_ctrl_kw, done[1].q_ctrl_kvar))
    assert -step.reward == pytest.approx(done[1].charged_kw, rel=3e-6)


def test_the_error_of_a_step_is_that_of_its_whole_cost():
    case = CASE.replace(probe_share=0.25)
    done = run_controllers(case, climbers(), *STATES)
    best = OptimalDispatch(CASE).solve(*STATES).cost_kw
    found = judge(case, done[1], best)
    step_kw = 0.25 * done[0].cost_kw + 0.75 * done[1].cost_kw
    assert found.per_mean == pytest.approx(float(np.mean((step_kw - best) / np.abs(best))))
    assert found.regret_kw_mean == pytest.approx(float(np.mean(step_kw - best)))
    assert found.cost_kw_mean == pytest.approx(float(done[1].cost_kw.mean()))


def test_probes_without_time_for_the_action_are_refused():
    with pytest.raises(GridError, match=r"2 probes of 0\.5 of the time step leave no time"):
        run_controllers(CASE.replace(probe_share=0.5), climbers(3), *STATES)


def test_as_many_rounds_as_there_is_time_for():
    judged = Judge(CASE.replace(probe_share=0.25), *STATES).rounds(climbers(2), 8)
    assert len(judged) == 3  # four actions, three of them probes


def test_demand_drifts_between_actions_and_so_does_the_optimum():
    case = CASE.replace(drift_kw=20.0)
    agents = climbers()
    first, second = run_controllers(case, agents, *STATES)
    np.testing.assert_array_equal(first.base[0], STATES[0])
    moved_kw, moved_kvar = second.base[0] - STATES[0], second.base[1] - STATES[1]
    assert moved_kw.std() == pytest.approx(20.0, rel=0.03)
    np.testing.assert_allclose(moved_kvar, moved_kw * np.tan(np.arccos(0.9)), rtol=1e-9)
    v_pu = case.v_pu(*second.base, second.p_ctrl_kw, second.q_ctrl_kvar)
    np.testing.assert_array_equal(second.v_pu, v_pu)
    best = OptimalDispatch(CASE).solve(*second.base).cost_kw
    np.testing.assert_allclose(Judge(case, *STATES).optimal_kw(second), best)
    again = run_controllers(case.replace(drift_kw=40.0), climbers(), *STATES)[1]
    np.testing.assert_allclose(again.base[0] - STATES[0], 2 * moved_kw, rtol=1e-9)  # paired


def test_meters_count_in_steps():
    agents = climbers()
    first, _ = run_controllers(CASE.replace(meter_step_pu=1e-3), agents, *STATES)
    for agent, controller in agents.items():
        shown = controller.read[1]
        np.testing.assert_allclose(shown / 1e-3, np.round(shown / 1e-3), atol=1e-6)
        assert np.abs(shown - first.v_pu[:, own(agent)]).max() <= 0.5e-3 + 1e-12


def test_missed_readings_show_the_head_and_then_the_last():
    agents = climbers(3)
    first, second, _ = run_controllers(CASE.replace(probe_loss=0.3), agents, *STATES)
    missed = []
    for agent, controller in agents.items():
        truth = [actions.v_pu[:, own(agent)] for actions in (first, second)]
        _, once, twice = controller.read
        lost = [(once != truth[0]).any(axis=1), (twice != truth[1]).any(axis=1)]
        assert (once[lost[0]] == CASE.v_head_pu).all()
        np.testing.assert_array_equal(twice[lost[1]], once[lost[1]])
        missed += lost
    assert np.mean(missed) == pytest.approx(0.3, abs=0.06)  # s.e. 0.012


@pytest.mark.parametrize("meter", ["head", "first"])
def test_stuck_meters_are_those_of_one_agent(meter):
    agents = climbers(3)
    done = run_controllers(CASE, agents, *STATES, faults=Faults("agent_1", meter=meter))
    shown = CASE.v_head_pu if meter == "head" else done[0].v_pu[:1, own("agent_1")]
    for read in agents["agent_1"].read[1:]:
        np.testing.assert_array_equal(read, np.broadcast_to(shown, read.shape))
    np.testing.assert_array_equal(agents["agent_0"].read[2], done[1].v_pu[:, own("agent_0")])


def test_a_lost_agent_stays_with_its_first_action_or_is_idle():
    for action, held in (("first", 10.0), ("idle", 0.0)):
        done = run_controllers(CASE, climbers(3), *STATES, faults=Faults("agent_1", action=action))
        for stage, actions in enumerate(done, start=1):
            assert (actions.p_ctrl_kw[:, own("agent_1")] == held).all()
            assert (actions.p_ctrl_kw[:, own("agent_0")] == 10.0 * stage).all()


def test_agents_get_lost_by_chance_for_the_whole_step():
    done = run_controllers(CASE.replace(agent_loss=0.3), climbers(3), *STATES)
    lost = [done[2].p_ctrl_kw[:, own(agent)[0]] == 10.0 for agent in CASE.agents]
    assert np.mean(lost) == pytest.approx(0.3, abs=0.07)  # s.e. 0.016
    stayed = [done[1].p_ctrl_kw[:, own(agent)[0]] == 10.0 for agent in CASE.agents]
    np.testing.assert_array_equal(stayed, lost)
    for agent, gone in zip(CASE.agents, lost, strict=True):
        assert (done[2].q_ctrl_kvar[np.ix_(gone, own(agent))] == -5.0).all()
        assert (done[2].q_ctrl_kvar[np.ix_(~gone, own(agent))] == -15.0).all()


def test_results_lie_in_memory_as_the_states_do():
    """States of an environment lie column by column; the last bit of sums depends on it."""
    states = tuple(map(np.asfortranarray, STATES))
    for case in (CASE, CASE.replace(probe_loss=0.3, agent_loss=0.3)):
        for actions in run_controllers(case, climbers(), *states):
            assert actions.p_ctrl_kw.flags.f_contiguous and actions.q_ctrl_kvar.flags.f_contiguous
