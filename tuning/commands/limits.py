"""What ``python -m tuning limits`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option, flag
from tuning.options.cases import check_case
from tuning.options.shared import MeterError, check_meter_error
from tuning.records.run_folder import check_fresh


@dataclass(frozen=True, kw_only=True)
class LimitsArgs(Arguments):
    """Options of ``limits``."""

    case: Annotated[str, Option("case whose limits are sought")] = "ieee13"
    meter_error: MeterError = 0.0
    stages: Annotated[int, Option("number of stages K; the full state is always added", "K")] = 3
    updates: Annotated[int, Option("gradient updates of each stage")] = 30_000
    seed: Annotated[int, Option("seed of networks and training states")] = 0
    out: Annotated[
        Path | None,
        Option("new or empty folder that also gets limits.json (default: none)", "DIR"),
    ] = None


def check(args: LimitsArgs) -> LimitsArgs:
    """Check the options of ``limits`` before anything is computed.

    Raises:
        CommandError: An unknown case, a value out of bounds, or an ``out`` that holds something.
    """
    check_case(
        args.case,
        days="is a case of days: limits are sought of what a team can do in a single state",
    )
    check_meter_error(args.meter_error)
    for name, bound in (("stages", 1), ("updates", 1), ("seed", 0)):
        value = getattr(args, name)
        if value < bound:
            raise CommandError(f"{flag(name)}: {value} is out of bounds, must be >= {bound}")
    if args.out is not None:
        check_fresh(args.out)
    return args
