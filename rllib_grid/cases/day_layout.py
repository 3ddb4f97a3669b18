"""The order and scale of the joint arrays of a day, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array, known
from rllib_grid.feeders.groups import Groups, agent_names

Columns = NDArray[np.int64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PerBus:
    """A quantity that every bus has: physical = offset + scale * scaled.

    Attributes:
        name: with its unit.
        offset, scale: (n,) in bus order.
    """

    name: str
    offset: Array
    scale: Array


@dataclass(frozen=True)
class Shared:
    """A quantity that is the same everywhere, such as the time of day; every agent has its own
    copy of it. Scaled like `PerBus`."""

    name: str
    offset: float
    scale: float


@dataclass(frozen=True, eq=False)
class Part:
    """One joint array: an agent's part holds each quantity of its buses, then what is shared.

    Attributes:
        groups: buses of each agent, ascending.
        per_bus: quantities that every bus has.
        shared: quantities that are the same everywhere.
    """

    groups: Groups
    per_bus: tuple[PerBus, ...]
    shared: tuple[Shared, ...] = ()

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Each agent's part of the joint array."""
        widths = [len(self.per_bus) * len(group) + len(self.shared) for group in self.groups]
        stops = np.cumsum(widths).tolist()
        return tuple(slice(stop - w, stop) for stop, w in zip(stops, widths, strict=True))

    @property
    def width(self) -> int:
        """Width of the joint array."""
        return int(self.slices[-1].stop)

    @cached_property
    def columns(self) -> dict[str, Columns]:
        """Per quantity its columns: (n,) in bus order, or (m,) in agent order if shared."""
        n = sum(len(group) for group in self.groups)
        found: dict[str, Columns] = {}
        for k, block in enumerate(self.per_bus):
            columns = np.empty(n, np.int64)
            for group, part in zip(self.groups, self.slices, strict=True):
                columns[np.array(group) - 1] = part.start + k * len(group) + np.arange(len(group))
            found[block.name] = columns
        for k, one in enumerate(self.shared):
            stops = [part.stop for part in self.slices]
            found[one.name] = np.array(stops) - len(self.shared) + k
        return found

    def join(self, values: Mapping[str, NDArray[Any]]) -> Float32:
        """Physical values as a joint array (B, width).

        Args:
            values: per quantity (B, n) in bus order, or (B,) if shared.
        """
        rows = len(next(iter(values.values())))
        joint = np.empty((rows, self.width), np.float32)
        for block in self.per_bus:
            joint[:, self.columns[block.name]] = (values[block.name] - block.offset) / block.scale
        for one in self.shared:
            scaled = (values[one.name] - one.offset) / one.scale
            joint[:, self.columns[one.name]] = scaled[:, None]
        return joint

    def split(self, joint: NDArray[Any]) -> dict[str, Array]:
        """The inverse of `join` for the quantities that every bus has: (B, n) each."""
        return {
            block.name: block.offset + block.scale * joint[:, self.columns[block.name]]
            for block in self.per_bus
        }

    def entries(self, agent: int) -> list[dict[str, Any]]:
        """One {"name", "offset", "scale"} for every number of an agent's part."""
        group = self.groups[agent]
        listed: list[dict[str, Any]] = [
            {
                "name": f"{block.name}[{bus}]",
                "offset": float(block.offset[bus - 1]),
                "scale": float(block.scale[bus - 1]),
            }
            for block in self.per_bus
            for bus in group
        ]
        listed += [{"name": s.name, "offset": s.offset, "scale": s.scale} for s in self.shared]
        return listed


class DayLayout:
    """The joint arrays of a day case.

    Args:
        groups: buses of each agent, ascending.
        state, action, observation: what every bus has in each array.
        shared: what every agent's state ends with.

    Attributes:
        agents: names, in joint order.
        state, action, observation: the joint arrays.
    """

    def __init__(
        self,
        groups: Groups,
        *,
        state: tuple[PerBus, ...],
        shared: tuple[Shared, ...],
        action: tuple[PerBus, ...],
        observation: tuple[PerBus, ...],
    ) -> None:
        self.groups = groups
        self.agents = agent_names(groups)
        self.state = Part(groups, state, shared)
        self.action = Part(groups, action)
        self.observation = Part(groups, observation)

    def slices(self, part: Part) -> dict[str, slice]:
        """Each agent's slice of a joint array, by name."""
        return dict(zip(self.agents, part.slices, strict=True))

    def signature(self, agent: str) -> dict[str, Any]:
        """What the numbers of one agent mean, JSON-able: physical = offset + scale * scaled.

        Args:
            agent: its name.

        Returns:
            {"buses": [...], "state": [...], "observation": [...], "action": [...]}; one
            {"name", "offset", "scale"} for every number, actions also "low" and "high".
        """
        known("agent", agent, self.agents)
        i = self.agents.index(agent)
        action = [
            {**e, "low": e["offset"] - e["scale"], "high": e["offset"] + e["scale"]}
            for e in self.action.entries(i)
        ]
        return {
            "buses": list(self.groups[i]),
            "state": self.state.entries(i),
            "observation": self.observation.entries(i),
            "action": action,
        }
