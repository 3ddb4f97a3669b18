"""The day's dispatch against an independent statement of it in cvxpy, and its proof."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.dispatch.day_program import DayProgram
from rllib_grid.dispatch.days import perfect_foresight
from rllib_grid.envs.day_rollout import run_days


def heating(case, climate, price, steps):
    """Variables, constraints and cost of `HeatPumps`' docstring; temperatures by powers of a."""
    heat, h, n = case.heat, 24 / len(climate.outdoor_c), case.num_buses
    p_heat = cp.Variable((steps, n), nonneg=True)
    constraints, cost = [p_heat <= np.tile(heat.p_heat_max_kw, (steps, 1))], 0.0
    for bus in range(n):
        rc = heat.r_k_per_kw[bus] * heat.c_kwh_per_k[bus]
        a = np.exp(-h / rc)
        since = np.arange(steps)[:, None] - np.arange(steps)
        response = (1 - a) * np.where(since >= 0, a ** np.maximum(since, 0), 0.0)
        warmth = climate.outdoor_c + heat.r_k_per_kw[bus] * heat.cop[bus] * p_heat[:, bus]
        t_in = response @ warmth + a ** np.arange(1, steps + 1) * climate.t_in_c[bus]
        cost += h * heat.comfort_eur_per_k2_h * cp.sum_squares(cp.pos(heat.t_low_c - t_in))
        cost += h * heat.comfort_eur_per_k2_h * cp.sum_squares(cp.pos(t_in - heat.t_high_c))
        worth = heat.value_eur_per_kwh * heat.c_kwh_per_k[bus] / abs(heat.cop[bus])
        missing = [np.sign(heat.cop[bus]) * (heat.t_set_c - t) for t in (t_in[-1], climate.t_in_c)]
        cost += worth * (cp.pos(missing[0]) - max(missing[1][bus], 0.0))
    return p_heat, constraints, cost + h * price @ cp.sum(p_heat, axis=1)


def by_cvxpy(case, p_base, q_base, price, soc_before, climate=None):
    """The cost of `DayCase`'s docstring with charging and discharging as separate variables."""
    steps, n = p_base.shape
    h, feeder = 24 / steps, case.feeder
    c, d = cp.Variable((steps, n), nonneg=True), cp.Variable((steps, n), nonneg=True)
    q, soc = cp.Variable((steps, n)), cp.Variable((steps + 1, n))
    low, high = cp.Variable((steps, n), nonneg=True), cp.Variable((steps, n), nonneg=True)
    constraints = [
        c - d <= np.tile(case.p_limit_kw, (steps, 1)),
        d - c <= np.tile(case.p_limit_kw, (steps, 1)),
        q <= np.tile(case.q_limit_kvar, (steps, 1)),
        q >= -np.tile(case.q_limit_kvar, (steps, 1)),
        soc[0] == soc_before,
        soc >= 0,
        soc <= np.tile(case.capacity_kwh, (steps + 1, 1)),
        soc[1:] == soc[:-1] + h * (case.efficiency * c - d / case.efficiency),
    ]
    p_heat, limits, heat_cost = np.zeros((steps, n)), [], 0.0
    if climate is not None:
        p_heat, limits, heat_cost = heating(case, climate, price, steps)
    constraints += limits
    p_total, q_total = p_base + c - d + p_heat, q_base + q
    v_sq = case.v_head_pu**2 - p_total @ feeder.v_sq_per_kw - q_total @ feeder.v_sq_per_kvar
    constraints += [
        v_sq >= case.v_min_pu**2 - 2 * case.v_min_pu * low,
        v_sq <= case.v_max_pu**2 + 2 * case.v_max_pu * high,
    ]
    every, priced = np.ones(steps), price / case.v_head_pu**2
    terms = (
        (np.outer(priced, feeder.branch_loss_p), p_total @ feeder.paths),
        (np.outer(priced, feeder.branch_loss_q), q_total @ feeder.paths),
        (np.outer(every, case.alpha_p), c - d),
        (np.outer(every, case.alpha_q), q),
    )
    cost = sum(cp.sum(cp.multiply(h * weight, cp.square(x))) for weight, x in terms)
    cost += h * price @ cp.sum(c - d, axis=1)
    cost += h * case.penalty_eur_per_pu_h * cp.sum(low + high)
    cost -= case.soc_value_eur_per_kwh * cp.sum(soc[steps] - soc_before)
    bent = cp.sum_squares(soc[steps] - case.soc_target * case.capacity_kwh)
    cost += case.soc_bend_eur_per_kwh2 / 2 * bent
    problem = cp.Problem(cp.Minimize(cost + heat_cost), constraints)
    problem.solve(solver="CLARABEL")
    heat = None if climate is None else p_heat.value
    return problem.value, (c - d).value, q.value, low.value.max(), high.value.max(), heat


