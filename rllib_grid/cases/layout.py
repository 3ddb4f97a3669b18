"""The order and scale of the joint arrays that a learner sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array, batch, known
from rllib_grid.feeders.groups import Groups, agent_names

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Layout:
    """Joint arrays, agent by agent, in scaled units: physical = offset + scale * scaled.

    | array | one agent's part | scaled by |
    |---|---|---|
    | joint state (B, 2n) | p_base_kw of its buses, then q_base_kvar | the demand law's scale |
    | joint action (B, 2n) | p_ctrl_kw of its buses, then q_ctrl_kvar | the limits, so [-1, 1] |
    | joint observation (B, n) | v_pu - v_head_pu of its buses | half the voltage band |

    Attributes:
        groups: buses of each agent, ascending.
        p_scale_kw, q_scale_kvar: (n,) scale of the state, in bus order.
        p_limit_kw, q_limit_kvar: (n,) scale of the action, in bus order.
        v_head_pu: offset of the observation.
        obs_scale_pu: scale of the observation.
        s_max_kva: (n,) ratings of the inverters, in bus order; None where there are none.
    """

    groups: Groups
    p_scale_kw: Array
    q_scale_kvar: Array
    p_limit_kw: Array
    q_limit_kvar: Array
    v_head_pu: float
    obs_scale_pu: float
    s_max_kva: Array | None = None

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in joint order."""
        return agent_names(self.groups)

    @property
    def num_buses(self) -> int:
        """Number of buses n."""
        return len(self.p_scale_kw)

    @cached_property
    def obs_slices(self) -> dict[str, slice]:
        """Each agent's part of the joint observation."""
        stops = np.cumsum([len(group) for group in self.groups]).tolist()
        return {
            agent: slice(stop - len(group), stop)
            for agent, group, stop in zip(self.agents, self.groups, stops, strict=True)
        }

    @cached_property
    def state_slices(self) -> dict[str, slice]:
        """Each agent's part of the joint state: twice as wide, for p and q."""
        return {
            agent: slice(2 * part.start, 2 * part.stop) for agent, part in self.obs_slices.items()
        }

    @property
    def action_slices(self) -> dict[str, slice]:
        """Each agent's part of the joint action, arranged like the joint state."""
        return self.state_slices

    @cached_property
    def obs_buses(self) -> NDArray[np.int64]:
        """(n,): index (bus - 1) of the bus in each column of the joint observation."""
        return np.array([bus - 1 for group in self.groups for bus in group])

    @cached_property
    def p_columns(self) -> NDArray[np.int64]:
        """(n,): column of the joint state, or action, that holds p of each bus, in bus order."""
        columns = np.empty(self.num_buses, np.int64)
        for group, part in zip(self.groups, self.state_slices.values(), strict=True):
            columns[np.array(group) - 1] = part.start + np.arange(len(group))
        return columns

    @cached_property
    def q_columns(self) -> NDArray[np.int64]:
        """(n,): column of the joint state, or action, that holds q of each bus, in bus order."""
        columns = np.empty(self.num_buses, np.int64)
        for group, part in zip(self.groups, self.state_slices.values(), strict=True):
            columns[np.array(group) - 1] = part.start + len(group) + np.arange(len(group))
        return columns

    @cached_property
    def action_circles(self) -> tuple[tuple[int, int, float, float], ...]:
        """The inverters' ratings in scaled units: (i, j, u, w) stands for |(u a_i, w a_j)| <= 1."""
        if self.s_max_kva is None:
            return ()
        u, w = self.p_limit_kw / self.s_max_kva, self.q_limit_kvar / self.s_max_kva
        columns = zip(self.p_columns.tolist(), self.q_columns.tolist(), strict=True)
        return tuple((i, j, float(u[k]), float(w[k])) for k, (i, j) in enumerate(columns))

    def within_ratings(self, action: Float32) -> Float32:
        """A joint action (B, 2n) as the inverters carry it out: p and q of an overloaded one are
        scaled back together, to its rating, which keeps the power factor.
        """
        if self.s_max_kva is None:
            return action
        p, q = action[:, self.p_columns], action[:, self.q_columns]
        u, w = self.p_limit_kw / self.s_max_kva, self.q_limit_kvar / self.s_max_kva
        load = np.hypot(p * u.astype(np.float32), q * w.astype(np.float32))
        share = 1 / np.maximum(load, np.float32(1.0))
        return self._join(p * share, q * share)

    def to_state(self, p_base_kw: Array, q_base_kvar: Array) -> Float32:
        """Base demand in bus order, (B, n) each, as joint state (B, 2n)."""
        p_kw = batch("p_base_kw", p_base_kw, self.num_buses)
        q_kvar = batch("q_base_kvar", q_base_kvar, self.num_buses)
        return self._join(p_kw / self.p_scale_kw, q_kvar / self.q_scale_kvar)

    def from_state(self, state: NDArray[Any]) -> tuple[Array, Array]:
        """Joint state (B, 2n) as p_base_kw (B, n) and q_base_kvar (B, n)."""
        p, q = self._split("state", state)
        return p * self.p_scale_kw, q * self.q_scale_kvar

    def from_controls(self, p_ctrl_kw: Array, q_ctrl_kvar: Array) -> Float32:
        """Controls in bus order, (B, n) each, as joint action (B, 2n)."""
        p_kw = batch("p_ctrl_kw", p_ctrl_kw, self.num_buses)
        q_kvar = batch("q_ctrl_kvar", q_ctrl_kvar, self.num_buses)
        return self._join(p_kw / self.p_limit_kw, q_kvar / self.q_limit_kvar)

    def to_controls(self, action: NDArray[Any]) -> tuple[Array, Array]:
        """Joint action (B, 2n) as p_ctrl_kw (B, n) and q_ctrl_kvar (B, n)."""
        p, q = self._split("action", action)
        return p * self.p_limit_kw, q * self.q_limit_kvar

    def to_obs(self, v_pu: Array) -> Float32:
        """Voltages in bus order (B, n) as joint observation (B, n)."""
        scaled = (batch("v_pu", v_pu, self.num_buses) - self.v_head_pu) / self.obs_scale_pu
        return scaled[:, self.obs_buses].astype(np.float32)

    def from_obs(self, obs: NDArray[Any]) -> Array:
        """Joint observation (B, n) as v_pu (B, n) in bus order."""
        columns = batch("obs", obs, self.num_buses)
        v_pu = np.empty_like(columns)
        v_pu[:, self.obs_buses] = self.v_head_pu + self.obs_scale_pu * columns
        return v_pu

    def signature(self, agent: str) -> dict[str, Any]:
        """What the numbers of one agent mean, JSON-able: physical = offset + scale * scaled.

        Args:
            agent: its name.

        Returns:
            {"buses": [...], "state": [...], "observation": [...], "action": [...]}; one
            {"name", "offset", "scale"} for every number, actions also "low" and "high". Where
            inverters are rated also "action_circles": [i, j, s_max_kva] for the two numbers of the
            action that a rating ties together.
        """
        known("agent", agent, self.agents)
        group = self.groups[self.agents.index(agent)]

        def entries(name: str, scale: Array) -> list[dict[str, Any]]:
            return [
                {"name": f"{name}[{bus}]", "offset": 0.0, "scale": float(scale[bus - 1])}
                for bus in group
            ]

        p_ctrl = entries("p_ctrl_kw", self.p_limit_kw)
        q_ctrl = entries("q_ctrl_kvar", self.q_limit_kvar)
        ratings = {}
        if self.s_max_kva is not None:
            size = len(group)
            ratings["action_circles"] = [
                [i, size + i, float(self.s_max_kva[bus - 1])] for i, bus in enumerate(group)
            ]
        return {
            "buses": list(group),
            "state": entries("p_base_kw", self.p_scale_kw)
            + entries("q_base_kvar", self.q_scale_kvar),
            "observation": [
                {"name": f"v_pu[{bus}]", "offset": self.v_head_pu, "scale": self.obs_scale_pu}
                for bus in group
            ],
            "action": [
                {**entry, "low": -entry["scale"], "high": entry["scale"]}
                for entry in p_ctrl + q_ctrl
            ],
            **ratings,
        }

    def _join(self, p: Array, q: Array) -> Float32:
        joined = np.empty((len(p), 2 * self.num_buses), np.float32)
        joined[:, self.p_columns] = p
        joined[:, self.q_columns] = q
        return joined

    def _split(self, name: str, joined: NDArray[Any]) -> tuple[Array, Array]:
        columns = batch(name, joined, 2 * self.num_buses)
        return columns[:, self.p_columns], columns[:, self.q_columns]
