"""The joint interface over days."""

from __future__ import annotations

import numpy as np
import pytest

from policies.contract.joint_spec import JointEnv, JointSpec
from rllib_grid import GridError
from rllib_grid.cases.clock import CLOCK
from rllib_grid.envs.day_env import JointDayEnv
from rllib_grid.envs.day_rollout import run_days


def test_offers_the_joint_interface(small):
    env = JointDayEnv(small, 4, 0)
    assert isinstance(env, JointEnv)
    spec = JointSpec.of(env)
    # Agent 0 has two buses: p, q and charge of each, and the price and four hands of the clock.
    assert spec.state_dims == (2 * 3 + 5, 3 + 5)
    assert (spec.action_dims, spec.obs_dims) == ((4, 2), (2, 1))
    # Around a head of 1.01, in units of half the band of 0.98 to 1.02.
    np.testing.assert_allclose([env.obs_low, env.obs_high], [[-1.5] * 3, [0.5] * 3], rtol=1e-5)
    state = env.reset()
    step = env.step(np.zeros((4, 6), np.float32))
    for array in (state, step.reward, step.agent_reward, step.obs, step.next_state):
        assert array.dtype == np.float32
    assert step.terminated.dtype == step.truncated.dtype == np.bool_


def test_signature_gives_back_what_the_state_stands_for(small):
    env = JointDayEnv(small, 3, 1)
    state = env.reset()
    days, inner = small.days("train"), env.get_state()
    for agent, part in env.state_slices.items():
        signature = env.signature(agent)
        assert signature["buses"] == list(small.groups[env.agents.index(agent)])
        names = [entry["name"] for entry in signature["state"]]
        offset = np.array([entry["offset"] for entry in signature["state"]])
        scale = np.array([entry["scale"] for entry in signature["state"]])
        physical = dict(zip(names, (offset + scale * state[:, part]).T, strict=True))
        for bus in signature["buses"]:
            expected = days.p_base_kw[inner["day"], 0, bus - 1]
            np.testing.assert_allclose(physical[f"p_base_kw[{bus}]"], expected, rtol=1e-4)
            soc = physical[f"soc_kwh[{bus}]"]
            np.testing.assert_allclose(soc, inner["soc_kwh"][:, bus - 1], rtol=1e-5)
        np.testing.assert_allclose(
            physical["price_eur_per_kwh"], days.price_eur_per_kwh[inner["day"], 0], rtol=1e-5
        )
        assert [physical[name][0] for name in CLOCK] == pytest.approx([0, 1, 0, 1])
        lows = [entry["low"] for entry in signature["action"]]
        own = np.array(signature["buses"]) - 1
        assert lows == [*-small.p_limit_kw[own], *-small.q_limit_kvar[own]]


