"""What the commands of many trainings share: budgets, how they are run, what a folder may hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tuning.errors import CommandError
from tuning.options.arguments import check_at_least
from tuning.options.case_settings import read_case_settings
from tuning.options.recipe import Recipe
from tuning.records.cells import Cell, find_cells
from tuning.records.run_folder import check_fresh


class Campaign(Protocol):
    """Arguments of a command of many trainings."""

    @property
    def folder(self) -> Path:
        """Where it stands: the same command finds it again."""

    @property
    def workers(self) -> int:
        """Trainings at a time."""

    @property
    def address(self) -> str | None:
        """Of the Ray cluster to train on, whose nodes all see the folder; None starts a Ray."""

    @property
    def dashboard(self) -> bool:
        """Whether Ray's dashboard is started."""

    @property
    def quiet(self) -> bool:
        """Whether no progress is shown."""


class OfCases(Protocol):
    """What the commands of many trainings take beside the name of a case, for all their cases."""

    @property
    def case_settings(self) -> tuple[str, ...] | None:
        """Changes to it, ``NAME=VALUE``."""

    @property
    def profiles(self) -> Path | None:
        """Of days: file in place of its own days."""

    @property
    def steps(self) -> int | None:
        """Of days: steps per day."""

    @property
    def test_days(self) -> int | None:
        """Of days: test days to judge on, at most."""


def recipe_of_case(args: OfCases, case: str) -> Recipe:
    """Return a recipe, not yet checked, that says what the case is and nothing else.

    Raises:
        CommandError: An unknown field of the case, or a value that it refuses.
    """
    return Recipe(
        case=case,
        case_settings=read_case_settings(case, args.case_settings or ()),
        profiles=None if args.profiles is None else args.profiles.resolve(),  # nodes are elsewhere
        steps=args.steps,
        test_days=args.test_days,
    )


def check_profiles(recipe: Recipe) -> None:
    """Refuse a file of days that cannot be read, before many trainings fail on it.

    Raises:
        GridError: Naming the file and what is wrong with it.
    """
    from rllib_grid import DayCase

    if recipe.profiles is not None:
        case = recipe.make_case()
        assert isinstance(case, DayCase)  # the recipe was checked
        case.days("train")


def split_evenly(total: int, parts: int) -> tuple[int, ...]:
    """Return ``total`` in ``parts`` shares that differ by one at most, the larger ones first."""
    return tuple(total // parts + (i < total % parts) for i in range(parts))


def check_seeds_and_jobs(seeds: Sequence[int], jobs: int | None) -> None:
    """Refuse seeds and numbers of trainings at a time that there cannot be.

    Raises:
        CommandError: A value out of bounds.
    """
    for seed in seeds:
        check_at_least("seeds", seed, 0)
    if jobs is not None:
        check_at_least("jobs", jobs, 1)


def check_folder(folder: Path, recipe_of: Callable[[Cell], Recipe | None], asked: str) -> None:
    """Refuse a folder that holds something else, or trainings by other recipes.

    Args:
        folder: Of the campaign.
        recipe_of: Returns the recipe that a cell must have been made by, asked for or not; None
            where any will do.
        asked: By what it is asked for, e.g. ``--budget 2000 asks``.

    Raises:
        CommandError: It is so.
    """
    held = find_cells(folder)
    if not held:
        check_fresh(folder)
    for cell in held:
        recipe = recipe_of(cell) if cell.begun else None
        if recipe is not None:
            _check_recipe(cell, recipe, asked)


def _check_recipe(cell: Cell, wanted: Recipe, asked: str) -> None:
    stored = Recipe.of_run(cell.run).to_json()
    for name, value in wanted.to_json().items():
        if stored[name] != value:
            raise CommandError(
                f"{cell.path} was made with {name} {_shown(stored[name])}, not {_shown(value)} "
                f"as {asked}; name another --out"
            )


def _shown(value: Any) -> str:
    listed: Sequence[Any] = value if isinstance(value, list) else [value]
    return " ".join(map(str, listed))
