"""What ``python -m tuning compare`` takes, and the trainings that it asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from policies.algorithms.registry import ALGORITHMS
from policies.algorithms.settings import MADDPG
from tuning.commands.campaign import (
    check_folder,
    check_profiles,
    check_seeds_and_jobs,
    recipe_of_case,
    split_evenly,
)
from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.options.cases import check_case, is_day_case
from tuning.options.recipe import Recipe, check_name
from tuning.options.shared import (
    Address,
    AtATime,
    CaseSettings,
    Dashboard,
    Jobs,
    Profiles,
    Steps,
    TestDays,
)
from tuning.records.cells import Cell
from tuning.records.run_folder import RUNS

FAST_EPISODES = 20_000  # in all, whatever the number of stages, where the case does not say
FAST_DAYS = 32_000
DEFAULT_ALGORITHMS = tuple(ALGORITHMS)


@dataclass(frozen=True, kw_only=True)
class CompareArgs(AtATime, Arguments):
    """Options of ``compare``."""

    case: Annotated[
        tuple[str, ...],
        Option("cases to train on, of states or of days (default: ieee13)", metavar="NAME"),
    ] = ("ieee13",)
    case_settings: CaseSettings = None
    profiles: Profiles = None
    steps: Steps = None
    test_days: TestDays = None
    algorithms: Annotated[
        tuple[str, ...],
        Option(f"named algorithms (default: all, {' '.join(DEFAULT_ALGORITHMS)})", metavar="NAME"),
    ] = DEFAULT_ALGORITHMS
    seeds: Annotated[
        tuple[int, ...], Option("seeds, each a training (default: 0 1 2 3 4)", metavar="SEED")
    ] = (0, 1, 2, 3, 4)
    budget: Annotated[
        str,
        Option(
            f"fast (what train gives a case: {FAST_EPISODES:,} episodes in all, more on a "
            f"feeder that needs them; of days {FAST_DAYS:,}, split evenly over the stages), a "
            "number in its place, split evenly, or paper (the paper's settings and counts)"
        ),
    ] = "fast"
    out: Annotated[
        Path | None,
        Option(
            "folder of the comparison; what it holds already is kept and not run again "
            "(default: runs/compare-BUDGET)",
            metavar="DIR",
        ),
    ] = None
    jobs: Jobs = None
    address: Address = None
    dashboard: Dashboard = False
    quiet: Annotated[bool, Option("print no progress, only the final tables")] = False

    @property
    def folder(self) -> Path:
        """Where the comparison stands: the same command finds it again."""
        return self.out if self.out is not None else RUNS / f"compare-{self.budget}"


def check(args: CompareArgs) -> CompareArgs:
    """Check the options of ``compare`` and what its folder holds. Writes nothing.

    Returns:
        The arguments, repeated names and seeds taken once.

    Raises:
        CommandError: An unknown name, a value out of bounds, a folder that holds something else,
            or trainings with another configuration.
    """
    args = replace(
        args,
        case=tuple(dict.fromkeys(args.case)),
        algorithms=tuple(dict.fromkeys(args.algorithms)),
        seeds=tuple(dict.fromkeys(args.seeds)),
    )
    for name in args.algorithms:
        check_name("--algorithms", name, ALGORITHMS)
    for case in args.case:
        check_case(case)
        for name in args.algorithms:
            recipe = training(args, Cell(args.folder, case, name, 0))  # refuses a bad budget
        check_profiles(recipe)
    check_seeds_and_jobs(args.seeds, args.jobs)
    if args.address is not None:
        args = replace(args, out=args.folder.resolve())  # the nodes have other working folders

    def recipe_of(cell: Cell) -> Recipe | None:
        return training(args, cell) if cell.algorithm in ALGORITHMS else None

    check_folder(args.folder, recipe_of, f"--budget {args.budget} asks")
    return args


def cells(args: CompareArgs) -> list[Cell]:
    """Return the cells asked for: seed by seed, so that all rows grow together."""
    return [
        Cell(args.folder, case, name, seed)
        for seed in args.seeds
        for case in args.case
        for name in args.algorithms
    ]


def training(args: CompareArgs, cell: Cell) -> Recipe:
    """Return the recipe of one cell, checked.

    Raises:
        CommandError: The budget is no number, or too small for the stages, or the algorithm cannot
            be trained on the case.
    """
    wanted = replace(
        recipe_of_case(args, cell.case),
        algorithm=cell.algorithm,
        preset="paper" if args.budget == "paper" else "fast",
        episodes=budgeted_episodes(args.budget, cell.case, cell.algorithm),
        seed=cell.seed,
    )
    return wanted.checked()


def budgeted_episodes(budget: str, case: str, algorithm: str) -> tuple[int, ...] | None:
    """Return the episodes of each stage; None for the preset's own, or the case's.

    Args:
        budget: As ``--budget`` has it.
        case: As ``--case`` names it; an episode of days is a day.
        algorithm: As ``--algorithms`` names it.

    Raises:
        CommandError: The budget is neither a name nor a number of at least one episode per stage,
            or there is none of that name.
    """
    if budget == "paper":
        if is_day_case(case):
            raise CommandError(
                f"--budget: the paper has no days such as {case}; use fast or a number of days"
            )
        return None
    stages = ALGORITHMS[algorithm].stages
    if budget == "fast":
        if ALGORITHMS[algorithm].family == MADDPG and not is_day_case(case):
            return None
        return split_evenly(FAST_DAYS if is_day_case(case) else FAST_EPISODES, stages)
    try:
        total = int(budget)
    except ValueError:
        raise CommandError(
            f"--budget: {budget} is neither fast, nor paper, nor a whole number of episodes"
        ) from None
    if total < stages:
        raise CommandError(
            f"--budget: {total} is out of bounds, must be >= {stages}: {algorithm} has {stages} "
            "stage(s)"
        )
    return split_evenly(total, stages)
