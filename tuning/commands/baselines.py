"""What ``python -m tuning baselines`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.options.case_settings import case_setting_names, read_case_settings
from tuning.options.cases import check_case, first_difference, is_day_case
from tuning.options.recipe import Recipe
from tuning.options.shared import CaseSettings
from tuning.records.run_folder import RunFolder, check_fresh, load_run

IN_ITS_REPORT = "no control, a price rule and a receding horizon stand in"

RunFolderOption = Annotated[
    Path | None,
    Option("run whose controllers and case are taken, not those of --case", metavar="RUN"),
]
OutFolder = Annotated[
    Path | None,
    Option("new or empty folder to write to (default: a fresh one in runs/)", metavar="DIR"),
]


@dataclass(frozen=True, kw_only=True)
class BaselinesArgs(Arguments):
    """Options of ``baselines``."""

    case: Annotated[str, Option("case that the rules act on")] = "ieee13"
    case_settings: CaseSettings = None
    run: RunFolderOption = None
    states: Annotated[int, Option("number of test states")] = 10_000
    out: OutFolder = None


def check(args: BaselinesArgs) -> BaselinesArgs:
    """Check the options of ``baselines`` before anything is computed.

    Raises:
        CommandError: See `check_case_and_folders`.
    """
    check_case_and_folders(args)
    if args.run is not None:
        load_run(args.run).state_case(f"{IN_ITS_REPORT} its report")
    elif is_day_case(args.case):
        raise CommandError(
            f"--case: {args.case} is a case of days: {IN_ITS_REPORT} the report of each training"
        )
    return args


class _CaseAndFolders(Protocol):
    """What `check_case_and_folders` asks of options."""

    @property
    def case(self) -> str: ...
    @property
    def case_settings(self) -> tuple[str, ...] | None: ...
    @property
    def run(self) -> Path | None: ...
    @property
    def states(self) -> int: ...
    @property
    def out(self) -> Path | None: ...

    def explicit(self) -> frozenset[str]:
        """Return the names of the options set by the caller."""


def check_case_and_folders(args: _CaseAndFolders) -> None:
    """Refuse an unknown case, too few states, a folder that is no run or holds something.

    Raises:
        CommandError: With one of these, or a run beside another case.
    """
    if args.run is None:
        check_case(args.case)
        read_case_settings(args.case, args.case_settings or ())
    else:
        run = load_run(args.run)
        if "case" in args.explicit():
            _check_case_of(run, args.case)
        if args.case_settings:
            raise CommandError(f"--case-settings: the case is that of {args.run}; leave them out")
    if args.states < 2:
        raise CommandError(f"--states: {args.states} is out of bounds, must be >= 2")
    if args.out is not None:
        check_fresh(args.out)


def _check_case_of(run: RunFolder, case: str) -> None:
    """Refuse a case that a run was not trained on; what its case settings change is its own."""
    check_case(case)
    own = run.case()
    aside = ("profiles", *case_setting_names(case))
    name = first_difference(own, Recipe(case=case).make_case(), aside)
    if name is not None:
        which = own.name if name == "name" else f"{own.name} with other {name}"
        raise CommandError(f"--case: {case} is not the case of {run.path}, which is {which}")