@pytest.mark.parametrize("settle", ["end", "stepwise"])
def test_a_days_rewards_are_minus_the_cost_of_the_same_controls(
    small, settle, actions, days_of_lanes
):
    """However stored energy is settled: against the rollout in float64."""
    case = small.replace(settle=settle)
    env = JointDayEnv(case, 20, 3)
    env.reset()
    inner = env.get_state()
    acts = actions(env)
    total = np.zeros(20)
    for t in range(24):
        step = env.step(acts[t])
        assert step.terminated.tolist() == [t == 23] * 20 and not step.truncated.any()
        np.testing.assert_array_equal(step.agent_reward, step.reward[:, None].repeat(2, 1))
        total += step.reward
    controls = [small.layout.action.split(a) for a in acts]
    days = days_of_lanes(small, inner["day"])
    record = run_days(
        small,
        days,
        inner["soc_kwh"],
        lambda s: (controls[s.step]["p_ctrl_kw"], controls[s.step]["q_ctrl_kvar"]),
    )
    np.testing.assert_allclose(total, -record.cost_eur, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(env.get_state()["soc_kwh"], record.soc_kwh[:, -1], atol=1e-4)


def test_local_rewards_charge_the_loss_once_each(small, actions):
    shared, local = (
        JointDayEnv(small.replace(agent_reward=kind), 5, 0) for kind in ("shared", "local")
    )
    shared.reset(), local.reset()
    act = actions(shared)[0]
    a, b = shared.step(act), local.step(act)
    np.testing.assert_array_equal(a.reward, b.reward)
    # Summed over two agents the priced loss is there twice.
    loss_eur = a.reward - b.agent_reward.sum(axis=1)
    assert np.all(loss_eur > 0)


def test_probe_holds_the_state_and_shows_what_step_would(small, actions):
    env = JointDayEnv(small, 6, 5)
    env.reset()
    act = actions(env)[0]
    before = env.get_state()
    seen = env.probe(act)
    for name, value in before.items():
        np.testing.assert_equal(env.get_state()[name], value)
    np.testing.assert_array_equal(env.step(act).obs, seen)


def test_a_full_battery_takes_nothing_whatever_it_is_told(small):
    env = JointDayEnv(small, 2, 0)
    env.start(np.array([3, 3]), np.tile(small.capacity_kwh, (2, 1)))
    act = np.zeros((2, 6), np.float32)
    act[1, small.layout.action.columns["p_ctrl_kw"]] = 1.0
    step = env.step(act)
    assert step.reward[0] == step.reward[1]
    np.testing.assert_array_equal(step.obs[0], step.obs[1])
    np.testing.assert_array_equal(env.get_state()["soc_kwh"][1], small.capacity_kwh)


def test_lanes_are_over_after_the_last_step_and_reset_by_mask(small):
    env = JointDayEnv(small, 3, 0)
    with pytest.raises(GridError, match="env 0 has no day to step: call reset"):
        env.step(np.zeros((3, 6)))
    env.reset()
    for _ in range(24):
        step = env.step(np.zeros((3, 6)))
    held = env.get_state()["day"].copy()
    state = env.reset(np.array([False, True, False]))
    assert env.get_state()["step"].tolist() == [24, 0, 24]
    assert env.get_state()["day"][[0, 2]].tolist() == held[[0, 2]].tolist()
    np.testing.assert_array_equal(state[[0, 2]], step.next_state[[0, 2]])
    with pytest.raises(GridError, match="env 0 has no day to step"):
        env.step(np.zeros((3, 6)))
    with pytest.raises(GridError, match="mask has shape"):
        env.reset(np.array([True]))


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (np.full((3, 6), 1.5), "action of env 0, column 0 is 1.5, must lie in"),
        (np.full((3, 6), np.nan), "column 0 is nan"),
        (np.zeros((3, 5)), r"action has shape \(3, 5\), must be \(3, 6\)"),
        ("up", "action must be an array of numbers"),
    ],
)
def test_bad_actions_are_refused(small, action, says):
    env = JointDayEnv(small, 3, 0)
    env.reset()
    with pytest.raises(GridError, match=says):
        env.step(action)


def test_goes_on_from_a_saved_state(small, actions):
    env, other = JointDayEnv(small, 4, 0), JointDayEnv(small, 4, 99)
    env.reset()
    acts = actions(env)
    env.step(acts[0])
    saved = env.get_state()
    other.reset()
    other.set_state(saved)
    a, b = env.step(acts[1]), other.step(acts[1])
    np.testing.assert_array_equal(a.next_state, b.next_state)
    mask = np.array([True, False, True, False])
    np.testing.assert_array_equal(env.reset(mask), other.reset(mask))
    with pytest.raises(GridError, match=r"'day' of the saved state has shape \(4,\), must be"):
        JointDayEnv(small, 5, 0).set_state(saved)


def test_the_same_seed_gives_the_same_days_and_parts_differ(small):
    one, two = JointDayEnv(small, 50, 7), JointDayEnv(small, 50, 7)
    np.testing.assert_array_equal(one.reset(), two.reset())
    two.draw_from("validation")
    two.reset()
    assert two.get_state()["day"].max() < 70
    assert not np.array_equal(one.reset(), two.reset())


def test_heat_widens_the_arrays_and_its_absence_leaves_them(small, warm):
    for case, per_bus, shared, kinds in ((small, 3, 5, 2), (warm, 4, 6, 3)):
        env = JointDayEnv(case, 2, 0)
        assert env.reset().shape == (2, 3 * per_bus + 2 * shared)
        assert case.layout.action.width == 3 * kinds
    signature = warm.layout.signature("agent_1")
    assert [e["name"] for e in signature["state"]][3:6] == [
        "t_in_c[2]",
        "price_eur_per_kwh",
        "outdoor_c",
    ]
    heating = signature["action"][2]
    assert (heating["name"], heating["low"], heating["high"]) == ("p_heat_kw[2]", 0.0, 5.0)


