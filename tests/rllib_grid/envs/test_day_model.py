"""Batteries, costs and voltages of one step, by hand and against the plain power flow."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid.envs.day_model import DayModel
from rllib_grid.envs.day_rollout import idle, price_rule, run_days
from rllib_grid.physics import lindistflow as power_flow


@pytest.fixture
def model(small):
    return DayModel(small, 1.0, np.float64)


def test_a_battery_takes_what_it_has_room_for_and_gives_what_it_holds(small, model):
    """Room of 1.8 kWh is 2 kW of charging at an efficiency of 0.9; 1.8 kWh held give 1.62 kW."""
    asked = np.array([[8.0, -9.0, 4.0], [99.0, -99.0, 0.0]])
    soc = np.array([[20 - 1.8, 1.8, 20.0], [0.0, 30.0, 40.0]])
    done = model.possible_kw(asked, soc)
    np.testing.assert_allclose(done, [[2.0, -1.62, 4.0], [8.0, -9.0, 0.0]])
    after = model.charged(soc, done)
    np.testing.assert_allclose(after, [[20.0, 0.0, 23.6], [7.2, 20.0, 40.0]])


def test_a_round_trip_costs_the_efficiency_squared(model):
    soc = np.array([[10.0, 10.0, 10.0]])
    up = model.charged(soc, np.full((1, 3), 2.0))
    back = model.charged(up, np.full((1, 3), -2.0 * 0.9**2))
    np.testing.assert_allclose(back, soc)


def test_cost_of_a_step_by_its_definition(small, model):
    rng = np.random.default_rng(0)
    p_base, q_base = rng.normal(20, 30, (50, 3)), rng.normal(10, 10, (50, 3))
    p_ctrl, q_ctrl = rng.uniform(-8, 8, (50, 3)), rng.uniform(-4, 4, (50, 3))
    price, soc = rng.uniform(0.1, 0.4, 50), small.capacity_kwh / 2
    done = model.outcome(p_base, q_base, price, np.tile(soc, (50, 1)), p_ctrl, q_ctrl)
    p, q = p_base + p_ctrl, q_base + q_ctrl
    loss = power_flow.loss_kw(small.feeder, p, q)
    v_sq = power_flow.v_sq_pu(small.feeder, small.v_head_pu, p, q)
    excess = np.maximum(v_sq - 1.02**2, 0) / 2.04 + np.maximum(0.98**2 - v_sq, 0) / 1.96
    assert (excess > 0).any()
    wear = (small.alpha_p * p_ctrl**2 + small.alpha_q * q_ctrl**2).sum(axis=1)
    cost = price * (p_ctrl.sum(axis=1) + loss) + wear + 50 * excess.sum(axis=1)
    np.testing.assert_allclose(done.cost_eur, cost)
    np.testing.assert_allclose(done.loss_kw, loss)
    np.testing.assert_allclose(done.penalty_eur, 50 * excess.sum(axis=1))
    v_pu = power_flow.v_pu(small.feeder, small.v_head_pu, p, q)
    np.testing.assert_allclose(small.v_head_pu + done.deviation_pu, v_pu, atol=1e-10)
    # Each agent pays the loss and its own buses; {1, 3} and {2}.
    own = price[:, None] * p_ctrl + small.alpha_p * p_ctrl**2 + small.alpha_q * q_ctrl**2
    own += 50 * excess
    first = price * loss + own[:, 0] + own[:, 2]
    np.testing.assert_allclose(done.agent_cost_eur, np.stack([first, price * loss + own[:, 1]], 1))


def test_first_order_excess_is_close_to_that_of_the_magnitude():
    v = np.array([0.94, 1.06])
    first_order = [(0.95**2 - v[0] ** 2) / 1.9, (v[1] ** 2 - 1.05**2) / 2.1]
    np.testing.assert_allclose(first_order, [0.01, 0.01], rtol=0.006)


def test_end_of_day_by_hand(small, model):
    start, end = np.array([[10.0, 10.0, 10.0]]), np.array([[8.0, 12.0, 30.0]])
    bent = 1e-3 / 2 * np.array([0.0, 0.0, 14.0**2])  # targets are 8, 12 and 16 kWh
    np.testing.assert_allclose(
        model.end_cost_eur(start, end), [bent - 0.25 * np.array([-2.0, 2.0, 20.0])]
    )


def test_an_idle_day_costs_its_losses_penalties_and_the_bend_of_its_end(small):
    days = small.days("test").take(np.arange(3))
    start = np.tile(small.soc_target * small.capacity_kwh, (3, 1))
    record = run_days(small, days, start, idle)
    priced = np.zeros(3)
    for day in range(3):
        loss = power_flow.loss_kw(small.feeder, days.p_base_kw[day], days.q_base_kvar[day])
        priced[day] = days.price_eur_per_kwh[day] @ loss
    np.testing.assert_allclose(record.cost_eur, priced + record.penalty_eur)
    np.testing.assert_array_equal(record.soc_kwh, np.tile(start[:, None], (1, 25, 1)))


def test_the_price_rule_charges_cheap_and_discharges_dear(small):
    days = small.days("test").take(np.arange(5))
    start = np.tile(small.capacity_kwh / 2, (5, 1))
    record = run_days(small, days, start, price_rule)
    cheap = days.price_eur_per_kwh < 0.25 * 0.9
    dear = days.price_eur_per_kwh > 0.25 / 0.9
    assert record.p_ctrl_kw[cheap].min() >= 0 and record.p_ctrl_kw[cheap].max() > 0
    assert record.p_ctrl_kw[dear].max() <= 0 and record.p_ctrl_kw[dear].min() < 0
    assert np.all(record.p_ctrl_kw[~cheap & ~dear] == 0)
    kept = np.abs(days.q_base_kvar + record.q_ctrl_kvar)
    assert np.all(kept[days.q_base_kvar <= small.q_limit_kvar.min()] == 0)
