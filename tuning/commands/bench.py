"""What ``python -m tuning bench`` takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.options.cases import check_case
from tuning.records.run_folder import check_fresh


@dataclass(frozen=True, kw_only=True)
class BenchArgs(Arguments):
    """Options of ``bench``."""

    case: Annotated[str, Option("case to measure on")] = "ieee13"
    scaling: Annotated[
        bool,
        Option("measure how cost grows with processes, agents and buses; synthetic feeders"),
    ] = False
    seconds: Annotated[float, Option("time for each measurement, in seconds", metavar="S")] = 3.0
    seed: Annotated[int, Option("seed of states and networks")] = 0
    out: Annotated[
        Path | None,
        Option("folder of the results, new or empty (default: a fresh one under runs/)", "DIR"),
    ] = None


def check(args: BenchArgs) -> BenchArgs:
    """Check the options of ``bench`` before anything is measured.

    Raises:
        CommandError: An unknown case, a value out of bounds, or an ``out`` that holds something.
    """
    check_case(args.case, days="is a case of days, which this command does not take")
    if not (math.isfinite(args.seconds) and args.seconds > 0):
        raise CommandError(f"--seconds: {args.seconds} is out of bounds, must be > 0")
    if args.seed < 0:
        raise CommandError(f"--seed: {args.seed} is out of bounds, must be >= 0")
    if args.out is not None:
        check_fresh(args.out)
    return args
