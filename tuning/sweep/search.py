"""``python -m tuning sweep``: a search over settings with Ray Tune, a whole training per trial."""

from __future__ import annotations

import dataclasses
import logging
import os
import random
import sys
import warnings
from pathlib import Path
from typing import Any

from rllib_grid.extras import extra_module
from tuning.campaigns.trainings import INCOMPLETE
from tuning.cluster.joining import joined
from tuning.cluster.local_ray import local_ray, quiet_rllib
from tuning.commands.sweep import SWEEP_FILE, SweepArgs, training
from tuning.errors import CommandError
from tuning.records.files import clear_debris, write_json
from tuning.records.locks import locked
from tuning.records.provenance import git_commit, versions
from tuning.records.run_folder import create_run
from tuning.sweep.progress import SweepProgress
from tuning.sweep.report import report_sweep
from tuning.sweep.results import is_complete, write_results
from tuning.sweep.watch import (
    TUNE,
    Watch,
    WatchCallback,
    known_rows,
    remove_old_checkpoints,
    restore_state,
)
from tuning.training.configuration import make_config

KEPT_CHECKPOINTS = 3  # of a trial: more than Tune can write between two states of its own
STATE_SECONDS = "5"
RETRIES = 1  # of a trial whose process dies, from its last checkpoint
LOCK_WAIT_SECONDS = 10.0  # for a killed command to be gone


def run_sweep(args: SweepArgs) -> int:
    """Run what is left of the trials; then write results, tables and pictures.

    Args:
        args: As returned by `tuning.commands.sweep.check`.

    Returns:
        0, or 1 if a trial failed; all others have come to their ends.

    Raises:
        CommandError: Settings that do not go together, or another command at work in the folder.
        GridError: The searcher's package is not installed.
        KeyboardInterrupt: After Ctrl-C; says how to go on.
    """
    if args.searcher == "optuna":
        extra_module("optuna", "sweep")  # before a folder is made
    _check_settings(args)
    folder = _open_folder(args)
    with locked(folder, LOCK_WAIT_SECONDS if args.resume else 0.0):
        clear_debris(folder)
        if not is_complete(folder):
            try:
                _run_trials(dataclasses.replace(args, out=folder), folder)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"go on with: python -m tuning sweep --resume {folder}"
                ) from None
        files = report_sweep(folder)
        print(f"{folder}: {', '.join(path.name for path in files)}")
    return 0 if is_complete(folder) else INCOMPLETE


def _check_settings(args: SweepArgs) -> None:
    quiet_rllib()
    for config in args.space.probes():
        try:
            make_config(training(args, config)).validate()
        except CommandError:
            raise
        except ValueError as error:
            raise CommandError(str(error)) from error


def _open_folder(args: SweepArgs) -> Path:
    if args.resume is not None:
        return args.resume
    folder = create_run(args.out, "sweep").path
    made = {"versions": versions(), "git_commit": git_commit(), "command": sys.argv}
    write_json(folder / SWEEP_FILE, {**args.to_json(), **made})
    return folder


def _run_trials(args: SweepArgs, folder: Path) -> None:
    """Let Tune run all trials to their ends, and write ``trials.json``."""
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", STATE_SECONDS)
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(args.workers)  # no value is chosen too early
    random.seed(args.seed)  # PBT draws from it
    resumed = restore_state(folder)
    space = args.space
    keys = [dimension.key for dimension in space.dimensions]
    with (
        joined(args.address, dashboard=args.dashboard),
        local_ray(args.workers, dashboard=args.dashboard),
    ):
        _quiet_tune()
        with SweepProgress(space, args.measure, args.wanted, quiet=args.quiet) as shown:
            watch = WatchCallback.watch = Watch(folder, keys, shown, resumed=resumed)
            _tuner(args, folder, resumed=resumed).fit()
        if watch.trials:
            write_results(args, watch)
        if len(watch.ended) < args.wanted:  # Tune ends quietly after Ctrl-C
            raise KeyboardInterrupt
        remove_old_checkpoints(watch.trials)


def _tuner(args: SweepArgs, folder: Path, *, resumed: bool) -> Any:
    """Return Tune's tuner, new or restored."""
    import ray
    from ray import tune

    from tuning.sweep.schedulers import make_scheduler
    from tuning.sweep.trial import iterations, make_trainable

    # On a cluster of many nodes a trial's share of all memory may fit on none of them.
    memory = 0 if args.address else int(ray.cluster_resources()["memory"] // args.workers)
    trainable = make_trainable(args, memory)
    path = folder.resolve()
    if resumed:
        return tune.Tuner.restore(str(path / TUNE), trainable, resume_errored=True)
    grid = args.searcher == "grid"
    config = make_config(training(args, next(args.space.probes())))
    return tune.Tuner(
        trainable,
        param_space=args.space.domains(grid=grid),
        tune_config=tune.TuneConfig(
            metric=args.measure.validated,
            mode="max" if args.measure.more_is_better else "min",
            num_samples=1 if grid else args.wanted,
            search_alg=_searcher(args),
            scheduler=make_scheduler(args, iterations(config), known_rows),
            reuse_actors=False,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name=TUNE,
            storage_path=str(path),
            verbose=0,
            callbacks=[WatchCallback()],
            checkpoint_config=tune.CheckpointConfig(
                # A trial that PBT has paused may need what another one wrote long ago.
                num_to_keep=None if args.scheduler == "pbt" else KEPT_CHECKPOINTS,
                checkpoint_at_end=True,
            ),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
        ),
    )


def _searcher(args: SweepArgs) -> Any:
    if args.searcher == "optuna":
        import optuna
        from ray.tune.search import ConcurrencyLimiter
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return ConcurrencyLimiter(OptunaSearch(seed=args.seed), max_concurrent=args.workers)
    from ray.tune.search.basic_variant import BasicVariantGenerator

    # It counts trials that PBT has paused, which then would block all others.
    limit = args.workers if args.address and args.scheduler != "pbt" else 0
    return BasicVariantGenerator(random_state=args.seed, max_concurrent=limit)


def _trial_name(trial: Any) -> str:
    return f"trial_{trial.trial_id}"


def _quiet_tune() -> None:
    """Silence what Tune says beside our own table; failures are told by us."""
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    for module in ("ray", "optuna"):
        warnings.filterwarnings("ignore", module=rf"{module}\b")
