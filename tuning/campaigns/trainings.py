"""Every missing training of a campaign, in parallel as Ray's tasks; what is done is kept."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from policies.staged.sizes import sized
from tuning.campaigns.progress import CampaignProgress
from tuning.cluster.joining import joined
from tuning.cluster.local_ray import local_ray
from tuning.commands.campaign import Campaign
from tuning.commands.train import Training, resumed
from tuning.errors import CommandError
from tuning.options.recipe import Recipe
from tuning.records.cells import Cell
from tuning.records.files import clear_debris, replacing
from tuning.records.locks import locked
from tuning.training.configuration import make_config

REFRESH_SECONDS = 1.0
LOCK_WAIT_SECONDS = 60.0  # for the workers of a killed command to end
CALLS_PER_WORKER = 8  # then a fresh process, whatever RLlib may have kept in memory
INCOMPLETE = 1


def run_trainings(
    args: Campaign,
    recipes: Mapping[Cell, Recipe],
    report: Callable[[Path], list[Path]],
) -> int:
    """Train what is missing, in parallel; then report what all finished cells come to.

    Args:
        args: Of the campaign: its folder, which all nodes of a cluster see, trainings at a time,
            and how they are run and shown.
        recipes: What each cell holds once it is finished.
        report: Remakes tables and figures of a folder, prints them and returns their paths; called
            if any cell is finished.

    Returns:
        0, or 1 if a training failed; all others are finished and reported.

    Raises:
        CommandError: Another command is at work in the same folder.
        KeyboardInterrupt: After Ctrl-C; says how to go on.
    """
    out = args.folder
    with locked(out):
        for cell in recipes:
            clear_debris(cell.path)
        try:
            failures = _train_missing(recipes, args)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command goes on where this one was") from None
        if any(cell.finished for cell in recipes):
            files = report(out)
            print(f"{out}: {', '.join(path.name for path in files)}")
    for cell, reason in failures.items():
        print(f"failed: {cell}: {reason} (see {cell.error_file})", file=sys.stderr)
    return INCOMPLETE if failures else 0


def _train_missing(recipes: Mapping[Cell, Recipe], args: Campaign) -> dict[Cell, str]:
    """Run the unfinished cells; return why some failed."""
    missing = [cell for cell in recipes if not cell.finished]
    episodes = {cell: _episodes(recipe) for cell, recipe in recipes.items()}
    failures: dict[Cell, str] = {}
    if not missing:
        return failures
    with (
        joined(args.address, dashboard=args.dashboard),
        local_ray(args.workers, dashboard=args.dashboard),
        CampaignProgress(list(recipes), episodes, quiet=args.quiet) as shown,
    ):
        todo = [(cell, _training(cell, recipes[cell])) for cell in missing]
        for cell, reason in _run_in_ray(todo, args.workers, shown):
            if reason is None and not cell.finished:
                reason = "ended, but its files are not here: --out must be seen by all nodes"
            if reason is None:
                shown.set(cell, "done")
                cell.error_file.unlink(missing_ok=True)
            else:
                failures[cell] = reason.strip().splitlines()[-1]
                with replacing(cell.error_file) as file:
                    file.write(reason.encode())
                shown.set(cell, "failed")
    return failures


def _training(cell: Cell, recipe: Recipe) -> Training:
    """The training of a cell: new, or from its last checkpoint on."""
    if cell.begun:
        return resumed(cell.path, quiet=True)
    return Training(recipe=recipe, out=cell.path, quiet=True)


def _episodes(recipe: Recipe) -> int:
    config = make_config(recipe)
    config = sized(config)
    return sum(config.plan(stage).episodes for stage in range(1, config.num_stages + 1))


def _run_in_ray(
    todo: Sequence[tuple[Cell, Training]], workers: int, shown: CampaignProgress
) -> Iterator[tuple[Cell, str | None]]:
    """Run trainings as tasks of Ray, so many at a time; yield each with None or its traceback.

    A task of one core holds a whole training: its runner and learner live in the task's process,
    and processes are used again, so RLlib is imported once in each.
    """
    import ray

    remote: Any = ray.remote(num_cpus=1, max_retries=0, max_calls=CALLS_PER_WORKER)(train_cell)
    waiting = list(reversed(todo))
    running: dict[Any, Cell] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                cell, training = waiting.pop()
                running[remote.remote(cell, training, sys.argv)] = cell
                shown.set(cell, "running")
            ended, _ = ray.wait(list(running), timeout=REFRESH_SECONDS)
            for task in ended:
                yield running.pop(task), _outcome(task)
            shown.refresh()
    finally:
        for task in running:
            ray.cancel(task, force=True)


def _outcome(task: Any) -> str | None:
    """None, or the text of what went wrong, its last line the reason."""
    import ray

    try:
        text: str | None = ray.get(task)
    except ray.exceptions.RayError as error:  # the process itself died
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return text


def train_cell(cell: Cell, training: Training, command: list[str]) -> str | None:
    """Train one cell in this process, which is one of Ray's.

    Args:
        cell: Where.
        training: What.
        command: Words of the command, for ``config.json``.

    Returns:
        None, or a traceback: its last line names the error.
    """
    from tuning.cluster.local_ray import prepare_environment

    prepare_environment()
    from tuning.training.train import run_training

    sys.argv = command
    try:
        with locked(cell.path, LOCK_WAIT_SECONDS):
            run_training(training)
    except CommandError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    return None
