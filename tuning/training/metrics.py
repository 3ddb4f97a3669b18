"""Numbers of a training on Ray's Prometheus endpoint, through `ray.util.metrics`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tuning.subjects.subject import Metric

PREFIX = "ray_"  # Ray puts it in front of every name
TAGS = ("run", "case", "algorithm", "seed", "stage", "trial")


METRICS = (  # beside those of the subject
    Metric("grid_episodes", "episodes", "Episodes of the stage so far, warm-up included."),
    Metric("grid_updates", "updates", "Gradient updates of the stage so far."),
    Metric(
        "grid_env_steps_per_second",
        "env_steps_per_s",
        "Steps of one feeder per second of sampling, over the stage so far.",
    ),
    Metric(
        "grid_updates_per_second",
        "updates_per_s",
        "Gradient updates per second of updating, over the stage so far.",
    ),
    Metric("grid_replay_fill_ratio", "replay_fill", "Rows in replay over its capacity."),
    Metric(
        "grid_critic_loss",
        "critic_loss",
        "Squared error of the critics in scaled reward squared, mean of the last updates.",
    ),
    Metric(
        "grid_actor_loss",
        "actor_loss",
        "Minus the critics' value of the actors' actions in scaled reward, mean of the last "
        "updates.",
    ),
)


class TrainingMetrics:
    """Publishes the rows of ``progress.csv`` as they come about.

    Ray hands them on every 10 seconds and forgets a gauge that has not been set for 20, so what
    an endpoint shows is a training that is alive. A failure here ends the publishing with a
    warning, never the training.

    Args:
        validation: What the subject publishes of its validation.
        run: Folder of the run, as the commands name it.
        case: Name of the case.
        algorithm: Title of the algorithm, as in ``report.json``.
        seed: Of the training.
        trial: Id of the Tune trial; empty outside of Tune.
    """

    def __init__(
        self,
        validation: Sequence[Metric],
        *,
        run: str,
        case: str,
        algorithm: str,
        seed: int,
        trial: str = "",
    ) -> None:
        self._metrics = (*validation, *METRICS)
        self._tags = {
            "run": run,
            "case": case,
            "algorithm": algorithm,
            "seed": str(seed),
            "trial": trial,
        }
        self._gauges: dict[str, Any] | None = None
        self._broken = False

    def update(self, row: Mapping[str, Any]) -> None:
        """Publish a row of ``progress.csv``; a value that is no number is left out."""
        if self._broken:
            return
        try:
            if self._gauges is None:
                self._gauges = _gauges(self._metrics)
            tags = {**self._tags, "stage": str(row["stage"])}
            for column, gauge in self._gauges.items():
                gauge.set(float(row[column]), tags)
        except Exception as error:  # whatever it is, it is not worth a training
            self._broken = True
            logging.getLogger(__name__).warning("metrics are published no more: %r", error)


def _gauges(metrics: Sequence[Metric]) -> dict[str, Any]:
    """A gauge of Ray per column."""
    from ray.util.metrics import Gauge

    return {metric.column: Gauge(metric.name, metric.meaning, TAGS) for metric in metrics}


def tune_trial() -> str:
    """Return the id of the Tune trial that this process works on, empty outside of Tune."""
    from ray import tune

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Tune's, where there is no trial
        return tune.get_context().get_trial_id() or ""
