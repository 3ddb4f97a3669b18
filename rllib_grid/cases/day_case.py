"""A day case: a feeder with its agents, batteries, limits, prices, bounds and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.cases.clock import CLOCK
from rllib_grid.cases.day_layout import DayLayout, PerBus, Shared
from rllib_grid.checks import Array, known, known_fields, number, per_bus
from rllib_grid.devices.heat import HeatPumps
from rllib_grid.errors import GridError
from rllib_grid.feeder import Feeder
from rllib_grid.feeders.groups import Groups, agent_names
from rllib_grid.json_fields import json_fields
from rllib_grid.sources.profile_source import ProfileSource, profiles_from_dict
from rllib_grid.sources.profiles import Profiles, Split
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles


@dataclass(frozen=True, eq=False)
class DayCase:
    """Everything that the result of a day depends on, apart from the learner.

    Cost of a day, in EUR, over steps t of h hours:

        sum_t h [ price_t (sum p_ctrl + loss_t) + sum (alpha_p p_ctrl^2 + alpha_q q_ctrl^2)
                  + penalty * sum excess_t ]
        - soc_value * sum (soc_T - soc_0) + soc_bend / 2 * sum (soc_T - target)^2

    The energy of the base demand itself is left out: no control changes it. Loss is LinDistFlow's,
    and priced like all energy. excess_t of a bus is how far its voltage lies outside the bounds,
    to first order, (v_sq - v_max^2) / (2 v_max) above and (v_min^2 - v_sq) / (2 v_min) below, in
    p.u.: convex, so that the optimum can be found and proven.

    A battery that takes c and gives d (kW at the grid, one of them 0) for h hours moves its state
    of charge by h (efficiency c - d / efficiency). What it has no room or no energy for it does
    not take or give: p_ctrl is clipped to what its state of charge allows.

    Heat pumps, where there are any, draw sum p_heat on top of sum p_ctrl, and count in loss and
    voltages; `HeatPumps` tells what comfort costs in each step, and what the end of the day does.

    Where one number per bus is asked for, a scalar stands for all buses.

    Attributes:
        name: what to call it.
        feeder: of n buses; a `Feeder.to_dict()` will do.
        groups: buses of each agent; together every bus 1..n exactly once.
        profiles: where the days come from; a source's `to_dict()` will do.
        capacity_kwh: (n,) usable capacity of each battery, > 0.
        p_limit_kw: (n,) |p_ctrl| <= p_limit_kw, > 0.
        q_limit_kvar: (n,) |q_ctrl| <= q_limit_kvar, > 0.
        efficiency: one-way, of charging and of discharging, in (0, 1].
        alpha_p: (n,) wear, in EUR per hour and kW^2, >= 0.
        alpha_q: (n,) inverter losses, in EUR per hour and kvar^2, >= 0.
        soc_start: range, as shares of capacity, from which each battery's charge at midnight is
            drawn, uniformly and independently.
        soc_target: share of capacity that is best at the end of the day.
        soc_value_eur_per_kwh: what a stored kWh is worth at the end of the day.
        soc_bend_eur_per_kwh2: how fast that worth falls above the target and rises below, >= 0.
        settle: when stored energy is paid for in the reward. "end": by the last step alone.
            "stepwise": every step is credited with soc_value times what it stores; the sum over
            the day is the same (potential-based shaping; Ng, Harada and Russell, 1999).
        v_head_pu: constant voltage of the head.
        v_min_pu, v_max_pu: bounds on the voltage of every bus.
        penalty_eur_per_pu_h: price of a p.u. of excess at one bus for an hour.
        agent_reward: "shared", or "local": every agent is charged the loss, and of all other
            costs those of its own buses.
        heat: buildings that agents heat or cool; its `to_dict()` will do. None: there are none.

    Raises:
        GridError: naming the value, its bound and the remedy.
    """

    name: str
    feeder: Feeder
    groups: Groups
    profiles: ProfileSource = field(default_factory=SyntheticProfiles)
    capacity_kwh: Array = 100.0  # type: ignore[assignment]  # __post_init__ spreads scalars
    p_limit_kw: Array = 30.0  # type: ignore[assignment]
    q_limit_kvar: Array = 50.0  # type: ignore[assignment]
    efficiency: float = 0.95
    alpha_p: Array = 2e-4  # type: ignore[assignment]
    alpha_q: Array = 2e-5  # type: ignore[assignment]
    soc_start: tuple[float, float] = (0.2, 0.8)
    soc_target: float = 0.5
    soc_value_eur_per_kwh: float = 0.25
    soc_bend_eur_per_kwh2: float = 1e-3
    settle: Literal["end", "stepwise"] = "end"
    v_head_pu: float = 1.0
    v_min_pu: float = 0.95
    v_max_pu: float = 1.05
    penalty_eur_per_pu_h: float = 500.0
    agent_reward: Literal["shared", "local"] = "shared"
    heat: HeatPumps | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen; here it is still being made
        if isinstance(self.feeder, Mapping):
            put(self, "feeder", Feeder.from_dict(self.feeder))
        if isinstance(self.profiles, Mapping):
            put(self, "profiles", profiles_from_dict(self.profiles))
        if isinstance(self.heat, Mapping):
            put(self, "heat", HeatPumps.from_dict(self.heat))
        n = self.feeder.num_buses
        if self.heat is not None:
            put(self, "heat", self.heat.for_buses(n))
        plain = Case(  # its checks of groups and bounds are ours too
            self.name,
            self.feeder,
            self.groups,
            v_head_pu=self.v_head_pu,
            v_min_pu=self.v_min_pu,
            v_max_pu=self.v_max_pu,
            agent_reward=self.agent_reward,
        )
        put(self, "groups", plain.groups)
        for name in ("capacity_kwh", "p_limit_kw", "q_limit_kvar"):
            put(self, name, per_bus(name, getattr(self, name), n, above=0))
        for name in ("alpha_p", "alpha_q"):
            put(self, name, per_bus(name, getattr(self, name), n, at_least=0.0))
        number("efficiency", self.efficiency, above=0, at_most=1)
        put(self, "soc_start", _shares(self.soc_start))
        number("soc_target", self.soc_target, at_least=0, at_most=1)
        number("soc_value_eur_per_kwh", self.soc_value_eur_per_kwh)
        for name in ("soc_bend_eur_per_kwh2", "penalty_eur_per_pu_h"):
            number(name, getattr(self, name), at_least=0)
        known("way to settle", self.settle, ("end", "stepwise"))

    @property
    def num_buses(self) -> int:
        """Number of buses n, without the head."""
        return self.feeder.num_buses

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in the order of `groups`."""
        return agent_names(self.groups)

    @property
    def obs_scale_pu(self) -> float:
        """Voltage deviation that counts as 1 in an observation: half the permitted band."""
        return (self.v_max_pu - self.v_min_pu) / 2

    @cached_property
    def year(self) -> Profiles:
        """All days."""
        return self.profiles.load(self.num_buses)

    def days(self, split: Split) -> Profiles:
        """The days of one part of the year, see `Profiles.of`."""
        return self.year.of(split)

    @cached_property
    def layout(self) -> DayLayout:
        """Order and scale of the joint arrays; scales are taken from the training days.

        Heat pumps add the indoor temperature of every bus, the outdoor temperature and p_heat.
        """
        days, half = self.days("train"), self.capacity_kwh / 2
        ones, zeros = np.ones(self.num_buses), np.zeros(self.num_buses)
        demand = (("p_base_kw", days.p_base_kw), ("q_base_kvar", days.q_base_kvar))
        state = [
            PerBus(name, values.mean(axis=(0, 1)), values.std(axis=(0, 1)) + 1e-6)
            for name, values in demand
        ]
        state.append(PerBus("soc_kwh", half, half))
        shared = [_standardised("price_eur_per_kwh", days.price_eur_per_kwh)]
        action = [
            PerBus("p_ctrl_kw", zeros, self.p_limit_kw),
            PerBus("q_ctrl_kvar", zeros, self.q_limit_kvar),
        ]
        if self.heat is not None:
            low, high, most = self.heat.t_low_c, self.heat.t_high_c, self.heat.p_heat_max_kw / 2
            state.append(PerBus("t_in_c", (low + high) / 2 * ones, (high - low) / 2 * ones))
            shared.append(_standardised("outdoor_c", days.outdoor_c))
            action.append(PerBus("p_heat_kw", most, most))
        return DayLayout(
            self.groups,
            state=tuple(state),
            shared=(*shared, *(Shared(name, 0.0, 1.0) for name in CLOCK)),
            action=tuple(action),
            observation=(PerBus("v_pu", self.v_head_pu * ones, self.obs_scale_pu * ones),),
        )

    def replace(self, **changes: Any) -> DayCase:
        """A copy with some fields changed.

        Raises:
            GridError: on an unknown field or a bad value.
        """
        known_fields("field of a day case", self, changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form. Two cases are the same if these are equal."""
        values = json_fields(self)
        values["feeder"] = self.feeder.to_dict()
        values["profiles"] = self.profiles.to_dict()
        values["groups"] = [list(group) for group in self.groups]
        values["soc_start"] = list(self.soc_start)
        values["heat"] = None if self.heat is None else self.heat.to_dict()
        return values

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DayCase:
        """The inverse of `to_dict`; fields that have a default may be left out.

        Raises:
            GridError: on a field that is unknown or missing, or a bad value.
        """
        known_fields("field of a day case", cls, data)
        for name in ("name", "feeder", "groups"):
            if name not in data:
                raise GridError(f"a day case needs the field {name!r}")
        return cls(**data)


def _standardised(name: str, values: Array) -> Shared:
    return Shared(name, float(values.mean()), float(values.std()) + 1e-6)


def _shares(values: Any) -> tuple[float, float]:
    low, high = (number("soc_start", value) for value in values)
    if not 0 <= low <= high <= 1:
        raise GridError(f"soc_start is {low:g} to {high:g}, must be a range within 0..1")
    return low, high
