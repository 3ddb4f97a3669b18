"""Whole days dispatched: with perfect foresight, and by a receding horizon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rllib_grid.cases.day_case import DayCase
from rllib_grid.checks import Array
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.dispatch.day_program import DayProgram
from rllib_grid.envs.day_rollout import Situation
from rllib_grid.sources.forecast import Forecast
from rllib_grid.sources.profiles import Profiles


class Foresight(NamedTuple):
    """The optimum of N days that are known in advance."""

    p_ctrl_kw: Array  # (N, T, n)
    q_ctrl_kvar: Array  # (N, T, n)
    cost_eur: Array  # (N,) of the relaxation: no controller's day costs less
    bound_eur: Array  # (N,) the dual's value
    waste_kwh: Array  # (N,) most energy thrown away in a step; 0 where the bound is tight
    p_heat_kw: Array | None = None  # (N, T, n); None without heat pumps

    def decide(self, situation: Situation) -> tuple[Array, ...]:
        """Do what was planned, for `run_days`."""
        controls = self.p_ctrl_kw[:, situation.step], self.q_ctrl_kvar[:, situation.step]
        if self.p_heat_kw is None:
            return controls
        return *controls, self.p_heat_kw[:, situation.step]


def perfect_foresight(
    case: DayCase, days: Profiles, soc_start_kwh: Array, t_start_c: Array | None = None
) -> Foresight:
    """Dispatch whole days whose demand, price and weather are known in advance.

    Args:
        case: what to dispatch.
        days: N days.
        soc_start_kwh: (N, n) charge at midnight.
        t_start_c: (N, n) indoor temperature at midnight, where the case has heat pumps.

    Raises:
        GridError: if temperatures do not fit, or an optimum cannot be proven.
    """
    program = DayProgram(case, days.num_steps, days.step_h)
    solved = [
        program.solve(
            days.p_base_kw[i],
            days.q_base_kvar[i],
            days.price_eur_per_kwh[i],
            soc,
            None if t_start_c is None else Climate(t_start_c[i], days.outdoor_c[i]),
        )
        for i, soc in enumerate(soc_start_kwh)
    ]
    return Foresight(
        p_ctrl_kw=np.array([one.p_ctrl_kw for one in solved]),
        q_ctrl_kvar=np.array([one.q_ctrl_kvar for one in solved]),
        cost_eur=np.array([one.cost_eur for one in solved]),
        bound_eur=np.array([one.bound_eur for one in solved]),
        waste_kwh=np.array([one.waste_kwh for one in solved]),
        p_heat_kw=None if case.heat is None else np.array([one.p_heat_kw for one in solved]),
    )


class RecedingHorizon:
    """Solve the rest of the day as it is expected, do its first step, and again.

    At each step it knows the present demand of all buildings, the price, all states of charge and
    all temperatures, and has a forecast of what is to come. It is central and needs the feeder's
    data: the rival that communication-free controllers are measured against, not one of them.

    Args:
        case: what to dispatch.
        forecast: of as many steps per day as the days it is used on.
        steps: per day, T.
    """

    def __init__(self, case: DayCase, forecast: Forecast, steps: int) -> None:
        self._forecast = forecast
        self._programs = [DayProgram(case, steps - step, 24 / steps) for step in range(steps)]

    def decide(self, situation: Situation) -> tuple[Array, ...]:
        """The first step of the best rest of the day, for `run_days`.

        Raises:
            GridError: if an optimum cannot be proven.
        """
        step, program = situation.step, self._programs[situation.step]
        p, q, price = self._forecast.rest_of_day(
            step, situation.p_base_kw, situation.q_base_kvar, situation.price_eur_per_kwh
        )
        climates = self._climates(situation)
        solved = [
            program.solve(p[i], q[i], price[i], soc, climates[i])
            for i, soc in enumerate(situation.soc_kwh)
        ]
        controls = (
            np.array([one.p_ctrl_kw[0] for one in solved]),
            np.array([one.q_ctrl_kvar[0] for one in solved]),
        )
        heating = [one.p_heat_kw[0] for one in solved if one.p_heat_kw is not None]
        return (*controls, np.array(heating)) if heating else controls

    def _climates(self, situation: Situation) -> list[Climate | None]:
        """Of each day, with the outdoor temperature as it is expected."""
        now = situation.climate
        if now is None:
            return [None] * len(situation.soc_kwh)
        t_in, outdoor = np.asarray(now.t_in_c, np.float64), np.asarray(now.outdoor_c, np.float64)
        ahead = self._forecast.outdoor_ahead_c(situation.step, outdoor)
        return [Climate(t_in[i], ahead[i]) for i in range(len(t_in))]
