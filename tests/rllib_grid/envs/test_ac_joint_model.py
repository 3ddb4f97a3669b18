"""The environment under AC power flow: float32 against the case's own float64."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, Feeder, JointGridEnv
from rllib_grid.physics.ac import solve


def _acted(case: Case, num_envs: int = 500, seed: int = 0):
    """An environment, a state, an action, and what they are in physical units."""
    env = JointGridEnv(case, num_envs, seed)
    state = env.reset()
    action = np.random.default_rng(seed).uniform(-1, 1, state.shape).astype(np.float32)
    physical = (*case.layout.from_state(state), *case.layout.to_controls(action))
    return env, action, physical


@pytest.mark.parametrize("name", ["ieee13", "fork"])
def test_rewards_and_voltages_are_those_of_the_case(name, ieee13, fork_case) -> None:
    case = (ieee13 if name == "ieee13" else fork_case).replace(physics="ac", v_min_pu=0.999)
    env, action, physical = _acted(case)
    probed, step = env.probe(action), env.step(action)
    v_pu = case.v_pu(*physical)
    error_pu = case.layout.from_obs(step.obs) - v_pu
    assert np.abs(error_pu).max() < 1e-7  # signals matter from 1e-6 on
    assert (probed == step.obs).all()
    cost_kw = case.cost_kw(*physical) + case.penalty_kw(v_pu).sum(axis=1)
    assert step.reward == pytest.approx(-cost_kw, rel=1e-5, abs=1e-4)


def test_physics_matters(ieee13: Case) -> None:
    """Not a copy of LinDistFlow: voltages differ by far more than float32 does."""
    (env, action, _), (linear, same, _) = (
        _acted(case) for case in (ieee13.replace(physics="ac"), ieee13)
    )
    assert (action == same).all()
    ac, lin = (e.step(action).obs * ieee13.obs_scale_pu for e in (env, linear))
    assert 1e-4 < np.abs(ac - lin).max() < 0.02


def test_local_rewards_add_up(ieee13: Case) -> None:
    case = ieee13.replace(physics="ac", agent_reward="local")
    env, action, physical = _acted(case)
    step = env.step(action)
    p, q = physical[0] + physical[2], physical[1] + physical[3]
    loss_kw = solve(case.feeder, 1.0, p, q).loss_kw
    # every agent bears the whole loss
    summed = step.agent_reward.sum(axis=1)
    assert summed - step.reward == pytest.approx(-loss_kw, rel=1e-4, abs=1e-4)


def test_what_a_collapsed_feeder_is_given(one_bus: Feeder) -> None:
    line = Feeder("line", (0,), one_bus.r_ohm, np.array([0.0]), v_base_kv=2.0)
    case = Case("line", line, ((1,),), 4000.0, 1.0, physics="ac")
    env = JointGridEnv(case, 2, 0)
    env.reset()
    step = env.step(np.array([[1.0, 0.0], [-0.1, 0.0]], np.float32))
    assert np.isfinite(step.reward).all()
    assert case.layout.from_obs(step.obs)[0] == pytest.approx(0.5)
    assert step.reward[0] < -4000.0
    assert step.reward[1] > -100.0
