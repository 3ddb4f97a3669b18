"""A case: a feeder with its agents, limits, costs, voltage bounds and demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from rllib_grid.cases.layout import Layout
from rllib_grid.checks import Array, batch, known, known_fields, number, per_bus, whole
from rllib_grid.errors import GridError
from rllib_grid.feeder import Feeder
from rllib_grid.feeders.groups import Groups
from rllib_grid.json_fields import json_fields
from rllib_grid.physics import ac, lindistflow
from rllib_grid.sources.demand import Demand, UniformDemand, demand_from_dict

_COSTS = ("alpha_p", "beta_p", "gamma_p", "alpha_q", "beta_q", "gamma_q")


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that a result depends on, apart from the learner.

    Where one number per bus is asked for, a scalar stands for all buses. The cost of a building
    is alpha_p p^2 + beta_p p + gamma_p + alpha_q q^2 + beta_q q + gamma_q for its control p, q
    (equation 3 of the TS-MADDPG paper).

    Attributes:
        name: what to call it.
        feeder: of n buses; a `Feeder.to_dict()` will do.
        groups: buses of each agent; together every bus 1..n exactly once.
        p_limit_kw: (n,) |p_ctrl| <= p_limit_kw, > 0.
        q_limit_kvar: (n,) |q_ctrl| <= q_limit_kvar, > 0.
        alpha_p, beta_p, gamma_p: (n,) in kW per kW^2 (>= 0), kW per kW and kW.
        alpha_q, beta_q, gamma_q: (n,) in kW per kvar^2 (>= 0), kW per kvar and kW.
        v_head_pu: constant voltage of the head.
        v_min_pu, v_max_pu: bounds on the voltage of every bus.
        demand: law of base demand; a law's `to_dict()` will do.
        penalty_kw_per_pu: price, in the reward, of voltage outside the bounds.
        agent_reward: "shared" gives every agent the same reward; "local" the loss with the costs
            and penalty of its own buses only. Without discount, and where no bus of another
            agent violates its bounds, both have the same gradient in the agent's action.
        horizon: time steps T of a trajectory; demand is drawn anew at each.
        meter_error_pu: standard deviation of the normal error of each voltage reading.
        meter_step_pu: readings are rounded to multiples of it; 0 rounds nothing.
        s_max_kva: (n,) rating of each building's inverter, p_ctrl^2 + q_ctrl^2 <= s_max_kva^2;
            None sets no such limit.
        branch_limit_kva: (L,) thermal rating of each branch: its highest current, as apparent power
            at 1 p.u.; None sets none.
        physics: what the environment and the reported costs and voltages follow: "lindistflow"
            (equations 1 and 2) or "ac" (the full power flow; see `rllib_grid.physics.ac.solve`
            for what a collapsed feeder costs).
        probe_share: part of the time step that each probe lasts, its cost paid in that part; all
            probes together must leave time for the action.
        drift_kw: standard deviation by which p_base of every bus moves between two actions of a
            step, q_base with it.
        probe_loss: probability that an agent misses what it would have measured at a probe: it
            is left with its reading before that in the step, or with the head's voltage.
        agent_loss: probability, in each step, that an agent drops out after its first action
            and stays with that.

    Raises:
        GridError: naming the value, its bound and the remedy.
    """

    name: str
    feeder: Feeder
    groups: Groups
    p_limit_kw: Array = 105.0  # type: ignore[assignment]  # __post_init__ spreads scalars
    q_limit_kvar: Array = 105.0  # type: ignore[assignment]
    alpha_p: Array = 1e-5  # type: ignore[assignment]
    beta_p: Array = 0.0  # type: ignore[assignment]
    gamma_p: Array = 0.0  # type: ignore[assignment]
    alpha_q: Array = 1e-5  # type: ignore[assignment]
    beta_q: Array = 0.0  # type: ignore[assignment]
    gamma_q: Array = 0.0  # type: ignore[assignment]
    v_head_pu: float = 1.0
    v_min_pu: float = 0.95
    v_max_pu: float = 1.05
    demand: Demand = field(default_factory=UniformDemand)
    penalty_kw_per_pu: float = 150.0
    agent_reward: Literal["shared", "local"] = "shared"
    horizon: int = 1
    meter_error_pu: float = 0.0
    meter_step_pu: float = 0.0
    s_max_kva: Array | None = None
    branch_limit_kva: Array | None = None
    physics: Literal["lindistflow", "ac"] = "lindistflow"
    probe_share: float = 0.0
    drift_kw: float = 0.0
    probe_loss: float = 0.0
    agent_loss: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen; here it is still being made
        if isinstance(self.feeder, Mapping):
            put(self, "feeder", Feeder.from_dict(self.feeder))
        if isinstance(self.demand, Mapping):
            put(self, "demand", demand_from_dict(self.demand))
        for name, value, kind in (("feeder", self.feeder, Feeder), ("demand", self.demand, Demand)):
            if not isinstance(value, kind):
                raise GridError(f"{name} is {value!r}, must be a {kind.__name__} or its to_dict()")
        n = self.feeder.num_buses
        put(self, "groups", _checked_groups(self.groups, n))
        put(self, "demand", self.demand.sized(n))
        for name in ("p_limit_kw", "q_limit_kvar"):
            put(self, name, per_bus(name, getattr(self, name), n, above=0))
        for name in _COSTS:
            low = 0.0 if name.startswith("alpha") else -np.inf
            put(self, name, per_bus(name, getattr(self, name), n, at_least=low))
        put(self, "v_head_pu", number("v_head_pu", self.v_head_pu, above=0))
        put(self, "v_min_pu", number("v_min_pu", self.v_min_pu, above=0))
        put(self, "v_max_pu", number("v_max_pu", self.v_max_pu, above=self.v_min_pu))
        for name, size in (("s_max_kva", n), ("branch_limit_kva", self.feeder.num_nodes)):
            if getattr(self, name) is not None:
                put(self, name, per_bus(name, getattr(self, name), size, above=0))
        for name in (
            "penalty_kw_per_pu",
            "meter_error_pu",
            "meter_step_pu",
            "drift_kw",
            "probe_share",
        ):
            put(self, name, number(name, getattr(self, name), at_least=0))
        number("probe_share", self.probe_share, below=1)
        for name in ("probe_loss", "agent_loss"):
            put(self, name, number(name, getattr(self, name), at_least=0, at_most=1))
        known("agent_reward", self.agent_reward, ("shared", "local"))
        known("physics", self.physics, ("lindistflow", "ac"))
        put(self, "horizon", whole("horizon", self.horizon, at_least=1))

    @property
    def num_buses(self) -> int:
        """Number of buses n, without the head."""
        return self.feeder.num_buses

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in the order of `groups`."""
        return self.layout.agents

    @property
    def obs_scale_pu(self) -> float:
        """Voltage deviation that counts as 1 in an observation: half the permitted band."""
        return (self.v_max_pu - self.v_min_pu) / 2

    def action_share(self, num_probes: int) -> float:
        """Part of the time step that is left to the action after so many probes, > 0.

        Raises:
            GridError: if none is left.
        """
        share = 1.0 - num_probes * self.probe_share
        if share < 1e-9:  # not 0: sums of shares are rounded
            raise GridError(
                f"{num_probes} probes of {self.probe_share:g} of the time step leave no time for "
                "the action: probe less, or lower probe_share"
            )
        return share

    @cached_property
    def layout(self) -> Layout:
        """Order and scale of the joint arrays."""
        return Layout(
            self.groups,
            *self.demand.scale(),
            self.p_limit_kw,
            self.q_limit_kvar,
            self.v_head_pu,
            self.obs_scale_pu,
            self.s_max_kva,
        )

    @property
    def limits_apparent_power(self) -> bool:
        """Whether inverters or branches have ratings: the optimum is a cone program then."""
        return self.s_max_kva is not None or self.branch_limit_kva is not None

    def within_ratings(self, p_ctrl_kw: Array, q_ctrl_kvar: Array) -> tuple[Array, Array]:
        """Controls (B, n) as the inverters carry them out.

        P and q of an overloaded inverter are scaled back together, to its rating, which keeps the
        power factor.
        """
        p_kw = batch("p_ctrl_kw", p_ctrl_kw, self.num_buses)
        q_kvar = batch("q_ctrl_kvar", q_ctrl_kvar, self.num_buses)
        if self.s_max_kva is None:
            return p_kw, q_kvar
        share = self.s_max_kva / np.maximum(np.hypot(p_kw, q_kvar), self.s_max_kva)
        return p_kw * share, q_kvar * share

    def control_cost_kw(self, p_ctrl_kw: Array, q_ctrl_kvar: Array) -> Array:
        """Cost (B, n) of each building's control (B, n), equation 3."""
        p_kw = batch("p_ctrl_kw", p_ctrl_kw, self.num_buses)
        q_kvar = batch("q_ctrl_kvar", q_ctrl_kvar, self.num_buses)
        cost: Array = (self.alpha_p * p_kw + self.beta_p) * p_kw + self.gamma_p
        cost += (self.alpha_q * q_kvar + self.beta_q) * q_kvar + self.gamma_q
        return cost

    def cost_kw(
        self, p_base_kw: Array, q_base_kvar: Array, p_ctrl_kw: Array, q_ctrl_kvar: Array
    ) -> Array:
        """Loss and all building costs, without penalty: the objective of the dispatch (equation 4).

        Args:
            p_base_kw, q_base_kvar: (B, n) base demand.
            p_ctrl_kw, q_ctrl_kvar: (B, n) controls.

        Returns:
            (B,) in kW.
        """
        p_kw, q_kvar = self._total(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar)
        buildings = self.control_cost_kw(p_ctrl_kw, q_ctrl_kvar).sum(axis=1)
        if self.physics == "ac":
            loss_kw = self._ac_flow(p_kw, q_kvar).loss_kw
        else:
            loss_kw = lindistflow.loss_kw(self.feeder, self.v_head_pu, p_kw, q_kvar)
        result: Array = loss_kw + buildings
        return result

    def v_pu(
        self, p_base_kw: Array, q_base_kvar: Array, p_ctrl_kw: Array, q_ctrl_kvar: Array
    ) -> Array:
        """Voltages (B, n) in p.u., arguments as `cost_kw`."""
        p_kw, q_kvar = self._total(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar)
        if self.physics == "ac":
            return self._ac_flow(p_kw, q_kvar).v_pu
        return lindistflow.v_pu(self.feeder, self.v_head_pu, p_kw, q_kvar)

    def penalty_kw(self, v_pu: Array) -> Array:
        """Price (B, n), in the reward, of voltages (B, n) outside the bounds."""
        excess = np.maximum(v_pu - self.v_max_pu, 0) + np.maximum(self.v_min_pu - v_pu, 0)
        result: Array = self.penalty_kw_per_pu * excess
        return result

    def replace(self, **changes: Any) -> Case:
        """A copy with some fields changed.

        Raises:
            GridError: on an unknown field or a bad value.
        """
        known_fields("case field", self, changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form. Two cases are the same if these are equal."""
        values = json_fields(self)
        values["feeder"] = self.feeder.to_dict()
        values["demand"] = self.demand.to_dict()
        values["groups"] = [list(group) for group in self.groups]
        return values

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Case:
        """The inverse of `to_dict`; fields that have a default may be left out.

        Raises:
            GridError: on a field that is unknown or missing, or a bad value.
        """
        known_fields("case field", cls, data)
        for name in ("name", "feeder", "groups"):
            if name not in data:
                raise GridError(f"a case needs the field {name!r}")
        return cls(**data)

    def _ac_flow(self, p_kw: Array, q_kvar: Array) -> ac.AcFlow:
        """As the environment has it: a collapsed feeder is at its floor voltage."""
        return ac.solve(self.feeder, self.v_head_pu, p_kw, q_kvar, collapsed="floor")

    def _total(
        self, p_base_kw: Array, q_base_kvar: Array, p_ctrl_kw: Array, q_ctrl_kvar: Array
    ) -> tuple[Array, Array]:
        n = self.num_buses
        p_kw = batch("p_base_kw", p_base_kw, n) + batch("p_ctrl_kw", p_ctrl_kw, n)
        q_kvar = batch("q_base_kvar", q_base_kvar, n) + batch("q_ctrl_kvar", q_ctrl_kvar, n)
        return p_kw, q_kvar


def _checked_groups(groups: Any, num_buses: int) -> Groups:
    """Every bus in exactly one group; buses of a group in ascending order."""
    owner: dict[int, int] = {}
    try:
        members = [list(group) for group in groups]
    except TypeError:
        raise GridError(f"groups is {groups!r}, must be lists of buses, one per agent") from None
    for i, group in enumerate(members):
        if not group:
            raise GridError(f"group {i} is empty, must hold at least one bus")
        for bus in group:
            whole(f"group {i}: bus", bus, at_least=1)
            if bus > num_buses:
                raise GridError(f"group {i}: bus is {bus}, must be one of 1..{num_buses}")
            if bus in owner:
                raise GridError(
                    f"bus {bus} is in groups {owner[bus]} and {i}, must be in exactly one"
                )
            owner[bus] = i
    missing = [str(bus) for bus in range(1, num_buses + 1) if bus not in owner]
    if missing:
        raise GridError(f"no group holds bus {', '.join(missing)}: put each bus in exactly one")
    return tuple(tuple(sorted(int(bus) for bus in group)) for group in members)
