"""What heat pumps do in one step of a day: temperatures, comfort, the thermostat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rllib_grid.devices.heat import HeatPumps

Floats = NDArray[np.floating[Any]]


class Climate(NamedTuple):
    """What heating meets at a step of B feeders; a program takes H steps of one feeder."""

    t_in_c: Floats  # (B, n) before the step; a program takes (n,)
    outdoor_c: Floats  # (B,) during the step; a program takes (H,)


class HeatStep(NamedTuple):
    """One step of B feeders."""

    p_heat_kw: Floats  # (B, n) what the heat pumps could do of what they were told
    t_in_c: Floats  # (B, n) behind the step
    comfort_eur: Floats  # (B, n)


class ThermalModel:
    """The formulas of `HeatPumps` in one precision.

    Args:
        heat: one number per bus, see `HeatPumps.for_buses`.
        step_h: hours per step.
        dtype: float32 or float64.

    Attributes:
        keep: (n,) a, the share of a temperature difference that is left after a step.
        gain_k_per_kw: (n,) what a kW of electricity does to the temperature behind a step.
        worth_eur_per_k: (n,) what it costs to bring a kelvin back.
        sign: (n,) 1 for a building that is heated, -1 for one that is cooled.
    """

    def __init__(self, heat: HeatPumps, step_h: float, dtype: DTypeLike) -> None:
        def const(values: Any) -> Any:
            return np.asarray(values, dtype)

        keep = np.exp(-float(step_h) / (heat.r_k_per_kw * heat.c_kwh_per_k))
        self.heat = heat
        self.keep: Floats = const(keep)
        self.gain_k_per_kw: Floats = const((1 - keep) * heat.r_k_per_kw * heat.cop)
        worth = heat.value_eur_per_kwh * heat.c_kwh_per_k / np.abs(heat.cop)
        self.worth_eur_per_k: Floats = const(worth)
        self.sign: Floats = const(np.sign(heat.cop))
        self._most = const(heat.p_heat_max_kw)
        self._low, self._high = const(heat.t_low_c), const(heat.t_high_c)
        self._set = const(heat.t_set_c)
        self._price = const(step_h * heat.comfort_eur_per_k2_h)

    def step(self, climate: Climate, p_heat_kw: Floats) -> HeatStep:
        """One step with p_heat (B, n), clipped to what is possible."""
        p_heat = self.possible_kw(p_heat_kw)
        t_in = self.drifted_c(climate) + self.gain_k_per_kw * p_heat
        return HeatStep(p_heat, t_in, self._price * np.square(self.excess_k(t_in)))

    def possible_kw(self, p_heat_kw: Floats) -> Floats:
        """p_heat (B, n) within its limits."""
        result: Floats = np.clip(p_heat_kw, 0, self._most)
        return result

    def drifted_c(self, climate: Climate) -> Floats:
        """Temperature (B, n) behind a step without heating."""
        result: Floats = self.keep * climate.t_in_c + (1 - self.keep) * climate.outdoor_c[:, None]
        return result

    def excess_k(self, t_in_c: Floats) -> Floats:
        """How far temperatures (B, n) lie outside the comfort band, >= 0."""
        result: Floats = np.maximum(np.maximum(self._low - t_in_c, t_in_c - self._high), 0)
        return result

    def end_cost_eur(self, t_start_c: Floats, t_in_c: Floats) -> Floats:
        """Cost (B, n), per building, of ending at t_in what began at t_start.

        Costs of consecutive spans add up to that of the whole, so that steps can be settled one
        by one.
        """
        lost = self._shortfall_k(t_in_c) - self._shortfall_k(t_start_c)
        result: Floats = self.worth_eur_per_k * lost
        return result

    def thermostat_kw(self, climate: Climate) -> Floats:
        """p_heat (B, n) that brings buildings to `t_set_c` within the step, as far as it can.

        Proportional to what a step without heating would miss, so it holds the temperature
        without an offset.
        """
        missing = self._set - self.drifted_c(climate)
        return self.possible_kw(missing / self.gain_k_per_kw)

    def _shortfall_k(self, t_in_c: Floats) -> Floats:
        result: Floats = np.maximum(self.sign * (self._set - t_in_c), 0)
        return result
