"""Heat pumps in the joint environment and in the rollout; and days without them as they were."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.envs.day_env import JointDayEnv
from rllib_grid.envs.day_model import DayModel
from rllib_grid.envs.day_rollout import idle, price_rule, run_days
from rllib_grid.envs.grid_day_env import GridDayEnv
from rllib_grid.physics import lindistflow as power_flow


def actions(env: JointDayEnv, seed: int = 0) -> np.ndarray:
    width = env.case.layout.action.width
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (24, env.num_envs, width)).astype(np.float32)


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


def test_days_without_heat_cost_what_they_did_before_there_was_any(small):
    """Figures recorded before heat pumps came in."""
    days = small.days("test").take(np.arange(0, 70, 12))
    start = np.tile(small.capacity_kwh / 2, (days.num_days, 1))
    record = run_days(small, days, start, price_rule)
    assert record.heat is None
    assert record.cost_eur.sum() == pytest.approx(107.02498366023607, rel=1e-10)
    env = JointDayEnv(small.replace(settle="stepwise", agent_reward="local"), 50, 3)
    env.reset()
    total = sum(float(env.step(act).agent_reward.sum()) for act in actions(env))
    assert total == pytest.approx(-2167.4353, rel=1e-5)
    assert set(env.get_state()) == {
        "generator",
        "day",
        "step",
        "soc_kwh",
        "soc_start_kwh",
        "over",
    }


def test_cost_of_a_step_counts_heating_in_energy_losses_and_voltages(warm):
    rng = np.random.default_rng(0)
    p_base, q_base = rng.normal(20, 30, (50, 3)), rng.normal(10, 10, (50, 3))
    p_heat, price = rng.uniform(0, 3, (50, 3)), rng.uniform(0.1, 0.4, 50)
    climate = Climate(rng.uniform(18, 26, (50, 3)), rng.uniform(-10, 30, 50))
    soc, none = np.tile(warm.capacity_kwh / 2, (50, 1)), np.zeros((50, 3))
    model = DayModel(warm, 1.0, np.float64)
    done = model.outcome(p_base, q_base, price, soc, none, none, climate, p_heat)
    # The same power as base demand, in a case that knows no heat, costs all but energy.
    bare = DayModel(warm.replace(heat=None), 1.0, np.float64)
    as_base = bare.outcome(p_base + p_heat, q_base, price, soc, none, none)
    comfort = model.thermal.step(climate, p_heat).comfort_eur
    paid = price[:, None] * p_heat + comfort
    np.testing.assert_allclose(done.cost_eur, as_base.cost_eur + paid.sum(axis=1))
    by_agent = np.stack([paid[:, 0] + paid[:, 2], paid[:, 1]], axis=1)
    np.testing.assert_allclose(done.agent_cost_eur, as_base.agent_cost_eur + by_agent)
    np.testing.assert_array_equal(done.deviation_pu, as_base.deviation_pu)
    v_pu = power_flow.v_pu(warm.feeder, warm.v_head_pu, p_base + p_heat, q_base)
    np.testing.assert_allclose(warm.v_head_pu + done.deviation_pu, v_pu, atol=1e-10)
    with pytest.raises(GridError, match="case warm: p_heat_kw and temperatures must be given"):
        model.outcome(p_base, q_base, price, soc, none, none)
    with pytest.raises(GridError, match="and only there"):
        bare.outcome(p_base, q_base, price, soc, none, none, climate, p_heat)


@pytest.mark.parametrize("settle", ["end", "stepwise"])
def test_a_days_rewards_are_minus_the_cost_of_the_same_controls(warm, settle):
    case = warm.replace(settle=settle)
    env = JointDayEnv(case, 20, 3)
    env.reset()
    inner, acts, total = env.get_state(), actions(env), np.zeros(20)
    assert inner["t_in_c"].min() < 19.5 and inner["t_in_c"].max() > 24.5
    for act in acts:
        total += env.step(act).reward
    controls = [case.layout.action.split(act) for act in acts]
    days = case.days("train")
    names = ("p_base_kw", "q_base_kvar", "price_eur_per_kwh", "outdoor_c")
    arrays = {name: getattr(days, name)[inner["day"]] for name in names}
    alike = SimpleNamespace(num_days=20, num_steps=24, step_h=1.0, **arrays)
    record = run_days(
        case,
        alike,
        inner["soc_kwh"],
        lambda s: tuple(controls[s.step].values()),
        inner["t_in_c"],
    )
    np.testing.assert_allclose(total, -record.cost_eur, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(env.get_state()["t_in_c"], record.heat.t_in_c[:, -1], atol=1e-3)
    assert record.heat.comfort_eur.min() > 1.0


def test_local_rewards_charge_comfort_and_cooling_out_to_the_own_buildings(warm):
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


def test_a_situation_shows_the_voltages_of_a_step_with_heating(warm):
    days = warm.days("test").take(np.arange(2))
    start, t_start = np.tile(warm.capacity_kwh / 2, (2, 1)), np.full((2, 3), 21.5)
    seen = []

    def decide(situation):
        controls = price_rule(situation)
        seen.append(situation.v_pu(*controls))
        with pytest.raises(GridError, match="p_heat_kw must be given where a case has heat pumps"):
            situation.v_pu(*controls[:2])
        return controls

    record = run_days(warm, days, start, decide, t_start)
    np.testing.assert_array_equal(np.stack(seen, axis=1), record.v_pu)


def test_probe_shows_what_a_step_with_heating_would(warm):
    env = JointDayEnv(warm, 6, 5)
    env.reset()
    act = actions(env)[0]
    columns = warm.layout.action.columns["p_heat_kw"]
    seen, less = env.probe(act), act.copy()
    less[:, columns] = -1.0
    assert np.all(env.probe(less) > seen)  # heating draws every voltage down
    np.testing.assert_array_equal(env.step(act).obs, seen)


def test_goes_on_from_a_saved_state_and_starts_where_it_is_told(warm, small):
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


def test_one_feeder_has_the_same_numbers(warm):
    env, joint = GridDayEnv({"case": warm.to_dict(), "seed": 11}), JointDayEnv(warm, 1, 11)
    seen, _ = env.reset()
    np.testing.assert_array_equal(np.concatenate(list(seen.values()))[None], joint.reset())
    for act in actions(joint):
        cut = {agent: act[0, part] for agent, part in joint.action_slices.items()}
        obs, rewards, *_ = env.step(cut)
        step = joint.step(act)
        assert rewards == dict.fromkeys(env.agents, float(step.reward[0]))
        np.testing.assert_array_equal(np.concatenate(list(obs.values()))[None], step.next_state)


def test_rules_leave_heating_to_thermostats(warm, small):
    days = warm.days("test").take(np.arange(0, 70, 6))
    start = np.tile(warm.capacity_kwh / 2, (days.num_days, 1))
    t_start = np.full_like(start, 21.5)
    records = [run_days(warm, days, start, rule, t_start) for rule in (idle, price_rule)]
    bare = run_days(small, days, start, price_rule)
    np.testing.assert_array_equal(records[1].p_ctrl_kw, bare.p_ctrl_kw)
    p_heat, t_in = records[0].heat.p_heat_kw, records[0].heat.t_in_c[:, 1:]
    np.testing.assert_array_equal(records[1].heat.p_heat_kw, p_heat)
    held = (p_heat > 0) & (p_heat < warm.heat.p_heat_max_kw)
    assert held.mean() > 0.3
    np.testing.assert_allclose(t_in[held], 21.5)
    for bad in (
        lambda: run_days(warm, days, start, idle),
        lambda: run_days(small, days, start, idle, t_start),
    ):
        with pytest.raises(GridError, match="t_start_c must be given where a case has heat pumps"):
            bad()
    with pytest.raises(GridError, match="p_heat_kw and temperatures must be given"):
        run_days(warm, days, start, lambda s: (s.p_base_kw, s.q_base_kvar), t_start)
