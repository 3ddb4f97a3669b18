"""Temperatures against the closed form, and comfort, thermostat and day's end by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid.devices.thermal_model import Climate, ThermalModel


@pytest.fixture
def thermal(warm) -> ThermalModel:
    return ThermalModel(warm.heat, 1.0, np.float64)


def climate(t_in, outdoor: float) -> Climate:
    return Climate(np.atleast_2d(np.asarray(t_in, np.float64)), np.array([outdoor]))


@pytest.mark.parametrize("steps_per_hour", [1, 4])
def test_without_heating_a_building_relaxes_to_the_outdoors(warm, steps_per_hour):
    """T_out + (T_0 - T_out) exp(-t / RC), whatever the step."""
    thermal = ThermalModel(warm.heat, 1 / steps_per_hour, np.float64)
    t_in = np.array([[20.0, 24.0, 18.0]])
    for _ in range(9 * steps_per_hour):
        t_in = thermal.step(Climate(t_in, np.array([-5.0])), np.zeros((1, 3))).t_in_c
    fading = np.exp(-9 / np.array([12.0, 10.0, 15.0]))
    np.testing.assert_allclose(t_in, [-5 + np.array([25.0, 29.0, 23.0]) * fading])


def test_constant_heat_leads_to_its_steady_state(thermal):
    """T_out + R cop p: 3 * 3 * 2 and 2.5 * 4 * 2 kelvins up, 2 * 2.5 * 2 down."""
    t_in = np.full((1, 3), 15.0)
    for _ in range(400):
        t_in = thermal.step(climate(t_in, 10.0), np.full((1, 3), 2.0)).t_in_c
    np.testing.assert_allclose(t_in, [[10 + 18.0, 10 - 10.0, 10 + 20.0]], atol=1e-10)


def test_a_step_agrees_with_small_steps_of_the_differential_equation(warm, thermal):
    heat, p_heat, t_in, count = warm.heat, np.array([1.0, 2.0, 3.0]), np.full(3, 20.0), 20_000
    for _ in range(count):
        flow = (4.0 - t_in) / heat.r_k_per_kw + heat.cop * p_heat
        t_in = t_in + flow / heat.c_kwh_per_k / count
    done = thermal.step(climate(np.full(3, 20.0), 4.0), p_heat[None])
    np.testing.assert_allclose(done.t_in_c[0], t_in, rtol=1e-5)


def test_heating_is_kept_within_its_limits(thermal):
    done = thermal.step(climate(np.full(3, 20.0), 4.0), np.array([[-1.0, 9.0, 2.0]]))
    np.testing.assert_array_equal(done.p_heat_kw, [[0.0, 5.0, 2.0]])


def test_comfort_costs_the_square_of_the_kelvins_outside_the_band(warm):
    quarter = ThermalModel(warm.heat, 0.25, np.float64)
    t_in = np.array([[18.0, 22.0, 25.0]])
    np.testing.assert_allclose(quarter.excess_k(t_in), [[2.0, 0.0, 1.0]])
    # A building as warm as the outdoors stays so.
    for value, eur in ((18.0, 0.25 * 0.3 * 4), (22.0, 0.0), (25.0, 0.25 * 0.3)):
        done = quarter.step(climate(np.full(3, value), value), np.zeros((1, 3)))
        np.testing.assert_allclose(done.comfort_eur, np.full((1, 3), eur), atol=1e-10)


def test_a_thermostat_holds_its_temperature_as_far_as_power_goes(thermal):
    held = thermal.step(climate(21.5 * np.ones(3), 10.0), np.zeros((1, 3)))
    assert np.all(held.t_in_c < 21.5)  # without heating it would not
    cold, hot = climate([21.0, 21.0, 21.0], 10.0), climate([22.0, 22.0, 22.0], 30.0)
    for now, able in ((cold, [0, 2]), (hot, [1])):
        p_heat = thermal.thermostat_kw(now)
        done = thermal.step(now, p_heat)
        np.testing.assert_allclose(done.t_in_c[0, able], 21.5)
        idle = [bus for bus in range(3) if bus not in able]
        np.testing.assert_array_equal(p_heat[0, idle], 0.0)
    np.testing.assert_array_equal(thermal.thermostat_kw(climate([5.0] * 3, 0.0))[0], [4, 0, 3])


def test_a_day_that_cools_out_pays_for_bringing_the_heat_back(thermal):
    """Worth per kelvin: 0.25 EUR times 4/3, 5/2.5 and 6/4 kWh."""
    start, end = np.full((1, 3), 22.0), np.array([[20.5, 23.5, 24.0]])
    cost = thermal.end_cost_eur(start, end)
    # Building 2 is cooled: at 22 it missed 0.5 K, at 23.5 it misses 2 K. Warmth of 3 is no gain.
    np.testing.assert_allclose(cost, [[0.25 * 4 / 3 * 1.0, 0.25 * 2 * 1.5, 0.0]])
    between = np.array([[21.0, 20.0, 19.0]])
    parts = thermal.end_cost_eur(start, between) + thermal.end_cost_eur(between, end)
    np.testing.assert_allclose(parts, cost)
