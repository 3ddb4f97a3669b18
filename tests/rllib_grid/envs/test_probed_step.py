"""Probes that cost, demand that drifts, readings and agents that get lost: in the environment."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, GridError, JointGridEnv, UniformDemand
from rllib_grid.envs.probed_step import Frame, ProbedStep, q_moved, rounded_pu

B = 64


def actions(env: JointGridEnv, seed: int = 0) -> np.ndarray:
    """Random joint actions."""
    shape = (env.num_envs, 2 * env.case.num_buses)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def held_reward(case: Case, state: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Reward (B,) of an action in a state, in float64."""
    numbers = (*case.layout.from_state(state), *case.layout.to_controls(action))
    return -(case.cost_kw(*numbers) + case.penalty_kw(case.v_pu(*numbers)).sum(axis=1))


def moved(env: JointGridEnv) -> np.ndarray:
    """How far the joint state has moved since the step began."""
    return env.get_state()["probed"]["moved"]


def test_probes_are_charged_for_the_time_they_last(fork_case: Case) -> None:
    env = JointGridEnv(fork_case.replace(probe_share=0.3, horizon=2), B, seed=3)
    ideal = JointGridEnv(fork_case.replace(horizon=2), B, seed=3)
    state = env.reset()
    assert (ideal.reset() == state).all()
    first, second, last = (actions(env, seed) for seed in range(3))
    assert (env.probe(first) == ideal.probe(first)).all()
    env.probe(second)
    step, truth = env.step(last), ideal.step(last)
    r1, r2, r3 = (held_reward(fork_case, state, action) for action in (first, second, last))
    assert step.reward == pytest.approx(0.3 * r1 + 0.3 * r2 + 0.4 * r3, rel=3e-6)
    assert (step.obs == truth.obs).all()
    assert (step.next_state == truth.next_state).all()
    # The next step owes nothing for them.
    assert env.step(first).reward == pytest.approx(
        held_reward(fork_case, step.next_state, first), rel=3e-6
    )


def test_local_rewards_share_the_cost_of_probes(fork_case: Case) -> None:
    local = fork_case.replace(agent_reward="local")
    env, ideal = (JointGridEnv(case, B, 3) for case in (local.replace(probe_share=0.25), local))
    env.reset()
    ideal.reset()
    start = ideal.get_state()
    paid = []
    for seed in (0, 1):
        ideal.set_state(start)
        paid.append(ideal.step(actions(env, seed)).agent_reward)
    env.probe(actions(env, 0))
    found = env.step(actions(env, 1)).agent_reward
    assert found == pytest.approx(0.25 * paid[0] + 0.75 * paid[1], rel=1e-5)


def test_probes_must_leave_time_for_the_action(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(probe_share=0.1), 3, seed=0)
    env.reset()
    for _ in range(9):
        env.probe(actions(env))
    assert env.step(actions(env)).reward.shape == (3,)
    env.reset()
    for _ in range(10):
        env.probe(actions(env))
    with pytest.raises(GridError, match=r"10 probes of 0\.1 of the time step leave no time"):
        env.step(actions(env))


def test_demand_drifts_unseen(ieee13: Case) -> None:
    case = ieee13.replace(drift_kw=20.0)
    env, action = JointGridEnv(case, 4_000, seed=0), None
    state = env.reset()
    action = actions(env)
    v_pu = case.v_pu(*case.layout.from_state(state), *case.layout.to_controls(action))
    assert env.probe(action) == pytest.approx(case.layout.to_obs(v_pu), abs=1e-5)
    once = moved(env)
    p_kw, q_kvar = case.layout.from_state(once)
    assert p_kw.std(axis=0) == pytest.approx(np.full(12, 20.0), rel=0.05)
    assert np.abs(np.corrcoef(p_kw.T) - np.eye(12)).max() < 0.07
    assert q_kvar == pytest.approx(p_kw * np.tan(np.arccos(0.9)), rel=1e-4, abs=1e-3)
    env.probe(action)
    twice = moved(env)
    assert (twice - once).std() == pytest.approx(once.std(), rel=0.03)
    assert abs(np.corrcoef((twice - once).ravel(), once.ravel())[0, 1]) < 0.02
    step = env.step(action)
    assert step.reward == pytest.approx(held_reward(case, state + twice, action), rel=3e-6)
    assert (step.next_state == state).all()  # what the agents know is older


def test_a_new_step_knows_its_demand(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(drift_kw=5.0, horizon=3), 8, seed=0)
    env.reset()
    env.probe(actions(env))
    assert moved(env).any(axis=1).all()
    mask = np.arange(8) < 3
    env.reset(mask)
    assert (moved(env).any(axis=1) == ~mask).all()
    env.step(actions(env))
    assert not moved(env).any()


