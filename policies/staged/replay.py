"""Replay of joint rows: one row is one time step of all agents together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.float32]]


class JointReplay:
    """A ring of joint transitions, held in columns.

    A row's columns stay together, so a sampled row shows every agent at the same time step.

    Args:
        capacity: rows kept; the oldest are overwritten.
        widths: width of each column; the columns are float32 of shape (capacity, width).
    """

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

    def add(self, rows: Columns) -> None:
        """Append rows, oldest first; each column of shape (rows, width)."""
        count = len(next(iter(rows.values())))
        keep = min(count, self.capacity)
        slots = (self._next + np.arange(count - keep, count)) % self.capacity
        for name, column in self._columns.items():
            column[slots] = rows[name][count - keep :]
        self._next = (self._next + count) % self.capacity
        self._size = min(self._size + count, self.capacity)

    def sample(self, rng: np.random.Generator, size: int) -> Columns:
        """Draw `size` rows uniformly with replacement."""
        index = rng.integers(self._size, size=size)
        return {name: column.take(index, axis=0) for name, column in self._columns.items()}

    def column(self, name: str) -> NDArray[np.float32]:
        """All rows held in a column, in no particular order (a view)."""
        return self._columns[name][: self._size]

    def clear(self) -> None:
        """Forget all rows."""
        self._next = self._size = 0

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
