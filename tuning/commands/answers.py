"""What ``evaluate`` and ``optimum`` take: from a file of states, or days, to a file of answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tuning.errors import CommandError, did_you_mean
from tuning.options.arguments import Arguments, Option, check_at_least
from tuning.options.cases import check_case
from tuning.options.shared import TEST_DAYS, check_meter_error
from tuning.records.run_folder import finished_run

STATES_FILE = (
    "file of N states: .npz with p_base_kw and q_base_kvar of shape (N, buses), or .csv with "
    "columns p_base_kw_1..n and q_base_kvar_1..n; consumption positive"
)
StatesFile = Annotated[Path, Option(STATES_FILE, metavar="FILE")]
AnswersFile = Annotated[
    Path, Option("file to write, .npz or .csv; it must not exist yet", metavar="FILE")
]


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs(Arguments):
    """Options of ``evaluate``."""

    run: Annotated[
        Path, Option("run folder with exported controllers", metavar="RUN", positional=True)
    ]
    states: Annotated[
        Path | None,
        Option(f"of a run on states, and needed there: {STATES_FILE}", metavar="FILE"),
    ] = None
    profiles: Annotated[
        Path | None,
        Option(
            "of a run on days: CSV file of days, all of which are judged, as train --profiles "
            "takes it (default: the test days of the run's case)",
            metavar="FILE",
        ),
    ] = None
    test_days: Annotated[
        int | None,
        Option(f"of a run on days: days to judge on, at most (default: {TEST_DAYS}, or all)"),
    ] = None
    out: AnswersFile
    optimum: Annotated[
        bool,
        Option(
            "also write optimal_cost_kw and per (a fraction); on days optimal_cost_eur, of perfect "
            "foresight"
        ),
    ] = False
    meter_error: Annotated[
        float | None,
        Option(
            "standard deviation of the error of each voltage reading, in p.u. (default: the run's)",
            metavar="PU",
        ),
    ] = None
    stage: Annotated[
        int | None, Option("stage to evaluate, from 1 (default: the last)", metavar="K")
    ] = None


@dataclass(frozen=True, kw_only=True)
class OptimumArgs(Arguments):
    """Options of ``optimum``."""

    case: Annotated[str, Option("case whose dispatch is optimised")] = "ieee13"
    states: StatesFile
    out: AnswersFile


def check_evaluate(args: EvaluateArgs) -> EvaluateArgs:
    """Check the options of ``evaluate`` before anything is computed.

    Raises:
        CommandError: A value out of bounds, a file that is missing or exists, a folder that is no
            finished run, or options that do not go with its case.
    """
    _check_out(args.out)
    if args.states is not None:
        _check_states(args.states)
    if args.stage is not None:
        check_at_least("stage", args.stage, 1)
    if args.test_days is not None:
        check_at_least("test_days", args.test_days, 1)
    if args.meter_error is not None:
        check_meter_error(args.meter_error)
    run = finished_run(args.run)
    on_days = run.on_days
    for name in ("states", "meter_error") if on_days else ("profiles", "test_days"):
        if getattr(args, name) is not None:
            kind, other = ("days", "states") if on_days else ("states", "days")
            raise CommandError(
                f"--{name.replace('_', '-')}: {args.run} is a run on {kind}; this goes with runs "
                f"on {other}"
            )
    if args.states is None and not on_days:
        raise CommandError(f"--states: a run on states, such as {args.run}, needs a file of them")
    return args


def check_optimum(args: OptimumArgs) -> OptimumArgs:
    """Check the options of ``optimum`` before anything is computed.

    Raises:
        CommandError: An unknown case, or a file that is missing or exists.
    """
    check_case(
        args.case,
        days="is a case of days: evaluate --optimum on one of its runs finds their optimum, of "
        "perfect foresight",
    )
    _check_states(args.states)
    _check_out(args.out)
    return args


def _check_suffix(option: str, path: Path) -> None:
    if path.suffix.lower() not in (".npz", ".csv"):
        raise CommandError(f"{option}: {path} must end in .npz or .csv")


def _check_states(states: Path) -> None:
    _check_suffix("--states", states)
    if not states.is_file():
        near = [p.name for p in states.parent.glob("*")] if states.parent.is_dir() else []
        raise CommandError(f"--states: there is no file {states}{did_you_mean(states.name, near)}")


def _check_out(out: Path) -> None:
    _check_suffix("--out", out)
    if out.exists():
        raise CommandError(f"--out: {out} exists already, nothing is overwritten; name a new one")
