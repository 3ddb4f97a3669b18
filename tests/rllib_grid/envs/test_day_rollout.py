"""Days lived through under rules: what they cost, and what thermostats do meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.envs.day_rollout import idle, price_rule, run_days
from rllib_grid.physics import lindistflow as power_flow


def test_an_idle_day_costs_its_losses_penalties_and_the_bend_of_its_end(small):
    days = small.days("test").take(np.arange(3))
    start = np.tile(small.soc_target * small.capacity_kwh, (3, 1))
    record = run_days(small, days, start, idle)
    priced = np.zeros(3)
    for day in range(3):
        power = days.p_base_kw[day], days.q_base_kvar[day]
        loss = power_flow.loss_kw(small.feeder, small.v_head_pu, *power)
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


def test_days_without_heat_cost_what_they_did_before_there_was_any(small):
    """Figures of a head at 1.01 p.u., where losses are 1 / 1.01^2 of those at 1 p.u."""
    days = small.days("test").take(np.arange(0, 70, 12))
    start = np.tile(small.capacity_kwh / 2, (days.num_days, 1))
    record = run_days(small, days, start, price_rule)
    assert record.heat is None
    assert record.cost_eur.sum() == pytest.approx(106.01125879950884, rel=1e-10)


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
