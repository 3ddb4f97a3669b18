"""The one door: reads the command line, calls the command, turns our errors into one line.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tuning.cluster.local_ray import prepare_environment
from tuning.commands import (
    ablate,
    answers,
    baselines,
    bench,
    case,
    compare,
    limits,
    report,
    robustness,
    show,
    sweep,
    train,
)
from tuning.errors import CommandError, did_you_mean
from tuning.options.arguments import Arguments, Parser, add_options, from_namespace

BAD_INPUT = 2
INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        summary: One line for the list of commands.
        arguments: Dataclass of its options.
        check: Refuses bad ones before any long work, and returns what is to be done.
        home: ``module:function`` of the work; imported on call. The function returns the exit
            code, or None for 0.
        starts_ray: Whether it may start Ray.
    """

    summary: str
    arguments: type[Arguments]
    check: Callable[[Any], Any]
    home: str
    starts_ray: bool = False

    def run(self, args: Any) -> int | None:
        """Check the arguments and do the work."""
        wanted = self.check(args)
        if self.starts_ray:  # which reads some of it when it is imported
            prepare_environment(
                dashboard=getattr(wanted, "dashboard", False),
                address=getattr(wanted, "address", None),
            )
        module, function = self.home.split(":")
        code: int | None = getattr(import_module(module), function)(wanted)
        return code


COMMANDS = {
    "train": Command(
        "train controllers and judge them against the optimum",
        train.TrainArgs,
        train.check,
        "tuning.training.train:run_training",
        starts_ray=True,
    ),
    "compare": Command(
        "train algorithms over seeds, beside the paper",
        compare.CompareArgs,
        compare.check,
        "tuning.campaigns.compare:run_compare",
        starts_ray=True,
    ),
    "ablate": Command(
        "train a preset with one thing changed at a time",
        ablate.AblateArgs,
        ablate.check,
        "tuning.campaigns.ablate:run_ablate",
        starts_ray=True,
    ),
    "sweep": Command(
        "search for better settings with Ray Tune",
        sweep.SweepArgs,
        sweep.check,
        "tuning.sweep.search:run_sweep",
        starts_ray=True,
    ),
    "report": Command(
        "remake tables and pictures from the files of a folder",
        report.ReportArgs,
        report.check,
        "tuning.commands.report:report",
    ),
    "evaluate": Command(
        "run trained controllers over a file of states, or over days",
        answers.EvaluateArgs,
        answers.check_evaluate,
        "tuning.subjects.commands:run_evaluate",
    ),
    "optimum": Command(
        "solve the optimal dispatch of a file of states",
        answers.OptimumArgs,
        answers.check_optimum,
        "tuning.judging.answers:run_optimum",
    ),
    "limits": Command(
        "find what a team can reach with what it knows",
        limits.LimitsArgs,
        limits.check,
        "tuning.judging.information_limits.table:run_limits",
    ),
    "baselines": Command(
        "judge what buildings do today",
        baselines.BaselinesArgs,
        baselines.check,
        "tuning.judging.baselines:run_baselines",
    ),
    "show": Command(
        "draw a case, and what rules do on it",
        show.ShowArgs,
        show.check,
        "tuning.subjects.commands:run_show",
    ),
    "robustness": Command(
        "judge runs with meters, probes and agents that fail",
        robustness.RobustnessArgs,
        robustness.check,
        "tuning.judging.robustness:run_robustness",
    ),
    "case": Command(
        "make a case of your own from a feeder file",
        case.CaseArgs,
        case.check,
        "tuning.casework.own_case:run_case",
    ),
    "bench": Command(
        "measure speeds, as ratios within one run",
        bench.BenchArgs,
        bench.check,
        "tuning.bench.speeds:run_bench",
        starts_ray=True,
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after ``python -m tuning``; those of this process if None.

    Returns:
        Exit code: 0, 1 if part of the work failed, 2 after bad input (one line on stderr), 130
        after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    if not words:
        parser.print_help()
        return 0
    try:
        if not words[0].startswith("-") and words[0] not in COMMANDS:
            hint = did_you_mean(words[0], COMMANDS)
            known = ", ".join(COMMANDS)
            raise CommandError(f"unknown command {words[0]}{hint} (commands: {known})")
        namespace = parser.parse_exactly(words)
        command = COMMANDS[namespace.command]
        code = command.run(from_namespace(command.arguments, namespace))
    except KeyboardInterrupt as interrupt:
        remedy = f"; {interrupt}" if str(interrupt) else ""
        print(f"interrupted{remedy}", file=sys.stderr)
        return INTERRUPTED
    except ValueError as error:
        if not isinstance(error, _our_errors()):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return code or 0


def build_parser() -> Parser:
    """Return the parser of all commands."""
    description = "Train, tune and judge communication-free controllers of a distribution feeder."
    epilog = "python -m tuning COMMAND --help shows a command's options, units and defaults."
    parser = Parser(prog="python -m tuning", description=description, epilog=epilog)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    subparsers.required = True
    for name, command in COMMANDS.items():
        summary = command.summary[0].upper() + command.summary[1:] + "."
        subparser = subparsers.add_parser(
            name, help=command.summary, description=summary, allow_abbrev=False
        )
        add_options(subparser, command.arguments)
    return parser


def _our_errors() -> tuple[type[ValueError], ...]:
    """Return the error classes that a user can mend; imported only once one is raised."""
    from policies.controllers.agent import ControllerError
    from rllib_grid.errors import GridError

    return CommandError, ControllerError, GridError
