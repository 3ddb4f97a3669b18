"""What ``python -m tuning robustness`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.options.shared import MeterError, check_meter_error
from tuning.records.run_folder import check_fresh, finished_run

STATES_ALONE = "robustness is about meters and probes that fail in a single state"


@dataclass(frozen=True, kw_only=True)
class RobustnessArgs(Arguments):
    """Options of ``robustness``."""

    runs: Annotated[
        tuple[Path, ...],
        Option("folders of finished runs, all of one case", metavar="RUN", positional=True),
    ]
    agent: Annotated[str, Option("agent whose meters are stuck, and who drops out")] = "agent_0"
    meter_error: MeterError = 0.0
    states: Annotated[int, Option("number of test states")] = 10_000
    out: Annotated[
        Path | None, Option("new or empty folder (default: a fresh one under runs/)", "DIR")
    ] = None


def check(args: RobustnessArgs) -> RobustnessArgs:
    """Check the options of ``robustness`` before anything is computed.

    Raises:
        CommandError: A folder that is no run with controllers, a value out of bounds, or an
            ``out`` that holds something.
    """
    for path in args.runs:
        finished_run(path).state_case(STATES_ALONE)
    check_meter_error(args.meter_error)
    if args.states < 1:
        raise CommandError(f"--states: {args.states} is out of bounds, must be >= 1")
    if args.out is not None:
        check_fresh(args.out)
    return args
