"""Controllers at work: what each of them sees, stage by stage and round by round."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stand_in import StandIn

from policies.contract.joint_spec import JointSpec
from policies.controllers.agent import ControllerError
from policies.controllers.recurrent import RecurrentController, kind_name
from policies.networks.recurrent_actors import RecurrentActor
from rllib_grid import make_case
from tuning.errors import CommandError
from tuning.judging import evaluation
from tuning.judging.execution import run_controllers


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


def test_recurrent_controllers_take_their_rounds_whatever_is_asked():
    case = make_case("ieee13")
    states = evaluation.test_states(case, 5)
    torch.manual_seed(0)
    spec = JointSpec(case.agents, (12, 12), (12, 12), (6, 6))
    actor = RecurrentActor(spec, 3, recurs=False, kind="plain", width=4, memory=4)
    agents = {
        agent: RecurrentController(
            agent, case.layout.signature(agent), [kind_name("plain")], [actor.agent_layers(i)], 3
        )
        for i, agent in enumerate(case.agents)
    }
    done = run_controllers(case, agents, *states)
    assert len(done) == len(run_controllers(case, agents, *states, rounds=7)) == 3
    base = np.hstack(states)
    memories, actions, seen = {}, {}, {}
    for acted in done:
        for agent, controller in agents.items():
            own = np.array(controller.signature["buses"]) - 1
            actions[agent], memories[agent] = controller.act_round(
                base[:, [*own, *(own + 12)]],
                actions.get(agent),
                seen.get(agent),
                memories.get(agent),
            )
            np.testing.assert_array_equal(acted.p_ctrl_kw[:, own], actions[agent][:, :6])
            np.testing.assert_array_equal(acted.q_ctrl_kvar[:, own], actions[agent][:, 6:])
        for agent, controller in agents.items():
            seen[agent] = acted.v_pu[:, np.array(controller.signature["buses"]) - 1]
