"""Buildings that are heated or cooled electrically: their data, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rllib_grid.checks import Array, known_fields, number, per_bus
from rllib_grid.errors import GridError
from rllib_grid.json_fields import json_fields


@dataclass(frozen=True, eq=False)
class HeatPumps:
    """A heat pump at every bus, and the building that it warms or cools.

    A building is a heat capacity behind a resistance to the outdoors, the simplest of the models of
    Bacher and Madsen (Energy and Buildings 43, 2011):

        C dT/dt = (T_out - T) / R + cop p_heat

    and with power and outdoor temperature held over a step of h hours, exactly,

        T' = a T + (1 - a) (T_out + R cop p_heat),    a = exp(-h / (R C)).

    Sun and people are left out, the coefficient of performance is constant, and power is drawn at
    unity power factor. A step costs h comfort excess^2, with excess the kelvins that T' lies
    outside the band. The end of the day is settled against its start at
    `value_eur_per_kwh` times the electricity that brings a building back to `t_set_c`:

        value C / |cop| (shortfall_T - shortfall_0),    shortfall = max(0, t_set - T)

    (the other way round for cooling). So a day that cools out has saved nothing, and heat beyond
    `t_set_c` is worth nothing: in summer nobody is paid for heating.

    Where one number per bus is asked for, a scalar stands for all buses.

    Attributes:
        c_kwh_per_k: (n,) heat capacity C, > 0.
        r_k_per_kw: (n,) thermal resistance R to the outdoors, > 0.
        cop: (n,) heat into the building per electricity; < 0 for one that cools, not 0.
        p_heat_max_kw: (n,) 0 <= p_heat_kw <= p_heat_max_kw, electric, > 0.
        t_low_c, t_high_c: the comfort band.
        t_set_c: within the band; what a thermostat holds, and what the end of the day is measured
            against.
        comfort_eur_per_k2_h: price of a kelvin outside the band, squared, for an hour, >= 0.
        t_start_c: range from which each building's temperature at midnight is drawn, uniformly
            and independently.
        value_eur_per_kwh: worth of the electricity that brings heat back, >= 0.

    Raises:
        GridError: naming the value, its bound and the remedy.
    """

    c_kwh_per_k: Array = 40.0  # type: ignore[assignment]  # `for_buses` spreads scalars
    r_k_per_kw: Array = 0.75  # type: ignore[assignment]
    cop: Array = 3.0  # type: ignore[assignment]
    p_heat_max_kw: Array = 20.0  # type: ignore[assignment]
    t_low_c: float = 20.0
    t_high_c: float = 24.0
    t_set_c: float = 21.0
    comfort_eur_per_k2_h: float = 0.25
    t_start_c: tuple[float, float] = (20.0, 22.0)
    value_eur_per_kwh: float = 0.25

    def __post_init__(self) -> None:
        low, high = number("t_low_c", self.t_low_c), number("t_high_c", self.t_high_c)
        number("t_high_c", high, above=low)
        if not low <= number("t_set_c", self.t_set_c) <= high:
            raise GridError(f"t_set_c is {self.t_set_c:g}, must be in {low:g}..{high:g}")
        for name in ("comfort_eur_per_k2_h", "value_eur_per_kwh"):
            number(name, getattr(self, name), at_least=0)
        coldest, warmest = (number("t_start_c", value) for value in self.t_start_c)
        if coldest > warmest:
            raise GridError(f"t_start_c is {coldest:g} to {warmest:g}, must be a range")
        object.__setattr__(self, "t_start_c", (coldest, warmest))

    def for_buses(self, num_buses: int) -> HeatPumps:
        """The same with one number per bus, checked.

        Raises:
            GridError: on a bad value, naming the bus.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("c_kwh_per_k", "r_k_per_kw", "p_heat_max_kw"):
            values[name] = per_bus(name, values[name], num_buses, above=0)
        values["cop"] = per_bus("cop", values["cop"], num_buses)
        for bus, cop in enumerate(values["cop"], start=1):
            if cop == 0:
                raise GridError(f"bus {bus}: cop is 0, must be > 0 to heat or < 0 to cool")
        return HeatPumps(**values)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        values = json_fields(self)
        values["t_start_c"] = list(self.t_start_c)
        return values

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HeatPumps:
        """The inverse of `to_dict`; fields may be left out.

        Raises:
            GridError: on an unknown field or a bad value.
        """
        known_fields("field of heat pumps", cls, data)
        return cls(**data)
