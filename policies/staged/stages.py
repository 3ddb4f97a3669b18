"""Stages: what is collected and updated in each, and how one feeds the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StagePlan:
    """The work of one stage.

    Attributes:
        episodes: rewarded trajectories, warm-up included.
        updates: updates of critic and actors.
        warmup: episodes collected before the first update.
        collect_share: share of the updates over which the other episodes are collected;
            the rest of the updates works on what is there by then.
    """

    episodes: int
    updates: int
    warmup: int
    collect_share: float

    def episodes_due(self, updates_done: int) -> int:
        """Episodes to have been collected before the update after `updates_done`."""
        if self.updates == 0:
            return self.episodes
        share = updates_done / (self.collect_share * self.updates)
        rest = self.episodes - self.warmup
        return self.warmup + min(rest, math.floor(rest * share + 1e-9))

    def progress(self, updates_done: int) -> float:
        """Share of the stage's updates that are done."""
        return updates_done / max(1, self.updates)


def cosine_decay(progress: float) -> float:
    """A factor that falls from 1 to 0 along half a cosine as progress runs from 0 to 1."""
    return 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def of_stage(values: list[float], stage: int) -> float:
    """The value of a stage, counted from 1; the last one serves all later stages."""
    return values[min(stage, len(values)) - 1]


def fresh_progress(stage: int) -> dict[str, Any]:
    """Where a stage stands before it has done anything."""
    return {
        "stage": stage,
        "episodes": 0,
        "updates": 0,
        "probes": 0,
        "validation_probes": 0,
        "requests": 0,
        "env_steps": 0,
        "replay_rows": 0,
        "wall_s": 0.0,
        "sample_s": 0.0,
        "update_s": 0.0,
        "validation_return": float("nan"),
        "best_return": -float("inf"),
        "best": None,
    }
