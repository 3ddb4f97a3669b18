"""The algorithms by name: what `train --algorithm` and `compare --algorithms` take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AlgorithmName = Literal[
    "maddpg-1",
    "maddpg-2",
    "full-state",
    "ts-maddpg",
    "ms-maddpg-3",
    "ms-maddpg-4",
    "iterated",
    "ma-rdpg",
]

ITERATED_ROUNDS = 3  # rounds that an iterated actor is trained for; it runs for any number


@dataclass(frozen=True)
class Algorithm:
    """What sets one algorithm apart from the others.

    Attributes:
        title: Name in tables.
        stages: Number of stages K.
        critic: "shared" or "separate"; None leaves the preset's.
        full_state: Whether every actor sees the whole state.
        rounds: How often the last stage is applied in training, at most.
        recurrent: Whether actors and critics recur over the rounds of a time step.
        paper_episodes: Episodes of the first stage in the paper.
    """

    title: str
    stages: int
    critic: Literal["shared", "separate"] | None = None
    full_state: bool = False
    rounds: int = 1
    recurrent: bool = False
    paper_episodes: int = 620_000

    @property
    def in_rounds(self) -> bool:
        """Whether agents act several times with the same networks in one time step."""
        return self.recurrent or self.rounds > 1


ALGORITHMS: dict[str, Algorithm] = {
    "maddpg-1": Algorithm("MADDPG-1", 1, "shared"),
    "maddpg-2": Algorithm("MADDPG-2", 1, "separate", paper_episodes=750_000),
    "full-state": Algorithm("full state", 1, full_state=True),
    "ts-maddpg": Algorithm("TS-MADDPG", 2),
    "ms-maddpg-3": Algorithm("MS-MADDPG-3", 3),
    "ms-maddpg-4": Algorithm("MS-MADDPG-4", 4),
    "iterated": Algorithm("iterated", 2, rounds=ITERATED_ROUNDS),
    "ma-rdpg": Algorithm("MA-RDPG", 1, recurrent=True, paper_episodes=1_140_000),
}


def staged(stages: int, critic: Literal["shared", "separate"] | None) -> Algorithm:
    """The algorithm of so many plain stages, for a training that names none."""
    if stages == 1:
        title = "MADDPG-2" if critic == "separate" else "MADDPG-1"
    else:
        title = "TS-MADDPG" if stages == 2 else f"MS-MADDPG-{stages}"
    return Algorithm(title, stages, critic)