@pytest.mark.parametrize("date", ["2023-01-18", "2023-06-21"])
def test_agrees_with_an_independent_statement(small, date):
    days, day = small.year, int(np.argmax(small.year.dates == np.datetime64(date)))
    base = days.p_base_kw[day], days.q_base_kvar[day], days.price_eur_per_kwh[day]
    before = 0.3 * small.capacity_kwh
    solved = DayProgram(small, 24, 1.0).solve(*base, before)
    value, p, q, low, high, _ = by_cvxpy(small, *base, before)
    assert solved.cost_eur == pytest.approx(value, abs=1e-4)
    assert solved.bound_eur == pytest.approx(value, abs=1e-4)
    np.testing.assert_allclose(solved.p_ctrl_kw, p, atol=5e-2)
    np.testing.assert_allclose(solved.q_ctrl_kvar, q, atol=5e-2)
    assert max(low, high) > 1e-4  # voltages bind, so the rows that are taken up matter


@pytest.mark.parametrize("date", ["2023-01-18", "2023-06-21"])
def test_with_heating_it_agrees_with_an_independent_statement(warm, date):
    days, day = warm.year, int(np.argmax(warm.year.dates == np.datetime64(date)))
    base = days.p_base_kw[day], days.q_base_kvar[day], days.price_eur_per_kwh[day]
    before, climate = 0.3 * warm.capacity_kwh, Climate(np.full(3, 20.5), days.outdoor_c[day])
    solved = DayProgram(warm, 24, 1.0).solve(*base, before, climate)
    value, p, _, low, high, p_heat = by_cvxpy(warm, *base, before, climate)
    assert solved.cost_eur == pytest.approx(value, abs=1e-4)
    assert solved.bound_eur == pytest.approx(value, abs=1e-4)
    np.testing.assert_allclose(solved.p_ctrl_kw, p, atol=5e-2)
    np.testing.assert_allclose(solved.p_heat_kw, p_heat, atol=5e-2)
    assert max(low, high) > 1e-4 and p_heat.max() > 1.0


def test_rest_of_a_day_is_optimal_for_what_is_left(small):
    """Bellman: the tail of an optimal day is optimal from where it starts."""
    days = small.year
    whole = DayProgram(small, 24, 1.0).solve(
        days.p_base_kw[5], days.q_base_kvar[5], days.price_eur_per_kwh[5], small.capacity_kwh / 2
    )
    tail = DayProgram(small, 9, 1.0).solve(
        days.p_base_kw[5, 15:],
        days.q_base_kvar[5, 15:],
        days.price_eur_per_kwh[5, 15:],
        whole.soc_kwh[14],
    )
    np.testing.assert_allclose(tail.p_ctrl_kw, whole.p_ctrl_kw[15:], atol=1e-2)


def test_carried_out_it_costs_what_it_promised_and_stays_within_bounds(small):
    days = small.days("test").take(np.arange(0, 70, 10))
    start = np.full((days.num_days, 3), 0.5) * small.capacity_kwh
    best = perfect_foresight(small, days, start)
    done = run_days(small, days, start, best.decide)
    assert best.waste_kwh.max() < 1e-5  # so the bound is tight
    np.testing.assert_allclose(done.cost_eur, best.cost_eur, atol=1e-4)
    assert np.all(best.cost_eur - best.bound_eur < 1e-4)
    assert done.soc_kwh.min() >= 0 and np.all(done.soc_kwh <= small.capacity_kwh)


def test_no_controls_beat_it(small):
    """Random changes of the plan cost more, whatever they are."""
    days = small.days("test").take(np.array([3]))
    start = 0.5 * small.capacity_kwh[None]
    best = perfect_foresight(small, days, start)
    rng = np.random.default_rng(0)
    for scale in (0.1, 1.0, 5.0):
        p = best.p_ctrl_kw + scale * rng.standard_normal(best.p_ctrl_kw.shape)
        q = best.q_ctrl_kvar + scale * rng.standard_normal(best.q_ctrl_kvar.shape)
        done = run_days(small, days, start, best._replace(p_ctrl_kw=p, q_ctrl_kvar=q).decide)
        assert done.cost_eur[0] > best.bound_eur[0] + 1e-3


def test_a_price_below_zero_is_refused(small):
    days = small.year
    with pytest.raises(GridError, match=r"price_eur_per_kwh is -.* must be > 0"):
        DayProgram(small, 24, 1.0).solve(
            days.p_base_kw[0], days.q_base_kvar[0], -days.price_eur_per_kwh[0], small.capacity_kwh
        )
