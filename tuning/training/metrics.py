"""Numbers of a training on Ray's Prometheus endpoint, through `ray.util.metrics`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "ray_"  # Ray puts it in front of every name
TAGS = ("run", "case", "algorithm", "seed", "stage", "trial")


@dataclass(frozen=True)
class Metric:
    """One number of a training, as a Prometheus gauge.

    Attributes:
        name: Without Ray's prefix, the unit last; shares of 1 are ``ratio``.
        column: Of ``progress.csv``.
        meaning: One sentence with the unit.
    """

    name: str
    column: str
    meaning: str


METRICS = (
    Metric(
        "grid_validation_per_ratio",
        "validation_per",
        "Mean PER on the validation states; 0.01 is 1 %.",
    ),
    Metric(
        "grid_validation_return_kw",
        "validation_return",
        "Mean return on the validation states in kW: minus cost and voltage penalty.",
    ),
    Metric(
        "grid_validation_regret_kw",
        "validation_regret_kw",
        "Mean of cost minus optimal cost on the validation states, in kW.",
    ),
    Metric(
        "grid_validation_voltage_violation_ratio",
        "validation_violation_rate",
        "Share of validation states with a bus more than 1e-5 p.u. out of bounds.",
    ),
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
        run: Folder of the run, as the commands name it.
        case: Name of the case.
        algorithm: Title of the algorithm, as in ``report.json``.
        seed: Of the training.
        trial: Id of the Tune trial; empty outside of Tune.
    """

    def __init__(self, *, run: str, case: str, algorithm: str, seed: int, trial: str = "") -> None:
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
                self._gauges = _gauges()
            tags = {**self._tags, "stage": str(row["stage"])}
            for column, gauge in self._gauges.items():
                gauge.set(float(row[column]), tags)
        except Exception as error:  # whatever it is, it is not worth a training
            self._broken = True
            logging.getLogger(__name__).warning("metrics are published no more: %r", error)


def _gauges() -> dict[str, Any]:
    """A gauge of Ray per column."""
    from ray.util.metrics import Gauge

    return {metric.column: Gauge(metric.name, metric.meaning, TAGS) for metric in METRICS}


def tune_trial() -> str:
    """Return the id of the Tune trial that this process works on, empty outside of Tune."""
    from ray import tune

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Tune's, where there is no trial
        return tune.get_context().get_trial_id() or ""
