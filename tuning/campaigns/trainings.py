"""Every missing training of a grid of cells, in parallel as Ray's tasks; what is done is kept."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuning.campaigns.progress import GridProgress
from tuning.cluster.joining import joined
from tuning.cluster.local_ray import local_ray
from tuning.commands.train import Training
from tuning.errors import CommandError
from tuning.options.presets import make_config
from tuning.options.train_args import TrainArgs, as_recipe
from tuning.options.train_args import check as check_train
from tuning.records.cells import Cell
from tuning.records.files import clear_debris, replacing
from tuning.records.locks import locked

REFRESH_SECONDS = 1.0
LOCK_WAIT_SECONDS = 60.0  # for the workers of a killed command to end
CALLS_PER_WORKER = 8  # then a fresh process, whatever RLlib may have kept in memory
INCOMPLETE = 1


def run_grid(
    out: Path,
    trainings: Mapping[Cell, TrainArgs],
    workers: int,
    *,
    quiet: bool,
    show: Callable[[], list[Path]],
    dashboard: bool = False,
    address: str | None = None,
) -> int:
    """Train what is missing, in parallel; then show what all finished cells come to.

    Args:
        out: Folder of all cells.
        trainings: What each cell holds once it is finished, without its ``out``.
        workers: Trainings at a time.
        quiet: Show no progress.
        show: Remakes tables and figures from the files, prints them and returns their paths;
            called if any cell is finished.
        dashboard: Start Ray's dashboard.
        address: Of the Ray cluster to train on, whose nodes all see ``out``; None starts a Ray.

    Returns:
        0, or 1 if a training failed; all others are finished and shown.

    Raises:
        CommandError: Another command is at work in the same folder.
        KeyboardInterrupt: After Ctrl-C; says how to go on.
    """
    with locked(out):
        for cell in trainings:
            clear_debris(cell.path)
        plans = {cell: _plan(cell, wanted) for cell, wanted in trainings.items()}
        try:
            failures = _train_missing(
                plans, workers, quiet=quiet, dashboard=dashboard, address=address
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command goes on where this one was") from None
        if any(cell.finished for cell in trainings):
            print(f"{out}: {', '.join(path.name for path in show())}")
    for cell, reason in failures.items():
        print(f"failed: {cell}: {reason} (see {cell.error_file})", file=sys.stderr)
    return INCOMPLETE if failures else 0


def _plan(cell: Cell, wanted: TrainArgs) -> TrainArgs:
    """The training of a cell: new, or from its last checkpoint on."""
    if cell.begun:
        return check_train(TrainArgs(resume=cell.path, quiet=True))
    return check_train(replace(wanted, out=cell.path, quiet=True))


def _train_missing(
    plans: Mapping[Cell, TrainArgs],
    workers: int,
    *,
    quiet: bool,
    dashboard: bool,
    address: str | None,
) -> dict[Cell, str]:
    """Run the unfinished cells; return why some failed."""
    missing = [cell for cell in plans if not cell.finished]
    episodes = {cell: _episodes(plan) for cell, plan in plans.items()}
    failures: dict[Cell, str] = {}
    if not missing:
        return failures
    with (
        joined(address, dashboard=dashboard),
        local_ray(workers, dashboard=dashboard),
        GridProgress(list(plans), episodes, quiet=quiet) as shown,
    ):
        todo = [(cell, plans[cell]) for cell in missing]
        for cell, reason in _run_in_ray(todo, workers, shown):
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


def _episodes(plan: TrainArgs) -> int:
    config = make_config(plan)
    return sum(config.plan(stage).episodes for stage in range(1, config.num_stages + 1))


def _run_in_ray(
    todo: Sequence[tuple[Cell, TrainArgs]], workers: int, shown: GridProgress
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
                cell, plan = waiting.pop()
                running[remote.remote(cell, plan, sys.argv)] = cell
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


def train_cell(cell: Cell, plan: TrainArgs, command: list[str]) -> str | None:
    """Train one cell in this process, which is one of Ray's.

    Args:
        cell: Where.
        plan: What, as checked by the command.
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
            run_training(
                Training(
                    recipe=as_recipe(plan),
                    out=None if plan.resume else plan.out,
                    resume=plan.resume,
                    quiet=True,
                )
            )
    except CommandError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    return None
