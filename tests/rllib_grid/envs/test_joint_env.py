"""The batched environment, against the case's own numbers in float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rllib_grid import (
    Case,
    GridError,
    JointGridEnv,
    JointStep,
    UniformDemand,
    case_names,
    make_case,
)

B = 64


def actions(env: JointGridEnv, seed: int = 0) -> np.ndarray:
    """Random joint actions."""
    shape = (env.num_envs, 2 * env.case.num_buses)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def physical(case: Case, state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, ...]:
    """p_base, q_base, p_ctrl and q_ctrl in physical units, float64."""
    controls = case.within_ratings(*case.layout.to_controls(action))
    return (*case.layout.from_state(state), *controls)


@pytest.fixture(params=[*case_names(), "fork"])
def case(request) -> Case:
    """Each preset, and a case with costs of all kinds."""
    if request.param == "fork":
        return request.getfixturevalue("fork_case")
    return make_case(request.param)


def test_shared_reward(case: Case) -> None:
    env = JointGridEnv(case, B, seed=0)
    state, action = env.reset(), actions(env)
    step = env.step(action)
    numbers = physical(case, state, action)
    penalty = case.penalty_kw(case.v_pu(*numbers)).sum(axis=1)
    assert step.reward == pytest.approx(-(case.cost_kw(*numbers) + penalty), rel=2e-6)
    assert (step.agent_reward == step.reward[:, None]).all()


def test_the_penalty_is_part_of_the_reward() -> None:
    env = JointGridEnv(make_case("ieee13-tight"), B, seed=0)
    state, action = env.reset(), actions(env)
    numbers = physical(env.case, state, action)
    penalty = env.case.penalty_kw(env.case.v_pu(*numbers)).sum(axis=1)
    assert penalty.max() > 1.0
    assert -env.step(action).reward - env.case.cost_kw(*numbers) == pytest.approx(penalty, abs=1e-4)


def test_local_reward(case: Case) -> None:
    env = JointGridEnv(case.replace(agent_reward="local"), B, seed=0)
    state, action = env.reset(), actions(env)
    step = env.step(action)
    numbers = physical(case, state, action)
    buildings = case.control_cost_kw(*numbers[2:])
    loss = case.cost_kw(*numbers) - buildings.sum(axis=1)
    own = buildings + case.penalty_kw(case.v_pu(*numbers))
    assert step.agent_reward.shape == (B, len(case.agents))
    for i, group in enumerate(case.groups):
        expected = -(loss + own[:, np.array(group) - 1].sum(axis=1))
        assert step.agent_reward[:, i] == pytest.approx(expected, rel=2e-6)


def test_local_and_shared_reward_have_the_same_gradient(fork_case: Case) -> None:
    """In the agent's own action, by central differences; exact for quadratics but for rounding."""
    free = {"v_min_pu": 0.5, "v_max_pu": 1.5, "gamma_p": 0.0, "gamma_q": 0.0}
    shared = JointGridEnv(fork_case.replace(**free), B, seed=0)
    local = JointGridEnv(shared.case.replace(agent_reward="local"), B, seed=0)
    assert (shared.reset() == local.reset()).all()
    held = shared.get_state(), local.get_state()
    action = 0.5 * actions(shared)
    for i, agent in enumerate(shared.agents):
        for column in range(*shared.action_slices[agent].indices(6)):
            ends = []
            for step in (-0.25, 0.25):
                moved = action.copy()
                moved[:, column] += np.float32(step)
                shared.set_state(held[0])
                local.set_state(held[1])
                ends.append((shared.step(moved).reward, local.step(moved).agent_reward[:, i]))
            (shared_low, local_low), (shared_high, local_high) = ends
            gradient = (shared_high - shared_low) / 0.5
            assert np.abs(gradient).max() > 0.01
            assert (local_high - local_low) / 0.5 == pytest.approx(gradient, abs=1e-4)


def test_observations_are_scaled_voltages(case: Case) -> None:
    env = JointGridEnv(case, B, seed=1)
    state, action = env.reset(), actions(env)
    v_pu = case.v_pu(*physical(case, state, action))
    deviation = (v_pu - case.v_head_pu)[:, case.layout.obs_buses]
    obs = env.probe(action)
    assert obs * case.obs_scale_pu == pytest.approx(deviation, abs=3e-8)
    assert (env.step(action).obs == obs).all()


def test_observations_keep_a_small_signal(fork_case: Case) -> None:
    """Microvolts: a difference of magnitudes in float32 would be off by 6e-8 p.u., 1 % here."""
    tiny = fork_case.replace(p_limit_kw=1e-3, q_limit_kvar=1e-3, demand=UniformDemand(1e-3))
    env = JointGridEnv(tiny, B, seed=1)
    state, action = env.reset(), actions(env)
    p_base, q_base, p_ctrl, q_ctrl = physical(tiny, state, action)
    drop = (p_base + p_ctrl) @ tiny.feeder.v_sq_per_kw + (
        q_base + q_ctrl
    ) @ tiny.feeder.v_sq_per_kvar
    deviation = -drop / (np.sqrt(1.01**2 - drop) + 1.01)
    assert np.abs(deviation).max() < 1e-5
    measured = env.probe(action)[:, np.argsort(tiny.layout.obs_buses)] * tiny.obs_scale_pu
    assert measured == pytest.approx(deviation, rel=1e-5, abs=1e-12)