def test_reactive_demand_moves_in_the_ratio_it_has() -> None:
    p = np.array([2.0, -4.0, 0.0, 1.0, 1.0])
    q = np.array([1.0, -1.0, 3.0, 0.0, 9.0])
    found = q_moved(np.full(5, 10.0), p, q, 2.0)
    assert found.tolist() == [5.0, 2.5, 0.0, 0.0, 20.0]


def test_drift_leaves_unity_power_factor_alone(ieee13: Case) -> None:
    case = ieee13.replace(drift_kw=5.0, demand=UniformDemand(power_factor=1.0))
    env = JointGridEnv(case, B, seed=0)
    env.reset()
    env.probe(actions(env))
    assert not moved(env)[:, case.layout.q_columns].any()


def test_missed_readings_are_the_last_or_the_heads(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(probe_loss=0.3), 4_000, seed=0)
    ideal = JointGridEnv(ieee13, 4_000, seed=0)
    env.reset()
    start = ideal.get_state()
    ideal.set_state({**start, "state": env.get_state()["state"]})
    truth = [ideal.probe(actions(env, seed)) for seed in (0, 1)]
    read = [env.probe(actions(env, seed)) for seed in (0, 1)]
    missed = [(mine != its).any(axis=1) for mine, its in zip(read, truth, strict=True)]
    assert np.mean(missed) == pytest.approx(1 - 0.7**2, abs=0.02)  # s.e. 0.006
    own = [env.obs_slices[agent] for agent in env.agents]
    lost = [[(read[i][:, part] != truth[i][:, part]).all(axis=1) for part in own] for i in (0, 1)]
    assert np.mean(lost) == pytest.approx(0.3, abs=0.015)  # s.e. 0.004
    assert abs(np.corrcoef(lost[0])[0, 1]) < 0.05
    for i, part in enumerate(own):
        assert not read[0][lost[0][i], part].any()
        assert (read[1][lost[1][i], part] == read[0][lost[1][i], part]).all()


def test_lost_agents_stay_with_their_first_action(ieee13: Case) -> None:
    case = ieee13.replace(agent_loss=0.4)
    env = JointGridEnv(case, 2_000, seed=0)
    state = env.reset()
    first, second, last = (actions(env, seed) for seed in range(3))
    env.probe(first)
    obs = env.probe(second)
    lost = env.get_state()["probed"]["lost"]
    assert lost.mean(axis=0) == pytest.approx([0.4, 0.4], abs=0.05)
    assert abs(np.corrcoef(lost.T)[0, 1]) < 0.08
    done = []
    for action in (second, last):
        done.append(action.copy())
        for i, part in enumerate(env.action_slices.values()):
            done[-1][lost[:, i], part] = first[lost[:, i], part]
    v_pu = case.v_pu(*case.layout.from_state(state), *case.layout.to_controls(done[0]))
    assert obs == pytest.approx(case.layout.to_obs(v_pu), abs=1e-5)
    assert env.step(last).reward == pytest.approx(held_reward(case, state, done[1]), rel=3e-6)


def test_an_agent_alone_with_its_action_is_never_lost(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(agent_loss=1.0), B, seed=0)
    state, action = env.reset(), actions(env)
    assert env.step(action).reward == pytest.approx(held_reward(ieee13, state, action), rel=3e-6)


def test_meters_that_count_in_steps(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(meter_step_pu=1e-3), 500, seed=0)
    exact = JointGridEnv(ieee13, 500, seed=0)
    env.reset()
    exact.reset()
    action = actions(env)
    shown, true = (e.probe(action) * ieee13.obs_scale_pu for e in (env, exact))
    assert shown / 1e-3 == pytest.approx(np.round(shown / 1e-3), abs=1e-3)
    error = shown - true
    assert np.abs(error).max() < 0.5e-3 + 1e-7
    assert error.std() == pytest.approx(1e-3 / np.sqrt(12), rel=0.05)
    assert (env.step(action).reward == exact.step(action).reward).all()
    assert rounded_pu(np.array([0.9996, 1.00051]), 1e-3) == pytest.approx([1.0, 1.001])


