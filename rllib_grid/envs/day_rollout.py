"""Days lived through step by step, under anything that decides; float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rllib_grid.cases.day_case import DayCase
from rllib_grid.checks import Array, batch
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.envs.day_model import DayModel
from rllib_grid.errors import GridError
from rllib_grid.sources.profiles import Profiles


@dataclass(frozen=True, eq=False)
class Situation:
    """What is true of N feeders at one step of their days.

    Attributes:
        step: of the day, 0..T - 1.
        p_base_kw, q_base_kvar: (N, n) base demand.
        price_eur_per_kwh: (N,).
        soc_kwh: (N, n) charge before the step.
        climate: temperatures indoors before the step and outdoors; None without heat pumps.
    """

    model: DayModel
    step: int
    p_base_kw: Array
    q_base_kvar: Array
    price_eur_per_kwh: Array
    soc_kwh: Array
    climate: Climate | None = None

    def v_pu(self, p_ctrl_kw: Array, q_ctrl_kvar: Array, p_heat_kw: Array | None = None) -> Array:
        """Voltages (N, n) while these controls (N, n) are held; the situation stays as it is.

        Raises:
            GridError: if p_heat_kw is missing, or the case has no heat pumps.
        """
        thermal = self.model.thermal
        if (thermal is None) != (p_heat_kw is None):
            raise GridError("p_heat_kw must be given where a case has heat pumps, and only there")
        p = self.p_base_kw + self.model.possible_kw(p_ctrl_kw, self.soc_kwh)
        if thermal is not None and p_heat_kw is not None:
            p = p + thermal.possible_kw(p_heat_kw)
        deviation = self.model.deviation_pu(p, self.q_base_kvar + q_ctrl_kvar)
        return self.model.case.v_head_pu + np.asarray(deviation, np.float64)


# p_ctrl_kw and q_ctrl_kvar (N, n), and p_heat_kw (N, n) where the case has heat pumps.
Decide = Callable[[Situation], tuple[Array, ...]]


class HeatRecord(NamedTuple):
    """What heat pumps did in N days."""

    p_heat_kw: Array  # (N, T, n)
    t_in_c: Array  # (N, T + 1, n) from midnight to midnight
    comfort_eur: Array  # (N,) part of the cost


class DayRecord(NamedTuple):
    """N days as they went."""

    p_ctrl_kw: Array  # (N, T, n) what the batteries did
    q_ctrl_kvar: Array  # (N, T, n)
    soc_kwh: Array  # (N, T + 1, n) from midnight to midnight
    v_pu: Array  # (N, T, n)
    cost_eur: Array  # (N,) as `DayCase` defines it, the end of the day included
    penalty_eur: Array  # (N,) part of the cost
    loss_kwh: Array  # (N,)
    heat: HeatRecord | None = None  # None without heat pumps


def run_days(
    case: DayCase,
    days: Profiles,
    soc_start_kwh: Array,
    decide: Decide,
    t_start_c: Array | None = None,
) -> DayRecord:
    """Run N days.

    Args:
        case: what they run on.
        days: N days.
        soc_start_kwh: (N, n) charge at midnight.
        decide: p_ctrl_kw and q_ctrl_kvar (N, n) from what is true at a step, and p_heat_kw (N, n)
            where the case has heat pumps.
        t_start_c: (N, n) indoor temperature at midnight, where the case has heat pumps.

    Raises:
        GridError: if `soc_start_kwh`, `t_start_c` or the controls do not fit.
    """
    start = batch("soc_start_kwh", soc_start_kwh, case.num_buses)
    model = DayModel(case, days.step_h, np.float64)
    p_ctrl, q_ctrl = np.zeros_like(days.p_base_kw), np.zeros_like(days.p_base_kw)
    v_pu = np.zeros_like(days.p_base_kw)
    soc = np.zeros((days.num_days, days.num_steps + 1, case.num_buses))
    soc[:, 0] = start
    cost, penalty, loss = np.zeros((3, days.num_days))
    heat = _heat_record(case, days, t_start_c)
    for step in range(days.num_steps):
        base = days.p_base_kw[:, step], days.q_base_kvar[:, step], days.price_eur_per_kwh[:, step]
        climate = None if heat is None else Climate(heat.t_in_c[:, step], days.outdoor_c[:, step])
        p, q, *heating = decide(Situation(model, step, *base, soc[:, step], climate))
        done = model.outcome(*base, soc[:, step], p, q, climate, *heating)
        p_ctrl[:, step] = done.p_ctrl_kw
        q_ctrl[:, step] = np.clip(q, -case.q_limit_kvar, case.q_limit_kvar)
        v_pu[:, step] = case.v_head_pu + done.deviation_pu
        soc[:, step + 1] = done.soc_kwh
        cost += done.cost_eur
        penalty += done.penalty_eur
        loss += done.loss_kw * days.step_h
        if heat is not None and done.heat is not None:
            heat.p_heat_kw[:, step] = done.heat.p_heat_kw
            heat.t_in_c[:, step + 1] = done.heat.t_in_c
            heat.comfort_eur[:] += done.heat.comfort_eur.sum(axis=1)
    cost += model.end_cost_eur(start, soc[:, -1]).sum(axis=1)
    if heat is not None and model.thermal is not None:
        cost += model.thermal.end_cost_eur(heat.t_in_c[:, 0], heat.t_in_c[:, -1]).sum(axis=1)
    return DayRecord(p_ctrl, q_ctrl, soc, v_pu, cost, penalty, loss, heat)


def _heat_record(case: DayCase, days: Profiles, t_start_c: Array | None) -> HeatRecord | None:
    """Of days that have not begun."""
    if case.heat is None and t_start_c is None:
        return None
    if case.heat is None or t_start_c is None:
        raise GridError(
            f"case {case.name}: t_start_c must be given where a case has heat pumps, and only there"
        )
    t_in = np.zeros((days.num_days, days.num_steps + 1, case.num_buses))
    t_in[:, 0] = batch("t_start_c", t_start_c, case.num_buses)
    return HeatRecord(np.zeros_like(days.p_base_kw), t_in, np.zeros(days.num_days))


def _thermostats(situation: Situation) -> tuple[Array, ...]:
    """(p_heat_kw,) of thermostats, or nothing without heat pumps."""
    thermal, climate = situation.model.thermal, situation.climate
    if thermal is None or climate is None:
        return ()
    return (np.asarray(thermal.thermostat_kw(climate), np.float64),)


def idle(situation: Situation) -> tuple[Array, ...]:
    """No control at all; heating is left to its thermostats."""
    none = np.zeros_like(situation.p_base_kw)
    return none, none, *_thermostats(situation)


def price_rule(situation: Situation) -> tuple[Array, ...]:
    """What a battery and an inverter can do by themselves, without learning.

    Charge in full where a kWh bought now and stored costs less than it is worth at the end of the
    day, give in full where one given pays more, and compensate the own reactive power. Heating is
    left to its thermostats.
    """
    case, n = situation.model.case, situation.model.case.num_buses
    value, eta = case.soc_value_eur_per_kwh, case.efficiency
    price = situation.price_eur_per_kwh
    direction = np.where(price < value * eta, 1.0, np.where(price > value / eta, -1.0, 0.0))
    p = np.repeat(direction[:, None], n, axis=1) * case.p_limit_kw
    q = np.clip(-situation.q_base_kvar, -case.q_limit_kvar, case.q_limit_kvar)
    return p, q, *_thermostats(situation)