def test_a_probe_holds_the_state_and_counts_nothing(ieee13: Case) -> None:
    env, twin = (JointGridEnv(ieee13.replace(horizon=2), B, seed=3) for _ in range(2))
    state = env.reset()
    twin.reset()
    first = env.probe(actions(env, 1))
    env.probe(actions(env, 2))
    assert (env.probe(actions(env, 1)) == first).all()
    assert (env.reset(np.zeros(B, np.bool_)) == state).all()
    for seed in (4, 5):  # the future is that of a twin that never probed
        action = actions(env, seed)
        for mine, its in zip(env.step(action), twin.step(action), strict=True):
            assert (mine == its).all()


def test_one_time_step_terminates_and_holds_the_state(ieee13: Case) -> None:
    env = JointGridEnv(ieee13, B, seed=0)
    state = env.reset()
    step = env.step(actions(env))
    assert step.terminated.all()
    assert not step.truncated.any()
    assert (step.next_state == state).all()
    assert (env.reset() != state).any(axis=1).all()


def test_a_horizon_truncates_and_draws_demand_anew(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(horizon=3), 500, seed=0)
    states = [env.reset()]
    for t in (1, 2, 3):
        step = env.step(actions(env, t))
        assert not step.terminated.any()
        assert (step.truncated == (t == 3)).all()
        states.append(step.next_state)
    for before, after in pairwise(states):
        correlation = np.corrcoef(before[:, 0], after[:, 0])[0, 1]
        assert abs(correlation) < 0.15  # independent: s.e. 0.045
    held = env.probe(actions(env, 9))  # the state after the last step can still be probed
    v_pu = ieee13.v_pu(*physical(ieee13, states[-1], actions(env, 9)))
    assert held == pytest.approx(ieee13.layout.to_obs(v_pu), abs=1e-6)


def test_masked_reset(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(horizon=2), 6, seed=0)
    first = env.reset()
    env.step(actions(env))
    mask = np.array([True, False, False, True, False, False])
    second = env.reset(np.zeros(6, np.bool_))
    third = env.reset(mask)
    assert (third[~mask] == second[~mask]).all()
    assert (third[mask] != second[mask]).all()
    assert (third != first).any(axis=1).all()
    step = env.step(actions(env))
    assert step.truncated.tolist() == (~mask).tolist()


def test_a_finished_trajectory_must_be_reset(ieee13: Case) -> None:
    env = JointGridEnv(ieee13, 3, seed=0)
    with pytest.raises(GridError, match=r"env 0 has no trajectory to step: call reset\(\)"):
        env.step(actions(env))
    env.reset()
    env.step(actions(env))
    env.reset(np.array([True, True, False]))
    with pytest.raises(GridError, match="env 2 has no trajectory"):
        env.step(actions(env))


def test_states_follow_the_law_of_demand() -> None:
    env = JointGridEnv(make_case("ieee13-gaussian"), 4096, seed=0)
    p, q = env.case.layout.from_state(env.reset())
    assert p.std() == pytest.approx(121, rel=0.02)
    assert q == pytest.approx(p * np.tan(np.arccos(0.9)), rel=1e-5, abs=1e-3)


def test_same_seed_same_numbers(ieee13: Case) -> None:
    case = ieee13.replace(horizon=2)

    def run(env: JointGridEnv) -> list[np.ndarray]:
        return [env.reset(), *env.step(actions(env)), *env.step(actions(env)), env.reset()]

    one, other = JointGridEnv(case, B, seed=7), JointGridEnv(case, B, seed=8)
    first = run(one)
    assert not (first[0] == run(other)[0]).any()
    other.reseed(np.random.SeedSequence(7))
    for mine, its in zip(first, run(other), strict=True):
        assert (mine == its).all()


def test_saved_state_reproduces_the_stream(ieee13: Case) -> None:
    case = ieee13.replace(horizon=3)
    env = JointGridEnv(case, B, seed=7)
    env.reset()
    env.step(actions(env, 1))
    saved = env.get_state()

    def go_on(env: JointGridEnv) -> list[np.ndarray]:
        steps = [env.step(actions(env, seed)) for seed in (2, 3)]
        return [env.probe(actions(env, 9)), *steps[0], *steps[1], env.reset()]

    expected = go_on(env)
    later = JointGridEnv(case, B, seed=0)
    later.set_state(saved)
    for mine, its in zip(go_on(later), expected, strict=True):
        assert (mine == its).all()
    env.set_state(saved)  # a second time: what was saved is not changed by going on
    for mine, its in zip(go_on(env), expected, strict=True):
        assert (mine == its).all()


