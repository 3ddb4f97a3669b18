"""The one door: reads the command line, calls the command, turns our errors into one line.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tuning.cluster.local_ray import prepare_environment
from tuning.commands.ablate import AblateArgs
from tuning.commands.ablate import check as check_ablate
from tuning.commands.answers import EvaluateArgs, OptimumArgs, evaluate, optimum
from tuning.commands.baselines import BaselinesArgs
from tuning.commands.baselines import check as check_baselines
from tuning.commands.bench import BenchArgs
from tuning.commands.bench import check as check_bench
from tuning.commands.case import CaseArgs
from tuning.commands.case import check as check_own_case
from tuning.commands.compare import CompareArgs
from tuning.commands.compare import check as check_compare
from tuning.commands.limits import LimitsArgs
from tuning.commands.limits import check as check_limits
from tuning.commands.report import ReportArgs, report
from tuning.commands.robustness import RobustnessArgs
from tuning.commands.robustness import check as check_robustness
from tuning.commands.show import ShowArgs
from tuning.commands.show import check as check_show
from tuning.commands.sweep import SweepArgs
from tuning.commands.sweep import check as check_sweep
from tuning.commands.train import TrainArgs, check
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
        run: What it does with them; returns the exit code, or None for 0.
    """

    summary: str
    arguments: type[Arguments]
    run: Callable[[Any], int | None]


def _train(args: TrainArgs) -> None:
    checked = check(args)
    prepare_environment(dashboard=checked.dashboard, address=checked.address)
    from tuning.training.train import run_training

    run_training(checked)


def _compare(args: CompareArgs) -> int:
    checked = check_compare(args)
    prepare_environment(dashboard=checked.dashboard, address=checked.address)
    from tuning.campaigns.compare import run_compare

    return run_compare(checked)


def _ablate(args: AblateArgs) -> int:
    checked = check_ablate(args)
    prepare_environment(dashboard=checked.dashboard, address=checked.address)
    from tuning.campaigns.ablate import run_ablate

    return run_ablate(checked)


def _sweep(args: SweepArgs) -> int:
    checked = check_sweep(args)
    prepare_environment(dashboard=checked.dashboard, address=checked.address)
    from tuning.sweep.search import run_sweep

    return run_sweep(checked)


def _limits(args: LimitsArgs) -> None:
    checked = check_limits(args)
    from tuning.judging.limits_table import run_limits

    run_limits(checked)


def _baselines(args: BaselinesArgs) -> None:
    checked = check_baselines(args)
    from tuning.judging.baselines import run_baselines

    run_baselines(checked)


def _show(args: ShowArgs) -> None:
    checked = check_show(args)
    from tuning.casework.show import run_show

    run_show(checked)


def _robustness(args: RobustnessArgs) -> None:
    checked = check_robustness(args)
    from tuning.judging.robustness import run_robustness

    run_robustness(checked)


def _case(args: CaseArgs) -> None:
    checked = check_own_case(args)
    from tuning.casework.own_case import run_case

    run_case(checked)


def _bench(args: BenchArgs) -> None:
    checked = check_bench(args)
    prepare_environment()
    from tuning.bench.speeds import run_bench

    run_bench(checked)


COMMANDS = {
    "train": Command("train controllers and judge them against the optimum", TrainArgs, _train),
    "compare": Command("train algorithms over seeds, beside the paper", CompareArgs, _compare),
    "ablate": Command("train a preset with one thing changed at a time", AblateArgs, _ablate),
    "sweep": Command("search for better settings with Ray Tune", SweepArgs, _sweep),
    "report": Command("remake tables and pictures from the files of a folder", ReportArgs, report),
    "evaluate": Command("run trained controllers over a file of states", EvaluateArgs, evaluate),
    "optimum": Command("solve the optimal dispatch of a file of states", OptimumArgs, optimum),
    "limits": Command("find what a team can reach with what it knows", LimitsArgs, _limits),
    "baselines": Command("judge what buildings do today", BaselinesArgs, _baselines),
    "show": Command("draw a case, and what rules do on it", ShowArgs, _show),
    "robustness": Command(
        "judge runs with meters, probes and agents that fail", RobustnessArgs, _robustness
    ),
    "case": Command("make a case of your own from a feeder file", CaseArgs, _case),
    "bench": Command("measure speeds, as ratios within one run", BenchArgs, _bench),
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
