"""What ``python -m tuning ablate`` takes, and the trainings that it asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from policies.algorithms.registry import ALGORITHMS
from tuning.commands.campaign import (
    check_folder,
    check_profiles,
    check_seeds_and_jobs,
    recipe_of_case,
)
from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.options.cases import check_case, is_day_case
from tuning.options.recipe import Recipe
from tuning.options.settings import read_settings
from tuning.options.shared import (
    PRESETS,
    Address,
    AtATime,
    CaseSettings,
    Dashboard,
    Episodes,
    Jobs,
    Profiles,
    Steps,
    TestDays,
)
from tuning.records.cells import Cell, find_cells
from tuning.records.run_folder import RUNS

BASE = "base"
TOGETHER = "+"
CHANGES: dict[str, tuple[str, ...]] = {
    "fast": (
        "critic_net=quadratic-residual",
        "critic_net=paper",
        "actor_net=paper",
        "actor_step=own",
        "whiten_inputs=false",
        "carry_critic=false",
        "sigma=0.05",
        "sigma=0.1",
        "sigma=0.3,0.1",
        "actor_width=32+critic_width=32",
        "actor_width=128+critic_width=128",
        "reward_scale=0.5",
        "actor_lr=2e-3",
        "updates_per_episode=1",
        "constraint=none",
        "collect_share=1",
        "lr_decay=constant",
        "lr_decay=constant+actor_lr=2e-3",
        "tau=1",
    ),
    "paper": (
        "critic_net=quadratic-residual",
        "actor_net=plain",
        "actor_step=joint",
        "whiten_inputs=true",
        "sigma=0.3",
        "actor_lr=2.5e-3+critic_lr=2.5e-3",
        "lr_decay=cosine",
        "reward_scale=5",
        "tau=0.01",
        "minibatch_size=256",
        "updates_per_episode=4",
    ),
}
DAY_CHANGES = (  # of the preset as it is on days
    "gamma=0",
    "gamma=0.9",
    "gamma=0.98",
    "critic=shared",
    "critic_net=quadratic-residual",
    "critic_net=paper",
    "actor_net=paper",
    "actor_step=own",
    "target_input=literal",
    "whiten_inputs=false",
    "carry_critic=false",
    "critic_tau=none",
    "critic_tau=0.2",
    "tau=0.002",
    "actor_lr=3e-3",
    "sigma=0.3",
    "sigma=0.5,0.2",
    "actor_width=64+critic_width=64",
    "replay_capacity=100000",
    "updates_per_episode=0.1",
    "updates_per_episode=0.4",
    "collect_share=1",
    "lr_decay=constant",
)


@dataclass(frozen=True, kw_only=True)
class AblateArgs(AtATime, Arguments):
    """Options of ``ablate``."""

    case: Annotated[str, Option("case to train on, of states or of days")] = "ieee13"
    case_settings: CaseSettings = None
    profiles: Profiles = None
    steps: Steps = None
    test_days: TestDays = None
    preset: Annotated[
        str, Option("what is changed, a thing at a time; paper: of states", choices=PRESETS)
    ] = PRESETS[0]
    algorithm: Annotated[str, Option("named algorithm", choices=tuple(ALGORITHMS))] = "ts-maddpg"
    episodes: Episodes = None
    on_top_of: Annotated[
        Path | None,
        Option("take over the ended stages of this run, see train", metavar="RUN"),
    ] = None
    changes: Annotated[
        tuple[str, ...] | None,
        Option(
            "changes as train --settings takes them, several at a time joined by +, e.g. "
            "sigma=0.1+tau=1 (default: a list for each preset, and one for days, "
            "without what the algorithm has not)",
            metavar="NAME=VALUE",
        ),
    ] = None
    seeds: Annotated[
        tuple[int, ...], Option("seeds, each a training (default: 0 1 2)", metavar="SEED")
    ] = (0, 1, 2)
    out: Annotated[
        Path | None,
        Option(
            "folder of the ablation; what it holds already is kept and not run again "
            "(default: runs/ablate-PRESET)",
            metavar="DIR",
        ),
    ] = None
    jobs: Jobs = None
    address: Address = None
    dashboard: Dashboard = False
    quiet: Annotated[bool, Option("print no progress, only the final table")] = False

    @property
    def folder(self) -> Path:
        """Where the ablation stands: the same command finds it again."""
        return self.out if self.out is not None else RUNS / f"ablate-{self.preset}"


def check(args: AblateArgs) -> AblateArgs:
    """Check the options of ``ablate`` and what its folder holds. Writes nothing.

    Returns:
        The arguments with their changes, repeated ones and repeated seeds taken once.

    Raises:
        CommandError: An unknown name, a value out of bounds, a folder that holds something else,
            or trainings with another configuration.
    """
    check_case(args.case)
    check_seeds_and_jobs(args.seeds, args.jobs)
    check_profiles(training(args, Cell(args.folder, args.case, BASE, 0)))
    changes = _default_changes(args) if args.changes is None else args.changes
    args = replace(
        args, changes=tuple(dict.fromkeys(changes)), seeds=tuple(dict.fromkeys(args.seeds))
    )
    for cell in cells(args):
        training(args, cell)  # refuses bad changes
    if args.address is not None:
        args = replace(args, out=args.folder.resolve())  # the nodes have other working folders
    check_folder(args.folder, lambda cell: training(args, cell), "is asked")
    return args


def _default_changes(args: AblateArgs) -> tuple[str, ...]:
    """What is changed if nothing is named: what the algorithm, whose base is sound, can have."""

    def taken(change: str) -> bool:
        try:
            training(args, Cell(args.folder, args.case, change, 0))
        except CommandError:
            return False
        return True

    return tuple(filter(taken, DAY_CHANGES if is_day_case(args.case) else CHANGES[args.preset]))


def cells(args: AblateArgs) -> list[Cell]:
    """Return the cells asked for, the preset itself first: seed by seed, so that all rows grow."""
    return [
        Cell(args.folder, args.case, change, seed)
        for seed in args.seeds
        for change in (BASE, *(args.changes or ()))
    ]


def training(args: AblateArgs, cell: Cell) -> Recipe:
    """Return the recipe of one cell, checked.

    Raises:
        CommandError: A change that `train --settings` would refuse.
    """
    words = () if cell.algorithm == BASE else cell.algorithm.split(TOGETHER)
    wanted = replace(
        recipe_of_case(args, cell.case),
        algorithm=args.algorithm,
        preset=args.preset,
        episodes=args.episodes,
        on_top_of=args.on_top_of,
        settings=read_settings(words, ALGORITHMS[args.algorithm].family),
        seed=cell.seed,
    )
    return wanted.checked()


def is_ablation(folder: Path) -> bool:
    """Whether a folder holds runs of an ablation: its base is one of them."""
    return any(cell.algorithm == BASE for cell in find_cells(folder))