def test_a_saved_state_goes_on_within_a_step(ieee13: Case) -> None:
    case = ieee13.replace(probe_share=0.2, drift_kw=3.0, probe_loss=0.2, agent_loss=0.2, horizon=2)
    env = JointGridEnv(case, B, seed=7)
    env.reset()
    env.probe(actions(env, 1))
    saved = env.get_state()

    def go_on(env: JointGridEnv) -> list[np.ndarray]:
        found = [env.probe(actions(env, 2)), *env.step(actions(env, 3))]
        return [*found, env.probe(actions(env, 4)), *env.step(actions(env, 5))]

    expected = go_on(env)
    later = JointGridEnv(case, B, seed=0)
    for one in (later, env):
        one.set_state(saved)
        for mine, its in zip(go_on(one), expected, strict=True):
            assert (mine == its).all()
    with pytest.raises(GridError, match="'probes' of the saved state has shape None"):
        env.set_state({name: value for name, value in saved.items() if name != "probed"})


def test_ideal_probes_cost_no_bookkeeping(ieee13: Case) -> None:
    assert "probed" not in JointGridEnv(ieee13.replace(meter_step_pu=1e-4), 2, 0).get_state()


# --- the rules, whatever the units ---------------------------------------------------------


def physical(case: Case, lanes: int) -> ProbedStep:
    """A step in kW, bus by bus."""
    return ProbedStep(case, lanes, Frame.physical(case))


def test_drift_is_the_same_in_all_units(ieee13: Case) -> None:
    case = ieee13.replace(drift_kw=5.0, demand=UniformDemand(power_factor_low=0.8))
    layout, rng = case.layout, np.random.default_rng(0)
    p_kw, q_kvar = case.demand.sample(rng, B)
    normal = rng.standard_normal(p_kw.shape)
    moved_kw, moved_kvar = physical(case, B).drift(p_kw, q_kvar, normal)
    assert moved_kw == pytest.approx(5.0 * normal)
    state = layout.to_state(p_kw, q_kvar)
    joint = np.zeros_like(state)
    joint[:, layout.p_columns], joint[:, layout.q_columns] = ProbedStep(
        case, B, Frame.joint(case)
    ).drift(state[:, layout.p_columns], state[:, layout.q_columns], normal)
    found_kw, found_kvar = layout.from_state(joint)
    assert found_kw == pytest.approx(moved_kw, rel=1e-5)
    assert found_kvar == pytest.approx(moved_kvar, rel=1e-4, abs=1e-4)


def test_agents_lose_their_own_buses(ieee13: Case) -> None:
    """The agents of ieee13 have the odd buses and the even ones."""
    step = physical(ieee13.replace(agent_loss=0.5, probe_loss=0.5), 2)
    step.lose_agents(np.array([[0.4, 0.6], [0.5, 0.1]]))  # the first agent, the second one
    first, second = np.full((2, 24), 1.0), np.full((2, 24), 2.0)
    assert (step.held(first) == first).all()  # nothing to stay with yet
    step.began_with(first)
    step.count()
    step.began_with(second)  # which has no meaning any more
    done = step.held(second)
    assert done[0].tolist() == [1.0, 2.0] * 12 and done[1].tolist() == [2.0, 1.0] * 12
    step.lose_agents(np.zeros((2, 2)))  # nor may anybody drop out in the middle
    assert step.lost.tolist() == [[True, False], [False, True]]

    v_head, v_pu = ieee13.v_head_pu, np.full((2, 12), 0.97)
    read = step.came_through(v_pu, np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert read[0].tolist() == [0.97, v_head] * 6 and read[1].tolist() == [v_head, 0.97] * 6
    read = step.came_through(v_pu - 0.01, np.zeros((2, 2)))
    assert read[0].tolist() == [0.97, v_head] * 6  # what they had last
    step.begin(np.array([True, False]))
    assert not step.lost[0].any() and step.lost[1].any()
    read = step.came_through(v_pu, np.zeros((2, 2)))
    assert read[0].tolist() == [v_head] * 12 and read[1, 1] == 0.97


def test_a_step_is_paid_for_in_parts(ieee13: Case) -> None:
    step = physical(ieee13.replace(probe_share=0.3), 2)
    cost = np.array([[10.0], [20.0]])
    assert step.whole(cost).tolist() == cost.tolist()
    step.charge(cost)
    step.count()
    assert step.whole(2 * cost)[:, 0] == pytest.approx([3 + 14, 6 + 28])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probe_share": 1.0}, "probe_share is 1, must be < 1"),
        ({"probe_share": -0.1}, "probe_share is -0.1, must be >= 0"),
        ({"drift_kw": -1.0}, "drift_kw is -1, must be >= 0"),
        ({"meter_step_pu": float("nan")}, "meter_step_pu is nan, must be finite"),
        ({"probe_loss": 1.1}, "probe_loss is 1.1, must be >= 0 and <= 1"),
        ({"agent_loss": -0.1}, "agent_loss is -0.1, must be >= 0 and <= 1"),
    ],
)
def test_bad_values(ieee13: Case, changes: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        ieee13.replace(**changes)
