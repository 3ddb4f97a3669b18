"""Tune's schedulers as a sweep uses them; both know where restored trials were.

Tune saves trials and searchers, but no scheduler: one that is restored has forgotten all results.
So these take them from what the sweep has kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.result import TRAINING_ITERATION
from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining, TrialScheduler

from tuning.commands.sweep import SweepArgs
from tuning.sweep.trial import SHARE, TRAINED

# Rungs at 30 % and 60 % of the training; the better half of each goes on.
_HALVING = {
    "time_attr": SHARE,
    "grace_period": 30.0,
    "reduction_factor": 2,
    "max_t": TRAINED,
}
SLICES = 5  # of each training; between them PBT copies and perturbs

Rows = Callable[[str], Sequence[Mapping[str, Any]]]


class Halving(AsyncHyperBandScheduler):  # type: ignore[misc]
    """ASHA over the share of a training that is done, each case by itself.

    Args:
        rows: Returns the rows known of a trial.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__(**_HALVING)
        self._rows = rows
        self._by_case: dict[str | None, Any] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Put a trial beside those of its case, with what it has shown already."""
        super().on_trial_add(tune_controller, trial)
        case = trial.config.get("case")
        if case not in self._by_case:
            self._by_case[case] = AsyncHyperBandScheduler(**_HALVING)._brackets[0]
        self._trial_info[trial.trial_id] = bracket = self._by_case[case]
        for row in self._rows(trial.trial_id):
            bracket.on_result(trial, row[SHARE], self._metric_op * row[self._metric])


class Population(PopulationBasedTraining):  # type: ignore[misc]
    """PBT in step: all trials wait for each other, so that like is compared with like.

    Trainings get better all the time, and a trial that is ahead would always look better.
    """

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take over how far a restored trial is; the next perturbation is that of the last one."""
        super().on_trial_add(tune_controller, trial)
        done = (trial.last_result or {}).get(TRAINING_ITERATION, 0)
        every = self._perturbation_interval
        state = self._trial_state[trial]
        state.last_train_time = done
        state.last_perturbation_time = done - done % every
        if not trial.is_finished():
            left = [t for t in self._trial_state if not t.is_finished()]
            last = min(self._trial_state[t].last_perturbation_time for t in left)
            self._next_perturbation_sync = last + every

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Let nobody wait for a trial that has failed."""
        others = [t for t in tune_controller.get_live_trials() if t is not trial]
        times = [self._trial_state[t].last_train_time for t in others]
        if times and min(times) >= self._next_perturbation_sync:
            self._next_perturbation_sync += self._perturbation_interval


def make_scheduler(args: SweepArgs, iterations: int, rows: Rows) -> TrialScheduler | None:
    """Return the scheduler that a sweep asks for; None for Tune's plain one.

    Args:
        args: Of the sweep.
        iterations: Of one training.
        rows: Returns the rows known of a trial.
    """
    if args.scheduler == "asha":
        return Halving(rows)
    if args.scheduler == "pbt":
        space = args.space
        return Population(
            time_attr=TRAINING_ITERATION,
            perturbation_interval=max(1, math.ceil(iterations / SLICES)),
            hyperparam_mutations=space.mutations(),
            custom_explore_fn=space.clipped,
            log_config=False,
            synch=True,
        )
    return None
