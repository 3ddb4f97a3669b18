"""How stages, rounds and probes follow one another in a time step.

The one place that says it: the runner, validation, judging, days and the information limits all
walk through here, whatever they act with and whatever arrays they keep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Seen = TypeVar("Seen")
Action = TypeVar("Action")
Observation = TypeVar("Observation")


@dataclass(frozen=True)
class Turns:
    """The turns that all agents take in one time step.

    Stage 1 acts first, then stage 2, and so on to the last one, K; in further rounds the last one
    acts again. A recurrent team has one stage, whose network acts in every round.

    Attributes:
        stages: K.
        rounds: how often the last stage acts.

    Raises:
        ValueError: if one of them is below 1.
    """

    stages: int = 1
    rounds: int = 1

    def __post_init__(self) -> None:
        for name in ("stages", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be >= 1")

    @property
    def last(self) -> int:
        """The number of the last turn, whose action stays; turns are counted from 1."""
        return self.stages + self.rounds - 1

    @property
    def probes(self) -> int:
        """How often all agents measure before the last turn."""
        return self.last - 1

    def stage(self, turn: int) -> int:
        """The stage that acts at a turn, both counted from 1."""
        return min(turn, self.stages)


def walk(
    turns: Turns,
    seen: Seen,
    act: Callable[[int, Seen], Action],
    measure: Callable[[Action], Observation],
    see: Callable[[int, Seen, Action, Observation], Seen],
) -> Seen:
    """Take every turn but the last: act, and measure while the state is held.

    The last turn is the caller's, who may act with noise, or want no more than to know what there
    is to see.

    Args:
        turns: the turns of the time step.
        seen: what the first turn sees: the state, and what a time step before has left behind.
        act: the joint action of a turn (counted from 1) from what it sees.
        measure: a probe: what all agents measure under a joint action, the state being held.
        see: what a turn sees: given its number, what the turn before it saw, that one's action
            and what was measured under it. Lanes that take fewer turns than others keep what
            they saw before; whoever wants all earlier pairs finds them there too.

    Returns:
        What the last turn sees.

    Example:
        >>> inputs = walk(
        ...     Turns(stages=3),
        ...     state,
        ...     lambda turn, inputs: actors[turn](inputs),
        ...     env.probe,
        ...     lambda turn, before, action, obs: np.concatenate([state, action, obs], axis=1),
        ... )
        >>> env.step(actors[3](inputs))
    """
    for turn in range(1, turns.last):
        action = act(turn, seen)
        seen = see(turn + 1, seen, action, measure(action))
    return seen
