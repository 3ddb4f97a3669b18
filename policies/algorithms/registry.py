"""The algorithms by name: what ``--algorithm``, comparisons, their colours and the docs go by.

A family is an algorithm's file; an algorithm is a family with some of its settings fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from policies.algorithms.settings import MA_RDPG, MADDPG, settings_of
from policies.staged.setting import Setting

if TYPE_CHECKING:
    from policies.staged.config import StagedConfig

ITERATED_ROUNDS = 3  # rounds that an iterated actor is trained for; it runs for any number


@dataclass(frozen=True)
class Family:
    """An algorithm's file.

    Attributes:
        title: Name in tables and errors.
        module: Where it is.
        config: Name of its configuration's class there.
        recurrent: Whether actors and critics recur over the rounds of a time step.
    """

    title: str
    module: str
    config: str
    recurrent: bool = False


FAMILIES: Mapping[str, Family] = {
    MADDPG: Family("MADDPG", "policies.algorithms.maddpg", "MADDPGConfig"),
    MA_RDPG: Family("MA-RDPG", "policies.algorithms.ma_rdpg", "MARDPGConfig", recurrent=True),
}


@dataclass(frozen=True)
class Algorithm:
    """What sets one algorithm apart from the others.

    Attributes:
        title: Name in tables.
        family: Name in `FAMILIES`.
        fixed: Settings that make it what it is, by name.
        colour: In pictures.
        paper_episodes: Episodes of the first stage in the paper.
    """

    title: str
    family: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    colour: str = "#7a5230"
    paper_episodes: int = 620_000

    @property
    def stages(self) -> int:
        """Number of stages K."""
        return int(self.fixed.get("num_stages", 1))

    @property
    def critic(self) -> str | None:
        """ "shared" or "separate"; None leaves it to others."""
        return self.fixed.get("critic")

    @property
    def rounds(self) -> int:
        """How often the last stage is applied in training, at most."""
        return int(self.fixed.get("rounds", 1))

    @property
    def recurrent(self) -> bool:
        """Whether actors and critics recur over the rounds of a time step."""
        return FAMILIES[self.family].recurrent

    @property
    def in_rounds(self) -> bool:
        """Whether agents act several times with the same networks in one time step."""
        return self.recurrent or self.rounds > 1

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings that it has."""
        return settings_of(self.family)


ALGORITHMS: Mapping[str, Algorithm] = {
    "maddpg-1": Algorithm("MADDPG-1", MADDPG, {"critic": "shared"}, "#8a8f98"),
    "maddpg-2": Algorithm("MADDPG-2", MADDPG, {"critic": "separate"}, "#3d4148", 750_000),
    "full-state": Algorithm("full state", MADDPG, {"full_state": True}, "#e69f00"),
    "ts-maddpg": Algorithm("TS-MADDPG", MADDPG, {"num_stages": 2}, "#0072b2"),
    "ms-maddpg-3": Algorithm("MS-MADDPG-3", MADDPG, {"num_stages": 3}, "#d55e00"),
    "ms-maddpg-4": Algorithm("MS-MADDPG-4", MADDPG, {"num_stages": 4}, "#009e73"),
    "iterated": Algorithm(
        "iterated", MADDPG, {"num_stages": 2, "rounds": ITERATED_ROUNDS}, "#cc79a7"
    ),
    "ma-rdpg": Algorithm("MA-RDPG", MA_RDPG, {}, "#56b4e9", 1_140_000),
}


def staged(stages: int, critic: str | None = None) -> Algorithm:
    """The algorithm of so many plain stages, for a training that names none."""
    if stages == 1:
        title = "MADDPG-2" if critic == "separate" else "MADDPG-1"
    else:
        title = "TS-MADDPG" if stages == 2 else f"MS-MADDPG-{stages}"
    fixed: dict[str, Any] = {"num_stages": stages}
    if critic is not None:
        fixed["critic"] = critic
    return Algorithm(title, MADDPG, fixed)


def new_config(family: str) -> StagedConfig:
    """A configuration of a family, with its defaults; imports torch and Ray."""
    home = FAMILIES[family]
    made: StagedConfig = getattr(import_module(home.module), home.config)()
    return made
