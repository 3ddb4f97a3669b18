"""What a runner has collected: steps of many lanes side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.float32]]


@dataclass
class Rollout:
    """Whole trajectories, T steps of B lanes; a lane that has ended begins the next one.

    Attributes:
        steps: By column, (T, B, width).
        live: (T, B), whether a step belongs to a trajectory that was asked for.
        over: (T, B), whether a trajectory ends with the step.
        returns: Of each trajectory, the sum of its shared rewards.
        agent_returns: (N, m) of each trajectory, sums of the agents' rewards.
        lengths: (N,) time steps of each trajectory.
        probes: Probes of the trajectories that were asked for.
        time_steps: Time steps in a row: 1, or those of a whole trajectory.
    """

    steps: Columns
    live: NDArray[np.bool_]
    over: NDArray[np.bool_]
    returns: list[float] = field(default_factory=list)
    agent_returns: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    probes: int = 0
    time_steps: int = 1

    @property
    def env_steps(self) -> int:
        """Time steps in the rows."""
        return self.time_steps * int(self.live.sum())

    def rows(self) -> Columns:
        """The live steps, (rows, width) by column, in the order of time."""
        if self.live.all():
            return {
                name: column.reshape(-1, column.shape[-1]) for name, column in self.steps.items()
            }
        return {name: column[self.live] for name, column in self.steps.items()}


def stacked(steps: list[Columns]) -> Columns:
    """Steps of all lanes, (B, width) by column each, as (T, B, width)."""
    if len(steps) == 1:
        return {name: column[None] for name, column in steps[0].items()}
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}
