"""What ``python -m tuning show`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tuning.commands.baselines import OutFolder, RunFolderOption, check_case_and_folders
from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.options.cases import is_day_case
from tuning.options.shared import CaseSettings
from tuning.records.run_folder import load_run


@dataclass(frozen=True, kw_only=True)
class ShowArgs(Arguments):
    """Options of ``show``."""

    case: Annotated[str, Option("case to draw")] = "ieee13"
    case_settings: CaseSettings = None
    run: RunFolderOption = None
    states: Annotated[int, Option("number of test states that the pictures show")] = 2_000
    out: OutFolder = None


def check(args: ShowArgs) -> ShowArgs:
    """Check the options of ``show`` before anything is computed.

    Raises:
        CommandError: See `check_case_and_folders`; or states of a case of days.
    """
    check_case_and_folders(args)
    days = is_day_case(args.case) if args.run is None else load_run(args.run).on_days
    if days and "states" in args.explicit():
        raise CommandError(
            "--states: a case of days is shown on one of its test days; leave it out"
        )
    return args
