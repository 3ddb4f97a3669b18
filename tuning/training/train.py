"""One training, all stages: checkpoints as it goes, judged at the end."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
from ray.exceptions import RayActorError
from ray.rllib.core.learner import Learner
from ray.rllib.utils.metrics import LEARNER_RESULTS

from policies.controllers.controller import Controller
from policies.staged.algorithm import MADDPG, RunnersLostError
from policies.staged.config import MADDPGConfig
from policies.staged.modules import CRITIC, actor_id
from rllib_grid import Case, JointGridEnv, make_case, make_dispatch
from rllib_grid.envs.grid_env import GridEnv
from tuning.cluster.joining import joined
from tuning.cluster.local_ray import local_ray, quiet_rllib
from tuning.commands.train import Training
from tuning.errors import CommandError
from tuning.judging.ac_check import ac_check
from tuning.judging.evaluation import Judge, test_states
from tuning.options.case_settings import write_case_settings
from tuning.options.recipe import Recipe
from tuning.records.cells import clear_debris
from tuning.records.checkpoints import (
    describe_checkpoints,
    find_checkpoint,
    parse_interval,
    save_checkpoint,
)
from tuning.records.run_folder import RunFolder, create_run, load_run, writing
from tuning.training.metrics import TrainingMetrics, tune_trial
from tuning.training.presets import make_config
from tuning.training.progress import TrainingProgress
from tuning.training.report import draw, print_report

logger = logging.getLogger(__name__)

SHOWN_ROUNDS = 8  # of an iterated actor
ENVIRONMENT = GridEnv  # importing it registers "grid"


def run_training(training: Training) -> None:
    """Train, judge and report; go on with an earlier run if ``training.resume`` names one.

    Args:
        training: As `tuning.commands.train.check` returns it.

    Raises:
        CommandError: Settings that do not go together.
        KeyboardInterrupt: After Ctrl-C; says how to go on from the last checkpoint.
    """
    quiet_rllib()
    recipe = training.recipe
    config = make_config(recipe)
    try:
        config.validate()
    except ValueError as error:
        raise CommandError(str(error)) from error
    case = make_case(recipe.case, **recipe.case_changes())
    make_dispatch(case)  # refuses now what could not be judged in the end
    with joined(training.address, _remote(recipe), dashboard=training.dashboard):
        run = _open_run(training, case)
        report = _train_and_judge(config, training, case, run)
    run.write_report(report)
    pictures = draw(report, run.path)
    print_report(report)
    names = ", ".join(path.name for path in pictures)
    kept = describe_checkpoints(run)
    print(f"{run.path}: report.json, progress.csv, controllers/, {kept}, {names}")


def _remote(recipe: Recipe) -> int:
    """Processes beside this one, a core each."""
    return recipe.num_env_runners + recipe.num_learners


def _train_and_judge(
    config: MADDPGConfig, training: Training, case: Case, run: RunFolder
) -> dict[str, Any]:
    """Train from the last checkpoint on, export, and return the report."""
    checkpoint = find_checkpoint(run)
    with local_ray(1 + _remote(training.recipe), dashboard=training.dashboard):
        algo = config.build_algo()
        try:
            if checkpoint is not None:
                algo.restore_from_path(str(checkpoint.resolve()))
            elif training.recipe.on_top_of is not None:
                _build_on(algo, load_run(training.recipe.on_top_of))
            _train(algo, training, case, run)
            with writing(run.controllers):
                algo.export_controllers(run.controllers)
            return _report(algo, training.recipe, case, run)
        except (RayActorError, RunnersLostError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise CommandError(
                f"a process of the training was lost ({reason}); {_go_on(run)}"
            ) from error
        finally:
            algo.stop()


def _build_on(algo: MADDPG, below: RunFolder) -> None:
    """Take over the ended stages of another run.

    Raises:
        CommandError: They do not fit.
    """
    earlier = MADDPG.from_checkpoint(str(below.checkpoint.resolve()))
    try:
        algo.build_on(earlier)
    except ValueError as error:
        raise CommandError(f"--on-top-of: {below.path}: {error}") from error
    finally:
        earlier.stop()


def _open_run(training: Training, case: Case) -> RunFolder:
    if training.resume is not None:
        clear_debris(training.resume)
        return load_run(training.resume)
    recipe = training.recipe
    run = create_run(training.out, f"{recipe.case}-{recipe.preset}-seed{recipe.seed}")
    run.write_config(
        case,
        algorithm=recipe.named().title,
        preset=recipe.preset,
        seed=recipe.seed,
        arguments=recipe.to_json(),
    )
    return run


def _train(algo: MADDPG, training: Training, case: Case, run: RunFolder) -> None:
    judge = validation_judge(algo, case)
    metrics = TrainingMetrics(
        run=str(run.path),
        case=case.name,
        algorithm=training.recipe.named().title,
        seed=training.recipe.seed,
        trial=tune_trial(),
    )
    iteration = algo.iteration
    rows: list[dict[str, Any]] = [
        dict(row) for row in run.progress() if int(row["iteration"]) <= iteration
    ]
    every = parse_interval(training.checkpoint_every)
    answering = training.recipe.num_env_runners
    saved_at, saved_episodes = time.monotonic(), _episodes(rows)
    with TrainingProgress(algo.config, quiet=training.quiet) as shown:
        try:
            while not algo.finished:
                result = algo.train()
                answering = _say_who_answers(algo, answering)
                row = progress_row(result, judge, algo)
                rows.append(row)
                shown.update(row)
                metrics.update(row)
                passed = time.monotonic() - saved_at, _episodes(rows) - saved_episodes
                if every.passed(*passed) or algo.finished:
                    _save(algo, run, rows, training.keep)
                    saved_at, saved_episodes = time.monotonic(), _episodes(rows)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"go on with: python -m tuning train --resume {run.path}"
            ) from None


def _say_who_answers(algo: MADDPG, before: int) -> int:
    """Return how many remote runners answer, and say so if it is not as many as before."""
    answering: int = algo.env_runner_group.num_healthy_remote_workers()
    if answering != before:
        logger.warning("%d of %d runners answer", answering, algo.config.num_env_runners)
    return answering


def _save(algo: MADDPG, run: RunFolder, rows: list[dict[str, Any]], keep: int) -> None:
    try:
        run.write_progress(rows)
        save_checkpoint(algo, run, keep)
    except CommandError as error:
        raise CommandError(f"{error}; {_go_on(run)}") from error


def _go_on(run: RunFolder) -> str:
    return f"what was saved is kept, go on with: python -m tuning train --resume {run.path}"


def _episodes(rows: list[dict[str, Any]]) -> int:
    return int(rows[-1]["episodes_total"]) if rows else 0


def validation_judge(algo: MADDPG, case: Case) -> Judge:
    """The states on which the algorithm selects, with their optima (for display alone)."""
    config = algo.config
    seed = np.random.SeedSequence(config.validation_seed)
    env = JointGridEnv(case, config.validation_episodes, seed)
    return Judge(case, *case.layout.from_state(env.reset()))


def progress_row(result: dict[str, Any], judge: Judge, algo: MADDPG) -> dict[str, Any]:
    """One line of progress.csv, after an iteration."""
    done = result["maddpg"]
    # An iteration that ends a stage already shows the next one, which has done nothing yet.
    now = done if done["updates"] or not done["ended"] else done["ended"][-1]
    before = [entry for entry in done["ended"] if entry["stage"] < now["stage"]]
    judged = judge.stages(algo.controllers(now["stage"]))[-1]
    losses = result.get(LEARNER_RESULTS, {})
    return {
        "iteration": result["training_iteration"],
        "stage": now["stage"],
        "episodes": now["episodes"],
        "episodes_total": now["episodes"] + sum(entry["episodes"] for entry in before),
        "updates": now["updates"],
        "validation_per": judged.per_mean,
        "validation_return": now["validation_return"],
        "validation_regret_kw": judged.regret_kw_mean,
        "validation_violation_rate": judged.voltage_violation_rate,
        "env_steps_per_s": _rate(now["env_steps"], now["sample_s"]),
        "updates_per_s": _rate(now["updates"], now["update_s"]),
        "replay_fill": now["replay_rows"] / algo.replay.capacity,
        "critic_loss": _loss(losses, CRITIC),
        "actor_loss": _loss(losses, actor_id(now["stage"])),
        "wall_s": now["wall_s"] + sum(entry["wall_s"] for entry in before),
    }


def _loss(losses: dict[str, Any], module: str) -> float:
    """Mean loss of a network over the last updates; NaN before the first one."""
    return float(losses.get(module, {}).get(Learner.TOTAL_LOSS_KEY, float("nan")))


def _rate(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def _report(algo: MADDPG, recipe: Recipe, case: Case, run: RunFolder) -> dict[str, Any]:
    """Judge every stage on the test states, which nothing has seen until now."""
    judge = Judge(case, *test_states(case))
    controllers = algo.controllers()
    stages = algo.progress()["ended"]
    probed = any(work["probes"] for work in stages)
    entries = []
    for judgement, work in zip(judge.stages(controllers), stages, strict=True):
        names = ("stage", "episodes", "probes", "validation_probes", "updates", "wall_s")
        entries.append(judgement.entry(**{name: work[name] for name in names}))
    curve = [
        {
            "stage": int(row["stage"]),
            "episodes": int(row["episodes_total"]),
            "validation_per": float(row["validation_per"]),
        }
        for row in run.progress()
    ]
    return {
        "case": case.name,
        "algorithm": recipe.named().title,
        "preset": recipe.preset,
        "seed": recipe.seed,
        "meter_error_pu": recipe.meter_error,
        "case_settings": write_case_settings(recipe.case_settings) or None,
        "validation_states": algo.config.validation_episodes,
        "env_steps_per_s": _rate(
            sum(w["env_steps"] for w in stages), sum(w["sample_s"] for w in stages)
        ),
        "updates_per_s": _rate(
            sum(w["updates"] for w in stages), sum(w["update_s"] for w in stages)
        ),
        **judge.yardsticks(),
        "stages": entries,
        "meters": judge.meter_errors(controllers) if probed else None,
        "rounds": _rounds(judge, controllers) if recipe.named().in_rounds else None,
        "ac_check": ac_check(case, controllers, judge.p_base_kw, judge.q_base_kvar),
        "learning_curve": curve,
    }


def _rounds(judge: Judge, controllers: dict[str, Controller]) -> list[dict[str, Any]]:
    """The last stage applied again and again, also more often than in training."""
    judged = judge.rounds(controllers, SHOWN_ROUNDS)
    return [judgement.entry(round=i) for i, judgement in enumerate(judged, start=1)]
