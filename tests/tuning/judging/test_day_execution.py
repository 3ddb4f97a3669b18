"""Controllers on days: they see what they should, as in the environment they are trained in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from policies.contract.joint_spec import JointSpec
from policies.controllers.agent import ControllerError
from policies.controllers.recurrent import RecurrentController, kind_name
from policies.controllers.staged import Controller
from policies.networks.recurrent_actors import RecurrentActor
from rllib_grid import Feeder
from rllib_grid.cases.day_case import DayCase
from rllib_grid.devices.heat import HeatPumps
from rllib_grid.envs.day_env import JointDayEnv
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles
from tuning.errors import CommandError
from tuning.judging.day_evaluation import DayJudge
from tuning.judging.day_execution import TeamOfControllers


@pytest.fixture(scope="module")
def case() -> DayCase:
    """Two buses, an agent each, and an evening that violates the lower bound."""
    feeder = Feeder("line", (0, 1), np.array([1.0, 2.0]), np.array([1.0, 1.0]), 2.0)
    source = SyntheticProfiles(load_kw=20.0, solar_kwp=20.0)
    return DayCase("line", feeder, ((1,), (2,)), source, v_min_pu=0.97)


@pytest.fixture(scope="module")
def warm(case) -> DayCase:
    """The same with heated buildings, light enough to cool out in a night."""
    heat = HeatPumps(c_kwh_per_k=5.0, r_k_per_kw=2.0, p_heat_max_kw=6.0, t_start_c=(18.0, 22.0))
    return case.replace(name="warm line", heat=heat)


@pytest.fixture(scope="module")
def warm_judge(warm) -> DayJudge:
    return DayJudge(warm, "test", 4)


@pytest.fixture(scope="module")
def judge(case) -> DayJudge:
    return DayJudge(case, "test", 4)


def staged(case: DayCase, stages: int = 1, seed: int = 0) -> dict[str, Controller]:
    """Networks with random weights, of the kind that trainings export."""
    rng = np.random.default_rng(seed)

    def weights(agent: str, stage: int):
        signature = case.layout.signature(agent)
        n_out = len(signature["action"])
        n_in = len(signature["state"])
        n_in += n_out + len(signature["observation"]) if stage > 1 else 0
        shapes = {
            "inputs.weight": (n_in, n_in),
            "inputs.bias": (n_in,),
            "first.weight": (n_in, 8),
            "first.bias": (8,),
            "second.weight": (8, 8),
            "second.bias": (8,),
            "last.weight": (8, n_out),
            "last.bias": (n_out,),
            "skip.weight": (n_in, n_out),
        }
        return {k: rng.normal(0, 0.3, s).astype(np.float32) for k, s in shapes.items()}

    return {
        agent: Controller(
            agent,
            case.layout.signature(agent),
            ["plain"] * stages,
            [weights(agent, stage) for stage in range(1, stages + 1)],
        )
        for agent in case.agents
    }


@pytest.mark.parametrize("heated", [False, True])
@pytest.mark.parametrize("stages", [1, 2])
def test_controllers_do_what_they_do_in_the_environment(request, stages, heated):
    """The same networks, stepped through the joint environment in scaled units."""
    judge = request.getfixturevalue("warm_judge" if heated else "judge")
    case, width = judge.case, 6 if heated else 4
    team = staged(case, stages)
    record = judge.run_controllers(team, stages)
    env = JointDayEnv(case, 4, 0, "test")
    where = np.searchsorted(case.days("test").dates, judge.days.dates)
    state, total = env.start(where, judge.soc_start_kwh, judge.t_start_c), np.zeros(4)

    def scaled(values, entries):
        return (values - [e["offset"] for e in entries]) / [e["scale"] for e in entries]

    def physical(values, entries):
        return [e["offset"] for e in entries] + [e["scale"] for e in entries] * values

    for _ in range(24):
        action, obs = np.zeros((4, width)), np.zeros((4, 2))
        for stage in range(1, stages + 1):
            before = action.copy()
            for agent, controller in team.items():
                signature = controller.signature
                own = physical(state[:, env.state_slices[agent]], signature["state"])
                part = env.action_slices[agent]
                seen = (None, None)
                if stage > 1:
                    seen = (
                        physical(before[:, part], signature["action"]),
                        physical(obs[:, env.obs_slices[agent]], signature["observation"]),
                    )
                action[:, part] = scaled(controller.act(own, *seen), signature["action"])
            obs = env.probe(np.clip(action, -1, 1))
        step = env.step(np.clip(action, -1, 1))
        state = step.next_state
        total += step.reward
    np.testing.assert_allclose(total, -record.cost_eur, rtol=1e-3, atol=1e-2)


def test_controllers_of_another_case_are_refused(case):
    team = staged(case)
    with pytest.raises(ControllerError, match=r"stage 2 is not in 1..1"):
        TeamOfControllers(case, team, 24, 2)
    with pytest.raises(CommandError, match="the controller of agent_0 was not made for case line"):
        TeamOfControllers(case.replace(p_limit_kw=5.0), team, 24, 1)
    with pytest.raises(CommandError, match="the controllers are of agent_0, but case line has"):
        TeamOfControllers(case, {"agent_0": team["agent_0"]}, 24, 1)


@pytest.mark.parametrize("heated", [False, True])
def test_recurrent_controllers_remember_as_they_were_trained(request, heated):
    """Torch actors through whole days in the environment against what they export."""
    judge = request.getfixturevalue("warm_judge" if heated else "judge")
    env = JointDayEnv(judge.case, 4, 0, "test")
    spec = JointSpec.of(env)
    torch.manual_seed(0)
    actor = RecurrentActor(spec, 2, recurs=True, kind="plain", width=8, memory=5)
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    team = {
        agent: RecurrentController(
            agent, env.signature(agent), [kind_name("plain")], [actor.agent_layers(i)], 2
        )
        for i, agent in enumerate(spec.agents)
    }
    record = judge.run_controllers(team, stages=1)
    again = judge.run_controllers(team, stages=1)
    np.testing.assert_array_equal(again.cost_eur, record.cost_eur)

    where = np.searchsorted(judge.case.days("test").dates, judge.days.dates)
    state, total = env.start(where, judge.soc_start_kwh, judge.t_start_c), np.zeros(4)
    action, hidden = np.zeros((4, spec.action_dim), np.float32), None
    obs = np.zeros((4, spec.obs_dim), np.float32)
    for round_ in range(48):
        inputs = torch.from_numpy(np.concatenate([state, action, obs], axis=1))
        with torch.no_grad():
            played, hidden = actor.steps(inputs[None], round_, hidden)
        action = played[0].numpy()
        if round_ % 2 == 0:
            obs = env.probe(action)
        else:
            step = env.step(action)
            state, obs, total = step.next_state, step.obs, total + step.reward
    np.testing.assert_allclose(total, -record.cost_eur, rtol=1e-3, atol=1e-2)
