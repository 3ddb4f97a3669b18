"""How much work is put into the information limits."""

from __future__ import annotations

from dataclasses import dataclass

FULL_STATE = 0  # stands for the full state where limits are listed by their number of stages


@dataclass(frozen=True)
class Budget:
    """The work on each stage.

    Attributes:
        updates: steps of Adam.
        batch: fresh states of each step.
        width: units of each hidden layer, for every agent.
        rate: learning rate at stage 1, falling to zero along a cosine; stage k starts from a
            k-th of it, the full state from half.
        whiten_floor: see `TeamActor.fit_inputs`.
        fresh_states: number of states that the whitening is taken from, and that tell whether a
            stage is better than holding the action of the one before.
    """

    updates: int
    batch: int = 256
    width: int = 128
    rate: float = 2e-2
    whiten_floor: float = 1e-3
    fresh_states: int = 65_536

    @property
    def averaging(self) -> float:
        """Step of the Polyak average towards the current weights: a 100th of the updates long."""
        return min(1.0, 100 / self.updates)

    @property
    def warmup(self) -> int:
        """Updates over which the learning rate rises."""
        return max(1, self.updates // 100)
