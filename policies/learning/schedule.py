"""Stages: what is collected and updated in each, and how one feeds the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


def of_stage(values: Sequence[float], stage: int) -> float:
    """The value of a stage, counted from 1; the last one serves all later stages."""
    return values[min(stage, len(values)) - 1]


@dataclass
class StageCounts:
    """Where a stage stands.

    Attributes:
        stage: Its number, counted from 1.
        episodes: Rewarded trajectories collected, warm-up included.
        updates: Updates of its networks.
        probes: Probes while collecting.
        validation_probes: Probes while validating.
        requests: Requests sent to runners; they number the seeds.
        env_steps: Rewarded time steps collected.
        replay_rows: Rows in the memory.
        wall_s: Seconds in all.
        sample_s: Seconds of collecting.
        update_s: Seconds of updating.
        validation_return: The better candidate's score in the last validation.
        best_return: The best score so far.
    """

    stage: int
    episodes: int = 0
    updates: int = 0
    probes: int = 0
    validation_probes: int = 0
    requests: int = 0
    env_steps: int = 0
    replay_rows: int = 0
    wall_s: float = 0.0
    sample_s: float = 0.0
    update_s: float = 0.0
    validation_return: float = float("nan")
    best_return: float = -float("inf")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return asdict(self)
