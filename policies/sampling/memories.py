"""What updates are made from: a replay of joint rows, or the trajectories since the last update.

One row is one time step of all agents together, or a whole trajectory of them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from policies.sampling.rollout import Columns, Rollout


class Memory(Protocol):
    """Where rollouts go, and minibatches come from.

    Attributes:
        whole: Whether an update takes all rows that there are, and the next one needs new ones.
    """

    whole: ClassVar[bool]

    def __len__(self) -> int:
        """Rows held."""

    def add(self, rollout: Rollout) -> None:
        """Take in what a runner has collected."""

    def batches(self, rng: np.random.Generator, count: int, size: int) -> Columns:
        """Rows of `count` minibatches of `size` rows each, one after another."""

    def column(self, name: str) -> NDArray[np.float32]:
        """All rows held in a column, (rows, width)."""

    def get_state(self) -> dict[str, Any]:
        """Everything that it holds; a copy."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` returned."""


class JointReplay:
    """A ring of joint transitions, held in columns.

    A row's columns stay together, so a sampled row shows every agent at the same time step.

    Args:
        capacity: rows kept; the oldest are overwritten.
        widths: width of each column; the columns are float32 of shape (capacity, width).
    """

    whole: ClassVar[bool] = False

    def __init__(self, capacity: int, widths: dict[str, int]) -> None:
        if capacity <= 0:
            raise ValueError(f"replay capacity is {capacity}, must be > 0")
        self.capacity = capacity
        self.widths = dict(widths)
        self._columns: Columns = {
            name: np.zeros((capacity, width), np.float32) for name, width in widths.items()
        }
        self._next = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, rollout: Rollout) -> None:
        """Append the rows of a rollout, oldest first."""
        self.append(rollout.rows())

    def append(self, rows: Columns) -> None:
        """Append rows, oldest first; each column of shape (rows, width)."""
        count = len(next(iter(rows.values())))
        keep = min(count, self.capacity)
        slots = (self._next + np.arange(count - keep, count)) % self.capacity
        for name, column in self._columns.items():
            column[slots] = rows[name][count - keep :]
        self._next = (self._next + count) % self.capacity
        self._size = min(self._size + count, self.capacity)

    def batches(self, rng: np.random.Generator, count: int, size: int) -> Columns:
        """Rows of `count` minibatches of `size` rows each, one after another."""
        return self.sample(rng, count * size)

    def sample(self, rng: np.random.Generator, size: int) -> Columns:
        """Draw `size` rows uniformly with replacement."""
        index = rng.integers(self._size, size=size)
        return {name: column.take(index, axis=0) for name, column in self._columns.items()}

    def column(self, name: str) -> NDArray[np.float32]:
        """All rows held in a column, in no particular order (a view)."""
        return self._columns[name][: self._size]

    def get_state(self) -> dict[str, Any]:
        """The rows held and the place of the next one."""
        return {
            "columns": {name: self.column(name).copy() for name in self._columns},
            "next": self._next,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` returned from a replay of the same capacity and widths."""
        columns: Columns = state["columns"]
        for name, column in self._columns.items():
            column[: len(columns[name])] = columns[name]
        self._size = len(next(iter(columns.values())))
        self._next = int(state["next"])


class TrajectoryMemory:
    """The trajectories that were collected since the last update, for on-policy algorithms.

    Rows get a column `to_go`: the discounted sum of the rewards from the row's step to the end of
    its trajectory, (rows, n) for n reward columns.

    Args:
        gamma: discount factor per time step.
    """

    whole: ClassVar[bool] = True

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self._parts: list[Columns] = []

    def __len__(self) -> int:
        return sum(len(part["action"]) for part in self._parts)

    def add(self, rollout: Rollout) -> None:
        """Take in whole trajectories."""
        to_go = returns_to_go(rollout.steps["reward"], rollout.over, self.gamma)
        seen = Rollout({**rollout.steps, "to_go": to_go}, rollout.live, rollout.over)
        self._parts.append(seen.rows())

    def batches(self, rng: np.random.Generator, count: int, size: int) -> Columns:
        """All rows, once: they are forgotten.

        Raises:
            ValueError: there are none, or more than one minibatch is asked for.
        """
        if count != 1 or not self._parts:
            raise ValueError(
                f"{count} updates from {len(self)} rows: trajectories serve one update, and the "
                "next one needs new ones"
            )
        rows = {name: self.column(name) for name in self._parts[0]}
        self._parts = []
        return rows

    def column(self, name: str) -> NDArray[np.float32]:
        """All rows held in a column, in the order of collection."""
        return np.concatenate([part[name] for part in self._parts])

    def get_state(self) -> dict[str, Any]:
        """The rows held."""
        return {"parts": [{k: v.copy() for k, v in part.items()} for part in self._parts]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` returned."""
        self._parts = list(state["parts"])


def returns_to_go(
    reward: NDArray[np.float32], over: NDArray[np.bool_], gamma: float
) -> NDArray[np.float32]:
    """G_t = r_t + gamma G_{t+1}, which starts anew where a trajectory is over.

    Args:
        reward: (T, B, n).
        over: (T, B).
        gamma: discount factor.

    Returns:
        (T, B, n).
    """
    found = np.zeros_like(reward)
    later = np.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        later = reward[t] + np.float32(gamma) * np.where(over[t][:, None], np.float32(0), later)
        found[t] = later
    return found