@pytest.mark.parametrize("settle", ["end", "stepwise"])
def test_a_days_rewards_are_minus_the_cost_with_heating_too(warm, settle, actions, days_of_lanes):
    case = warm.replace(settle=settle)
    env = JointDayEnv(case, 20, 3)
    env.reset()
    inner, acts, total = env.get_state(), actions(env), np.zeros(20)
    assert inner["t_in_c"].min() < 19.5 and inner["t_in_c"].max() > 24.5
    for act in acts:
        total += env.step(act).reward
    controls = [case.layout.action.split(act) for act in acts]
    days = days_of_lanes(case, inner["day"])
    record = run_days(
        case,
        days,
        inner["soc_kwh"],
        lambda s: tuple(controls[s.step].values()),
        inner["t_in_c"],
    )
    np.testing.assert_allclose(total, -record.cost_eur, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(env.get_state()["t_in_c"], record.heat.t_in_c[:, -1], atol=1e-3)
    assert record.heat.comfort_eur.min() > 1.0


def test_local_rewards_charge_comfort_and_cooling_out_to_the_own_buildings(warm, actions):
    for settle in ("end", "stepwise"):
        env = JointDayEnv(warm.replace(agent_reward="local", settle=settle), 4, 0)
        shared = JointDayEnv(warm.replace(settle=settle), 4, 0)
        env.reset(), shared.reset()
        loss = np.zeros(4)
        for act in actions(env):
            a, b = env.step(act), shared.step(act)
            np.testing.assert_array_equal(a.reward, b.reward)
            loss += a.reward - a.agent_reward.sum(axis=1)  # which both agents pay
        assert np.all(loss > 0) and np.all(loss < 50)


def test_probe_shows_what_a_step_with_heating_would(warm, actions):
    env = JointDayEnv(warm, 6, 5)
    env.reset()
    act = actions(env)[0]
    columns = warm.layout.action.columns["p_heat_kw"]
    seen, less = env.probe(act), act.copy()
    less[:, columns] = -1.0
    assert np.all(env.probe(less) > seen)  # heating draws every voltage down
    np.testing.assert_array_equal(env.step(act).obs, seen)


def test_heat_goes_on_from_a_saved_state_and_starts_where_it_is_told(warm, small, actions):
    env, other = JointDayEnv(warm, 4, 0), JointDayEnv(warm, 4, 99)
    env.reset()
    acts = actions(env)
    env.step(acts[0])
    other.reset()
    other.set_state(env.get_state())
    for act in acts[1:]:
        a, b = env.step(act), other.step(act)
        np.testing.assert_array_equal(a.next_state, b.next_state)
    np.testing.assert_array_equal(a.reward, b.reward)
    without = {k: v for k, v in env.get_state().items() if k != "t_in_c"}
    with pytest.raises(GridError, match="'t_in_c' of the saved state has shape None"):
        env.set_state(without)
    where, soc = np.arange(4), np.tile(warm.capacity_kwh, (4, 1))
    state = env.start(where, soc, np.full((4, 3), 24.0))
    np.testing.assert_allclose(state[:, warm.layout.state.columns["t_in_c"]], 1.0)
    for case, t_in in ((warm, None), (small, np.full((4, 3), 20.0))):
        with pytest.raises(GridError, match="t_in_c must be given where a case has heat pumps"):
            JointDayEnv(case, 4, 0).start(where, soc, t_in)


def test_days_without_heat_earn_what_they_did_before_there_was_any(small, actions):
    """A figure of a head at 1.01 p.u., where losses are 1 / 1.01^2 of those at 1 p.u."""
    env = JointDayEnv(small.replace(settle="stepwise", agent_reward="local"), 50, 3)
    env.reset()
    total = sum(float(env.step(act).agent_reward.sum()) for act in actions(env))
    assert total == pytest.approx(-2146.64077, rel=1e-5)
    assert set(env.get_state()) == {
        "generator",
        "day",
        "step",
        "soc_kwh",
        "soc_start_kwh",
        "over",
    }
