"""What controls do in one step of a day: batteries, power flow, costs. One set of formulas for the
environment (float32) and for the judging (float64)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rllib_grid.cases.day_case import DayCase
from rllib_grid.devices.thermal_model import Climate, HeatStep, ThermalModel
from rllib_grid.errors import GridError
from rllib_grid.physics import lindistflow

Floats = NDArray[np.floating[Any]]


class StepOutcome(NamedTuple):
    """One step of B feeders. Costs are of the whole step, in EUR."""

    cost_eur: Floats  # (B,) everything but the end of the day
    agent_cost_eur: Floats  # (B, m) the loss, and the own buses' share of all else
    loss_kw: Floats  # (B,)
    penalty_eur: Floats  # (B,)
    deviation_pu: Floats  # (B, n) v - v_head
    p_ctrl_kw: Floats  # (B, n) what the batteries could do of what they were told
    soc_kwh: Floats  # (B, n) behind the step
    heat: HeatStep | None = None  # None without heat pumps


class DayModel:
    """A day case's formulas in one precision.

    Args:
        case: what to compute.
        step_h: hours per step.
        dtype: float32 or float64.

    Attributes:
        thermal: the formulas of the case's heat pumps, None without.
    """

    def __init__(self, case: DayCase, step_h: float, dtype: DTypeLike) -> None:
        def const(values: Any) -> Any:
            return np.asarray(values, dtype)

        feeder = case.feeder
        self.case = case
        self.step_h = const(step_h)
        loss_p, loss_q = lindistflow.branch_losses(feeder, case.v_head_pu)
        self._paths_p = const(feeder.paths * np.sqrt(loss_p))
        self._paths_q = const(feeder.paths * np.sqrt(loss_q))
        self._drop_p, self._drop_q = const(feeder.v_sq_per_kw), const(feeder.v_sq_per_kvar)
        self._capacity, self._eta = const(case.capacity_kwh), const(case.efficiency)
        self._p_limit, self._q_limit = const(case.p_limit_kw), const(case.q_limit_kvar)
        self._alpha_p, self._alpha_q = const(case.alpha_p), const(case.alpha_q)
        self._low = const(case.v_min_pu**2 - case.v_head_pu**2)
        self._high = const(case.v_max_pu**2 - case.v_head_pu**2)
        self._per_low = const(case.penalty_eur_per_pu_h / (2 * case.v_min_pu))
        self._per_high = const(case.penalty_eur_per_pu_h / (2 * case.v_max_pu))
        self._value, self._bend = (
            const(case.soc_value_eur_per_kwh),
            const(case.soc_bend_eur_per_kwh2),
        )
        self._target = const(case.soc_target * case.capacity_kwh)
        owner = np.zeros((case.num_buses, len(case.groups)))
        for i, group in enumerate(case.groups):
            owner[np.array(group) - 1, i] = 1.0
        self._owner = const(owner)
        heat = case.heat
        self.thermal = None if heat is None else ThermalModel(heat, step_h, dtype)

    def possible_kw(self, p_ctrl_kw: Floats, soc_kwh: Floats) -> Floats:
        """What batteries do of p_ctrl (B, n): no more than room and energy allow."""
        room = (self._capacity - soc_kwh) / (self._eta * self.step_h)
        energy = soc_kwh * self._eta / self.step_h
        limited = np.clip(p_ctrl_kw, -self._p_limit, self._p_limit)
        result: Floats = np.clip(limited, -np.maximum(energy, 0), np.maximum(room, 0))
        return result

    def charged(self, soc_kwh: Floats, p_ctrl_kw: Floats) -> Floats:
        """State of charge (B, n) behind a step of possible p_ctrl (B, n)."""
        stored = np.where(p_ctrl_kw > 0, self._eta * p_ctrl_kw, p_ctrl_kw / self._eta)
        # A rounding error past empty or full is empty or full.
        result: Floats = np.clip(soc_kwh + self.step_h * stored, 0, self._capacity)
        return result

    def deviation_pu(self, p_kw: Floats, q_kvar: Floats) -> Floats:
        """v - v_head (B, n) under total p, q (B, n)."""
        deviation_sq = self._deviation_sq(p_kw, q_kvar)
        return lindistflow.magnitude_deviation_pu(deviation_sq, self.case.v_head_pu)

    def outcome(
        self,
        p_base_kw: Floats,
        q_base_kvar: Floats,
        price_eur_per_kwh: Floats,
        soc_kwh: Floats,
        p_ctrl_kw: Floats,
        q_ctrl_kvar: Floats,
        climate: Climate | None = None,
        p_heat_kw: Floats | None = None,
    ) -> StepOutcome:
        """One step.

        Args:
            p_base_kw, q_base_kvar: (B, n).
            price_eur_per_kwh: (B,).
            soc_kwh: (B, n) before the step.
            p_ctrl_kw, q_ctrl_kvar: (B, n) what is asked for; clipped to what is possible.
            climate, p_heat_kw: what heating meets, and (B, n) what is asked of it; both where the
                case has heat pumps, and only there.

        Raises:
            GridError: if heat pumps lack their climate or controls, or are not there at all.
        """
        p_ctrl = self.possible_kw(p_ctrl_kw, soc_kwh)
        q_ctrl = np.clip(q_ctrl_kvar, -self._q_limit, self._q_limit)
        p, q = p_base_kw + p_ctrl, q_base_kvar + q_ctrl
        heat = self._heat_step(climate, p_heat_kw)
        if heat is not None:
            p = p + heat.p_heat_kw
        loss = np.square(p @ self._paths_p).sum(axis=1) + np.square(q @ self._paths_q).sum(axis=1)
        price = price_eur_per_kwh[:, None]
        penalty = self._penalty_eur_per_h(p, q)
        own = price * p_ctrl + self._alpha_p * p_ctrl**2 + self._alpha_q * q_ctrl**2 + penalty
        priced_loss = self.step_h * price_eur_per_kwh * loss
        if heat is not None:
            own = own + price * heat.p_heat_kw
        agents = self.step_h * own @ self._owner  # (B, m)
        if heat is not None:
            agents = agents + heat.comfort_eur @ self._owner
        return StepOutcome(
            cost_eur=priced_loss + agents.sum(axis=1),
            agent_cost_eur=priced_loss[:, None] + agents,
            loss_kw=loss,
            penalty_eur=self.step_h * penalty.sum(axis=1),
            deviation_pu=self.deviation_pu(p, q),
            p_ctrl_kw=p_ctrl,
            soc_kwh=self.charged(soc_kwh, p_ctrl),
            heat=heat,
        )

    def end_cost_eur(self, soc_start_kwh: Floats, soc_kwh: Floats) -> Floats:
        """Cost (B, n), per battery, of ending the day at soc after it began at soc_start."""
        bent = self._bend / 2 * np.square(soc_kwh - self._target)
        result: Floats = bent - self._value * (soc_kwh - soc_start_kwh)
        return result

    def settled_eur(self, soc_before_kwh: Floats, soc_kwh: Floats) -> Floats:
        """What a step is credited with (B, n) where stored energy is settled step by step."""
        result: Floats = self._value * (soc_kwh - soc_before_kwh)
        return result

    def by_agent(self, per_bus: Floats) -> Floats:
        """Sums (B, m) over the buses of each agent, of (B, n)."""
        result: Floats = per_bus @ self._owner
        return result

    def _penalty_eur_per_h(self, p_kw: Floats, q_kvar: Floats) -> Floats:
        """Penalty (B, n) on voltages outside the bounds, to first order in p.u."""
        d = self._deviation_sq(p_kw, q_kvar)
        above, below = np.maximum(d - self._high, 0), np.maximum(self._low - d, 0)
        result: Floats = self._per_high * above + self._per_low * below
        return result

    def _deviation_sq(self, p_kw: Floats, q_kvar: Floats) -> Floats:
        """v_sq - v_head^2 (B, n)."""
        result: Floats = -(p_kw @ self._drop_p + q_kvar @ self._drop_q)
        return result

    def _heat_step(self, climate: Climate | None, p_heat_kw: Floats | None) -> HeatStep | None:
        if self.thermal is None and climate is None and p_heat_kw is None:
            return None
        if self.thermal is None or climate is None or p_heat_kw is None:
            raise GridError(
                f"case {self.case.name}: p_heat_kw and temperatures must be given where a case "
                "has heat pumps, and only there"
            )
        return self.thermal.step(climate, p_heat_kw)
