"""What ``python -m tuning compare`` takes, and the trainings that it asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

from tuning.errors import CommandError, did_you_mean
from tuning.options.algorithms import ALGORITHMS, AlgorithmName
from tuning.options.arguments import Address, Arguments, CaseSettings, Option
from tuning.options.case_settings import read_case_settings
from tuning.options.cases import check_case
from tuning.options.train_args import TrainArgs
from tuning.options.train_args import check as check_train
from tuning.records.cells import Cell, check_held, find_cells
from tuning.records.run_folder import RUNS, check_fresh

FAST_EPISODES = 20_000  # in all, whatever the number of stages
# Where the paper trains another number of episodes than its preset does (its Figure 3c).
PAPER_EPISODES = {"maddpg-2": (750_000,), "ma-rdpg": (1_140_000,)}
DEFAULT_ALGORITHMS = tuple(ALGORITHMS)


@dataclass(frozen=True, kw_only=True)
class CompareArgs(Arguments):
    """Options of ``compare``."""

    case: Annotated[
        tuple[str, ...], Option("cases to train on (default: ieee13)", metavar="NAME")
    ] = ("ieee13",)
    case_settings: CaseSettings = None
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
            f"fast ({FAST_EPISODES:,} episodes in all for each training, split evenly over its "
            "stages), a number of episodes in its place, or paper (the paper's settings and counts)"
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
    jobs: Annotated[
        int | None, Option("trainings at a time, one core each (default: the machine's cores)")
    ] = None
    address: Address = None
    dashboard: Annotated[
        bool, Option("start Ray's dashboard and say where it is; takes some seconds")
    ] = False
    quiet: Annotated[bool, Option("print no progress, only the final tables")] = False

    @property
    def folder(self) -> Path:
        """Where the comparison stands: the same command finds it again."""
        return self.out if self.out is not None else RUNS / f"compare-{self.budget}"

    @property
    def workers(self) -> int:
        """Trainings at a time."""
        return self.jobs if self.jobs is not None else os.cpu_count() or 1


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
    for case in args.case:
        check_case(case)
        read_case_settings(case, args.case_settings or ())
    for name in args.algorithms:
        if name not in ALGORITHMS:
            hint, known = did_you_mean(name, ALGORITHMS), ", ".join(ALGORITHMS)
            raise CommandError(f"--algorithms: {name} is unknown{hint} (known: {known})")
        training(args, Cell(args.folder, args.case[0], name, 0))  # refuses a bad budget
    for seed in args.seeds:
        if seed < 0:
            raise CommandError(f"--seeds: {seed} is out of bounds, must be >= 0")
    if args.jobs is not None and args.jobs < 1:
        raise CommandError(f"--jobs: {args.jobs} is out of bounds, must be >= 1")
    if args.address is not None:
        args = replace(args, out=args.folder.resolve())  # the nodes have other working folders
    held = find_cells(args.folder)
    if not held:
        check_fresh(args.folder)
    for cell in held:
        if cell.algorithm in ALGORITHMS:
            wanted = training(args, cell).to_json()
            check_held(cell, wanted, f"--budget {args.budget} asks")
    return args


def cells(args: CompareArgs) -> list[Cell]:
    """Return the cells asked for: seed by seed, so that all rows grow together."""
    return [
        Cell(args.folder, case, name, seed)
        for seed in args.seeds
        for case in args.case
        for name in args.algorithms
    ]


def training(args: CompareArgs, cell: Cell) -> TrainArgs:
    """Return the configuration of one cell, checked; its ``out`` is not set.

    Raises:
        CommandError: The budget is no number, or too small for the stages.
    """
    preset: Any = "paper" if args.budget == "paper" else "fast"
    wanted = TrainArgs(
        case=cell.case,
        case_settings=args.case_settings,
        algorithm=cast(AlgorithmName, cell.algorithm),
        preset=preset,
        episodes=budgeted_episodes(args.budget, cell.algorithm),
        seed=cell.seed,
    )
    return check_train(wanted)


def budgeted_episodes(budget: str, algorithm: str) -> tuple[int, ...] | None:
    """Return the episodes of each stage; None for the preset's own.

    Args:
        budget: As ``--budget`` has it.
        algorithm: As ``--algorithms`` names it.

    Raises:
        CommandError: The budget is neither a name nor a number of at least one episode per stage.
    """
    if budget == "paper":
        return PAPER_EPISODES.get(algorithm)
    stages = ALGORITHMS[algorithm].stages
    if budget == "fast":
        return split_evenly(FAST_EPISODES, stages)
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


def split_evenly(total: int, parts: int) -> tuple[int, ...]:
    """Return ``total`` in ``parts`` shares that differ by one at most, the larger ones first."""
    return tuple(total // parts + (i < total % parts) for i in range(parts))
