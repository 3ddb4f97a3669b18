"""Where a training stands: a row of ``progress.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProgressRow:
    """Where a training stands after an iteration: a row of ``progress.csv``.

    Attributes:
        iteration: Counted from 1.
        stage: Active in this iteration, counted from 1.
        episodes: Of the stage so far.
        episodes_total: Of all stages so far.
        updates: Of the stage so far.
        figures: What the subject finds on the validation set, by column.
        validation_return: Mean return there.
        env_steps_per_s: Over the stage so far.
        updates_per_s: Over the stage so far.
        replay_fill: Rows in the replay over its capacity.
        critic_loss: Mean of the last updates; NaN before the first.
        actor_loss: Likewise.
        wall_s: Seconds of all stages so far.
    """

    iteration: int
    stage: int
    episodes: int
    episodes_total: int
    updates: int
    figures: Mapping[str, float]
    validation_return: float
    env_steps_per_s: float
    updates_per_s: float
    replay_fill: float
    critic_loss: float
    actor_loss: float
    wall_s: float

    def columns(self) -> dict[str, Any]:
        """Return the row by the names of the columns; the subject's figures are some of them."""
        row = dict(vars(self))
        return row | dict(row.pop("figures"))
