"""Batteries, costs and voltages of one step, by hand and against the plain power flow."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.envs.day_model import DayModel
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
    loss = power_flow.loss_kw(small.feeder, small.v_head_pu, p, q)
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
