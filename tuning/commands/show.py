"""What ``python -m tuning show`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tuning.commands.baselines import OutFolder, RunFolderOption, check_case_and_folders
from tuning.options.arguments import Arguments, CaseSettings, Option


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
        CommandError: See `check_case_and_folders`.
    """
    check_case_and_folders(args)
    return args
