"""The loop of every training: iterations, rows of progress, checkpoints, and who answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ray.rllib.core.learner import Learner
from ray.rllib.utils.metrics import LEARNER_RESULTS

from policies.learning.modules import actor_id
from policies.learning.schedule import StageCounts
from policies.staged.algorithm import StagedAlgorithm
from tuning.commands.train import Training
from tuning.errors import CommandError
from tuning.records.checkpoints import CheckpointRule, parse_interval, save_checkpoint
from tuning.records.run_folder import RunFolder
from tuning.subjects.progress_row import ProgressRow
from tuning.subjects.subject import Subject, Validate
from tuning.training.metrics import TrainingMetrics, tune_trial
from tuning.training.progress import TrainingProgress

logger = logging.getLogger(__name__)


def iterate(algo: StagedAlgorithm, validate: Validate) -> ProgressRow:
    """Train for one iteration.

    Args:
        algo: The training, which has not ended.
        validate: What the subject finds on the validation set.

    Returns:
        Where it stands.
    """
    result = algo.train()
    # An iteration that ends a stage already shows the next one, which has done nothing yet.
    now = algo.counts if algo.counts.updates or not algo.ended else algo.ended[-1]
    before = [counts for counts in algo.ended if counts.stage < now.stage]
    losses = result.get(LEARNER_RESULTS, {})
    return ProgressRow(
        iteration=result["training_iteration"],
        stage=now.stage,
        episodes=now.episodes,
        episodes_total=now.episodes + sum(counts.episodes for counts in before),
        updates=now.updates,
        figures=validate(algo.controllers(now.stage)),
        validation_return=now.validation_return,
        env_steps_per_s=_rate(now.env_steps, now.sample_s),
        updates_per_s=_rate(now.updates, now.update_s),
        replay_fill=_fill(algo, now),
        critic_loss=_loss(losses, next(iter(algo.config.central_networks(None)), None)),
        actor_loss=_loss(losses, actor_id(now.stage)),
        wall_s=now.wall_s + sum(counts.wall_s for counts in before),
    )


def validate_with(subject: Subject, algo: StagedAlgorithm) -> Validate:
    """Return what a subject finds on the states or days on which an algorithm selects."""
    return subject.validator(algo.config.validation_episodes, algo.config.validation_seed)


def run_loop(algo: StagedAlgorithm, training: Training, subject: Subject, run: RunFolder) -> None:
    """Train to the end: show, publish and save what there is to be.

    Args:
        algo: The training, at its start or at the last checkpoint.
        training: What was asked for.
        subject: Of its case.
        run: Where to.

    Raises:
        CommandError: A checkpoint cannot be written.
    """
    recipe = training.recipe
    validate = validate_with(subject, algo)
    metrics = TrainingMetrics(
        subject.metrics,
        run=str(run.path),
        case=subject.case.name,
        algorithm=recipe.named().title,
        seed=recipe.seed,
        trial=tune_trial(),
    )
    iteration = algo.iteration
    rows: list[Mapping[str, Any]] = [
        row for row in run.progress() if int(row["iteration"]) <= iteration
    ]
    answering = recipe.num_env_runners
    episodes = int(rows[-1]["episodes_total"]) if rows else 0
    rule = CheckpointRule(parse_interval(training.checkpoint_every), episodes)
    with TrainingProgress(algo.config, subject.in_words, quiet=training.quiet) as shown:
        while not algo.finished:
            row = iterate(algo, validate)
            answering = _say_who_answers(algo, answering)
            rows.append(row.columns())
            shown.update(row)
            metrics.update(row.columns())
            if rule.due(row.episodes_total) or algo.finished:
                _save(algo, run, rows, training.keep)
                rule.saved(row.episodes_total)


def go_on(run: RunFolder) -> str:
    """Return how an interrupted training goes on, for the end of a line."""
    return f"go on with: python -m tuning train --resume {run.path}"


def _say_who_answers(algo: StagedAlgorithm, before: int) -> int:
    """Return how many remote runners answer, and say so if it is not as many as before."""
    answering: int = algo.env_runner_group.num_healthy_remote_workers()
    if answering != before:
        logger.warning("%d of %d runners answer", answering, algo.config.num_env_runners)
    return answering


def _save(algo: StagedAlgorithm, run: RunFolder, rows: list[Mapping[str, Any]], keep: int) -> None:
    try:
        run.write_progress(rows)
        save_checkpoint(algo, run, keep)
    except CommandError as error:
        raise CommandError(f"{error}; what was saved is kept, {go_on(run)}") from error


def _fill(algo: StagedAlgorithm, now: StageCounts) -> float:
    """Share of the replay that a stage has filled; of a memory without a capacity 0."""
    capacity = getattr(algo.config, "replay_capacity", 0)
    return now.replay_rows / capacity if capacity else 0.0


def _loss(losses: Mapping[str, Any], module: str | None) -> float:
    """Mean loss of a network over the last updates; NaN before the first one, or without it."""
    found = losses.get(module, {}) if module is not None else {}
    return float(found.get(Learner.TOTAL_LOSS_KEY, float("nan")))


def _rate(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
