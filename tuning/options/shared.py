"""Options that several commands have, with the same words and defaults in each."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

from policies.algorithms.registry import ALGORITHMS
from tuning.errors import CommandError
from tuning.options.arguments import Option

PRESETS = ("fast", "paper")
STAGES = 2  # where neither a number nor an algorithm is named
DAY_STEPS = (24, 96)
TEST_DAYS = 60

Address = Annotated[
    str | None,
    Option(
        "join this Ray cluster, HOST:PORT or auto, and bring this code along "
        "(default: a Ray of its own on this machine)",
        metavar="ADDRESS",
    ),
]

Dashboard = Annotated[bool, Option("start Ray's dashboard and say where it is; takes some seconds")]

MeterError = Annotated[
    float,
    Option("standard deviation of the error of each voltage reading, in p.u.", metavar="PU"),
]

CaseSettings = Annotated[
    tuple[str, ...] | None,
    Option(
        "fields of the case to change, one number or word each, e.g. drift_kw=3 probe_share=0.1 "
        "(default: none)",
        metavar="NAME=VALUE",
    ),
]

Profiles = Annotated[
    Path | None,
    Option(
        "of days: CSV file of days in place of the case's own: time, p_base_kw_1..n, "
        "q_base_kvar_1..n, price_eur_per_kwh, outdoor_c; a row per 15 minutes or hour",
        metavar="FILE",
    ),
]

Steps = Annotated[
    int | None,
    Option(f"of days: steps per day, {' or '.join(map(str, DAY_STEPS))} (default: {DAY_STEPS[0]})"),
]

TestDays = Annotated[
    int | None, Option(f"of days: test days to judge on, at most (default: {TEST_DAYS})")
]

Preset = Annotated[
    str, Option("networks, learning rates and schedules; paper: of states", choices=PRESETS)
]

NamedAlgorithm = Annotated[
    str | None,
    Option(
        "named algorithm, in place of --stages (default: plain stages)",
        choices=tuple(ALGORITHMS),
    ),
]

Episodes = Annotated[
    tuple[int, ...] | None,
    Option(
        "episodes of each stage, of days a day each: one number for all, or K numbers "
        "(default: the preset's)"
    ),
]

Jobs = Annotated[
    int | None, Option("trainings at a time, one core each (default: this machine's cores)")
]


class AtATime:
    """What a command with `Jobs` makes of them."""

    jobs: int | None

    @property
    def workers(self) -> int:
        """Trainings at a time."""
        return self.jobs if self.jobs is not None else os.cpu_count() or 1


def check_meter_error(meter_error_pu: float) -> None:
    """Refuse a ``--meter-error`` that is no standard deviation.

    Raises:
        CommandError: It is negative or not finite.
    """
    if not (math.isfinite(meter_error_pu) and meter_error_pu >= 0):
        raise CommandError(f"--meter-error: {meter_error_pu} is out of bounds, must be >= 0")