def test_results_are_the_callers_own(ieee13: Case) -> None:
    env, twin = (JointGridEnv(ieee13.replace(horizon=3), B, seed=3) for _ in range(2))

    def run(env: JointGridEnv) -> list[np.ndarray]:
        results = [env.reset(), env.probe(actions(env))]
        for seed in (0, 1):
            results += env.step(actions(env, seed))
        return [*results, env.get_state()["state"], env.reset(np.arange(B) < 5)]

    mine, its = run(env), run(twin)
    for one, other in zip(mine, its, strict=True):
        assert (one == other).all()
        one.fill(0)  # spoiling a result spoils nothing
    assert (env.probe(actions(env)) == twin.probe(actions(env))).all()


def test_no_later_call_changes_a_result(ieee13: Case) -> None:
    env = JointGridEnv(ieee13.replace(horizon=2), B, seed=3)
    results = [env.reset(), env.probe(actions(env)), *env.step(actions(env))]
    results.append(env.get_state()["state"])
    kept = [result.copy() for result in results]
    env.step(actions(env, 1))
    env.reset(np.arange(B) < 5)
    env.reset()
    for result, copy in zip(results, kept, strict=True):
        assert (result == copy).all()


def test_types_and_slices(fork_case: Case) -> None:
    env = JointGridEnv(fork_case, 5, seed=0)
    assert env.agents == ("agent_0", "agent_1")
    assert env.state_slices == fork_case.layout.state_slices
    assert env.signature("agent_1") == fork_case.layout.signature("agent_1")
    assert env.reset().dtype == np.float32
    step = env.step(np.zeros((5, 6)))
    assert isinstance(step, JointStep)
    shapes = {name: (array.shape, array.dtype) for name, array in step._asdict().items()}
    assert shapes == {
        "reward": ((5,), np.float32),
        "agent_reward": ((5, 2), np.float32),
        "obs": ((5, 3), np.float32),
        "next_state": ((5, 6), np.float32),
        "terminated": ((5,), np.bool_),
        "truncated": ((5,), np.bool_),
    }


def test_collapse_is_zero_volts_and_a_finite_reward(fork_case: Case) -> None:
    case = fork_case.replace(p_limit_kw=1e6)
    env = JointGridEnv(case, 1, seed=0)
    env.reset()
    step = env.step(np.array([[1, 1, 0, 0, 1, 0]]))
    assert step.obs * case.obs_scale_pu == pytest.approx(-1.01)
    assert np.isfinite(step.reward).all()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros((2, 24)), r"action has shape \(2, 24\), must be \(3, 24\)"),
        (np.zeros((3, 12)), r"action has shape \(3, 12\), must be \(3, 24\)"),
        (np.full((3, 24), np.nan), "action of env 0, column 0 is nan, must lie in"),
        (np.eye(3, 24) * -1.5, r"action of env 0, column 0 is -1.5, must lie in \[-1, 1\]"),
        ("up", "action must be an array of numbers"),
    ],
)
def test_bad_actions(ieee13: Case, action, message: str) -> None:
    env = JointGridEnv(ieee13, 3, seed=0)
    env.reset()
    for act in (env.step, env.probe):
        with pytest.raises(GridError, match=message):
            act(action)


def test_bad_arguments(ieee13: Case) -> None:
    with pytest.raises(GridError, match="num_envs is 0, must be a whole number >= 1"):
        JointGridEnv(ieee13, 0, seed=0)
    with pytest.raises(GridError, match="seed is -1, must be a whole number >= 0"):
        JointGridEnv(ieee13, 1, seed=-1)
    env = JointGridEnv(ieee13, 3, seed=2**64 - 1)
    with pytest.raises(
        GridError, match=r"mask has shape \(2,\) and type bool, must be bool \(3,\)"
    ):
        env.reset(np.ones(2, np.bool_))
    with pytest.raises(GridError, match="type int64, must be bool"):
        env.reset(np.array([0, 1, 2]))
    other = JointGridEnv(ieee13, 4, seed=0)
    with pytest.raises(GridError, match=r"'state' of the saved state has shape \(4, 24\)"):
        env.set_state(other.get_state())
    with pytest.raises(GridError, match="holds no generator of this kind"):
        env.set_state({**env.get_state(), "generator": {"bit_generator": "PCG64"}})


def test_meters_err_in_what_is_read_and_in_nothing_else() -> None:
    case = make_case("ieee13", meter_error_pu=1e-3)
    env, exact = JointGridEnv(case, 4_000, 3), JointGridEnv(make_case("ieee13"), 4_000, 3)
    state = env.reset()
    np.testing.assert_array_equal(state, exact.reset())
    action = np.random.default_rng(0).uniform(-1, 1, state.shape).astype(np.float32)
    first, second = env.probe(action), env.probe(action)
    errors = (np.stack([first, second]) - exact.probe(action)) * case.obs_scale_pu
    assert np.std(errors, axis=(1, 2)) == pytest.approx([1e-3, 1e-3], rel=0.02)
    assert abs(np.corrcoef(errors[0].ravel(), errors[1].ravel())[0, 1]) < 0.02
    step, truth = env.step(action), exact.step(action)
    np.testing.assert_array_equal(step.reward, truth.reward)
    assert np.std((step.obs - truth.obs) * case.obs_scale_pu) == pytest.approx(1e-3, rel=0.02)
