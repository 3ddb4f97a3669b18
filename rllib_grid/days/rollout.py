"""Days lived through step by step, under anything that decides; float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rllib_grid.checks import Array, batch
from rllib_grid.days.day_case import DayCase
from rllib_grid.days.day_model import DayModel
from rllib_grid.days.profiles import Profiles


@dataclass(frozen=True, eq=False)
class Situation:
    """What is true of N feeders at one step of their days.

    Attributes:
        step: of the day, 0..T - 1.
        p_base_kw, q_base_kvar: (N, n) base demand.
        price_eur_per_kwh: (N,).
        soc_kwh: (N, n) charge before the step.
    """

    model: DayModel
    step: int
    p_base_kw: Array
    q_base_kvar: Array
    price_eur_per_kwh: Array
    soc_kwh: Array

    def v_pu(self, p_ctrl_kw: Array, q_ctrl_kvar: Array) -> Array:
        """Voltages (N, n) while these controls (N, n) are held; the situation stays as it is."""
        p = self.p_base_kw + self.model.possible_kw(p_ctrl_kw, self.soc_kwh)
        deviation = self.model.deviation_pu(p, self.q_base_kvar + q_ctrl_kvar)
        return self.model.case.v_head_pu + np.asarray(deviation, np.float64)


Decide = Callable[[Situation], tuple[Array, Array]]


class DayRecord(NamedTuple):
    """N days as they went."""

    p_ctrl_kw: Array  # (N, T, n) what the batteries did
    q_ctrl_kvar: Array  # (N, T, n)
    soc_kwh: Array  # (N, T + 1, n) from midnight to midnight
    v_pu: Array  # (N, T, n)
    cost_eur: Array  # (N,) as `DayCase` defines it, the end of the day included
    penalty_eur: Array  # (N,) part of the cost
    loss_kwh: Array  # (N,)


def run_days(case: DayCase, days: Profiles, soc_start_kwh: Array, decide: Decide) -> DayRecord:
    """Run N days.

    Args:
        case: what they run on.
        days: N days.
        soc_start_kwh: (N, n) charge at midnight.
        decide: p_ctrl_kw and q_ctrl_kvar (N, n) from what is true at a step.

    Raises:
        GridError: if `soc_start_kwh` does not fit.
    """
    start = batch("soc_start_kwh", soc_start_kwh, case.num_buses)
    model = DayModel(case, days.step_h, np.float64)
    p_ctrl, q_ctrl = np.zeros_like(days.p_base_kw), np.zeros_like(days.p_base_kw)
    v_pu = np.zeros_like(days.p_base_kw)
    soc = np.zeros((days.num_days, days.num_steps + 1, case.num_buses))
    soc[:, 0] = start
    cost, penalty, loss = np.zeros((3, days.num_days))
    for step in range(days.num_steps):
        base = days.p_base_kw[:, step], days.q_base_kvar[:, step], days.price_eur_per_kwh[:, step]
        p, q = decide(Situation(model, step, *base, soc[:, step]))
        done = model.outcome(*base, soc[:, step], p, q)
        p_ctrl[:, step] = done.p_ctrl_kw
        q_ctrl[:, step] = np.clip(q, -case.q_limit_kvar, case.q_limit_kvar)
        v_pu[:, step] = case.v_head_pu + done.deviation_pu
        soc[:, step + 1] = done.soc_kwh
        cost += done.cost_eur
        penalty += done.penalty_eur
        loss += done.loss_kw * days.step_h
    cost += model.end_cost_eur(start, soc[:, -1]).sum(axis=1)
    return DayRecord(p_ctrl, q_ctrl, soc, v_pu, cost, penalty, loss)


def idle(situation: Situation) -> tuple[Array, Array]:
    """No control at all."""
    none = np.zeros_like(situation.p_base_kw)
    return none, none


def price_rule(situation: Situation) -> tuple[Array, Array]:
    """What a battery and an inverter can do by themselves, without learning.

    Charge in full where a kWh bought now and stored costs less than it is worth at the end of the
    day, give in full where one given pays more, and compensate the own reactive power.
    """
    case, n = situation.model.case, situation.model.case.num_buses
    value, eta = case.soc_value_eur_per_kwh, case.efficiency
    price = situation.price_eur_per_kwh
    direction = np.where(price < value * eta, 1.0, np.where(price > value / eta, -1.0, 0.0))
    p = np.repeat(direction[:, None], n, axis=1) * case.p_limit_kw
    return p, np.clip(-situation.q_base_kvar, -case.q_limit_kvar, case.q_limit_kvar)
