"""Heating in the day's dispatch: carried out, compared with thermostats, and in a horizon."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.cases.day_case import DayCase
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.dispatch.day_program import DayProgram
from rllib_grid.dispatch.days import RecedingHorizon, perfect_foresight
from rllib_grid.envs.day_rollout import idle, price_rule, run_days
from rllib_grid.sources.forecast import Forecast
from rllib_grid.sources.profiles import Profiles


def some_days(case: DayCase, count: int) -> tuple[Profiles, np.ndarray, np.ndarray]:
    """Days over the year, with charge and temperature at midnight."""
    days = case.days("test").take(np.linspace(0, 69, count).astype(np.int64))
    rng = np.random.default_rng(0)
    start = rng.uniform(0.2, 0.8, (count, 3)) * case.capacity_kwh
    return days, start, rng.uniform(*case.heat.t_start_c, (count, 3))


@pytest.mark.parametrize(("steps", "count"), [(24, 8), (96, 2)])
def test_carried_out_it_costs_what_it_promised_and_beats_thermostats(warm, steps, count):
    warm = warm.replace(profiles=dataclasses.replace(warm.profiles, num_steps=steps))
    days, start, t_start = some_days(warm, count)
    best = perfect_foresight(warm, days, start, t_start)
    done = run_days(warm, days, start, best.decide, t_start)
    assert best.waste_kwh.max() < 1e-5
    np.testing.assert_allclose(done.cost_eur, best.cost_eur, atol=1e-4)
    assert np.all(best.cost_eur - best.bound_eur < 1e-4)
    for rule in (idle, price_rule):
        assert np.all(run_days(warm, days, start, rule, t_start).cost_eur > best.cost_eur + 0.1)
    # Its batteries alone, with thermostats, are not as good: heat is worth planning.
    held = run_days(warm, days, start, idle, t_start).heat.p_heat_kw
    mixed = run_days(warm, days, start, best._replace(p_heat_kw=held).decide, t_start)
    assert np.all(mixed.cost_eur > best.cost_eur + 0.05)


def test_no_heating_beats_it(warm):
    """Random changes of the plan cost more, whatever they are."""
    days, start, t_start = some_days(warm, 4)
    best = perfect_foresight(warm, days, start, t_start)
    rng = np.random.default_rng(0)
    for scale in (0.1, 1.0, 5.0):
        p_heat = best.p_heat_kw + scale * rng.standard_normal(best.p_heat_kw.shape)
        done = run_days(warm, days, start, best._replace(p_heat_kw=p_heat).decide, t_start)
        assert np.all(done.cost_eur > best.bound_eur + 1e-4)


def test_foresight_beats_the_receding_horizon_and_that_beats_thermostats(warm):
    days, start, t_start = some_days(warm, 3)
    best = perfect_foresight(warm, days, start, t_start)
    horizon = RecedingHorizon(warm, Forecast(warm.days("train")), 24)
    done = run_days(warm, days, start, horizon.decide, t_start)
    thermostats = run_days(warm, days, start, idle, t_start)
    assert np.all(best.bound_eur < done.cost_eur)
    assert np.all(done.cost_eur < thermostats.cost_eur)


def test_a_horizon_that_knows_the_day_does_what_foresight_does(warm):
    """Bellman: replanned at every step without surprises, the plan stays."""

    class Known:
        def __init__(self, days):
            self.days = days

        def rest_of_day(self, step, *_):
            rest = slice(step, None)
            days = self.days
            return (
                days.p_base_kw[:, rest],
                days.q_base_kvar[:, rest],
                days.price_eur_per_kwh[:, rest],
            )

        def outdoor_ahead_c(self, step, _):
            return self.days.outdoor_c[:, step:]

    days, start, t_start = some_days(warm, 2)
    best = perfect_foresight(warm, days, start, t_start)
    done = run_days(warm, days, start, RecedingHorizon(warm, Known(days), 24).decide, t_start)
    np.testing.assert_allclose(done.cost_eur, best.cost_eur, atol=1e-3)


def test_the_end_of_the_day_does_not_pay_for_cooling_out(warm):
    """Free comfort and no worth of heat: nothing is heated. With its worth it is."""
    days, start, _ = some_days(warm, 3)
    days, start, t_start = days.take(np.array([0])), start[:1], np.full((1, 3), 21.5)
    ends = {}
    for value in (0.0, 5.0):
        heat = dict(warm.heat.to_dict(), comfort_eur_per_k2_h=0.0, value_eur_per_kwh=value)
        case = warm.replace(heat=heat)
        best = perfect_foresight(case, days, start, t_start)
        ends[value] = run_days(case, days, start, best.decide, t_start).heat.t_in_c[0, -1]
    heated = warm.heat.cop > 0
    assert np.all(ends[0.0][heated] < 10.0)
    np.testing.assert_allclose(ends[5.0][heated], 21.5, atol=1e-3)


def test_temperatures_are_asked_for_where_there_is_heat_and_only_there(small, warm):
    days, climate = small.year, Climate(np.full(3, 20.0), np.zeros(24))
    base = days.p_base_kw[0], days.q_base_kvar[0], days.price_eur_per_kwh[0], small.capacity_kwh
    for case, given in ((warm, None), (small, climate)):
        with pytest.raises(GridError, match="temperatures must be given where a case has heat"):
            DayProgram(case, 24, 1.0).solve(*base, given)
