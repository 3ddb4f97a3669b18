"""The schedulers of a sweep, with made-up trials."""

from __future__ import annotations

import types

import pytest

from tuning.commands.sweep import SweepArgs, check
from tuning.records.measures import GAP_CLOSED, PER
from tuning.sweep.schedulers import Halving, make_scheduler
from tuning.sweep.trial import SHARE

METRIC = PER.validated


class Fake:
    """As much of Tune's trial as a scheduler looks at."""

    def __init__(self, name: str, case: str | None = None, iteration: int = 0) -> None:
        self.trial_id = self.experiment_tag = name
        self.config = {"tau": 0.005} | ({} if case is None else {"case": case})
        self.last_result = {"training_iteration": iteration}
        self.status = "TERMINATED" if iteration == 50 else "PENDING"
        manager = types.SimpleNamespace(checkpoint_config=types.SimpleNamespace(num_to_keep=None))
        self.run_metadata = types.SimpleNamespace(checkpoint_manager=manager)

    def is_finished(self) -> bool:
        return self.status in ("TERMINATED", "ERROR")


def report(scheduler, trial, share, per):
    return scheduler.on_trial_result(None, trial, {SHARE: share, METRIC: per})


@pytest.fixture
def halving():
    def make(rows=None):
        scheduler = Halving(lambda name: (rows or {}).get(name, ()))
        scheduler.set_search_properties(METRIC, "min")
        return scheduler

    return make


def test_asha_stops_the_worse_half_of_each_case(halving):
    scheduler = halving()
    trials = {name: Fake(name, name[0]) for name in ("a1", "a2", "a3", "b1")}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    assert report(scheduler, trials["a1"], 20.0, 0.9) == "CONTINUE"
    assert report(scheduler, trials["a1"], 31.0, 0.2) == "CONTINUE"
    assert report(scheduler, trials["a2"], 29.0, 0.3) == "CONTINUE"
    assert report(scheduler, trials["a2"], 30.0, 0.3) == "STOP"
    assert report(scheduler, trials["a3"], 30.0, 0.1) == "CONTINUE"
    assert report(scheduler, trials["b1"], 30.0, 5.0) == "CONTINUE"  # the first of its case


def test_asha_remembers_what_restored_trials_have_shown(halving):
    rows = {"old": [{SHARE: 15.0, METRIC: 0.9}, {SHARE: 31.0, METRIC: 0.2}]}
    scheduler = halving(rows)
    for name in ("old", "new"):
        scheduler.on_trial_add(None, Fake(name))
    assert report(scheduler, Fake("new"), 30.0, 0.3) == "STOP"


@pytest.fixture
def population():
    """PBT over 50 iterations, so every 10, with trials that are so far."""

    def make(*iterations):
        args = check(SweepArgs(scheduler="pbt", search=("tau=1e-3..1e-2",)))
        scheduler = make_scheduler(args, 50, lambda name: ())
        scheduler.set_search_properties(METRIC, "min")
        trials = [Fake(str(i), iteration=done) for i, done in enumerate(iterations)]
        controller = types.SimpleNamespace(search_alg=None, get_trials=lambda: trials)
        controller.get_live_trials = lambda: [t for t in trials if not t.is_finished()]
        for trial in trials:
            scheduler.on_trial_add(controller, trial)
        return scheduler, controller, trials

    return make


@pytest.mark.parametrize(
    ("iterations", "following"), [((0, 0), 10), ((13, 20, 11), 20), ((20, 20), 30), ((50, 41), 50)]
)
def test_pbt_goes_on_where_restored_trials_were(population, iterations, following):
    scheduler, controller, trials = population(*iterations)
    assert scheduler._next_perturbation_sync == following
    chosen = scheduler.choose_trial_to_run(controller)
    waiting = [trial for trial, done in zip(trials, iterations, strict=True) if done < following]
    assert chosen in waiting


def test_pbt_waits_for_no_trial_that_has_failed(population):
    scheduler, controller, trials = population(9, 9, 9)
    for trial in trials[:2]:
        decision = scheduler.on_trial_result(
            controller, trial, {"training_iteration": 10, METRIC: 0.5}
        )
        assert decision == "PAUSE"
        trial.status = "PAUSED"
    trials[2].status = "RUNNING"
    assert scheduler.choose_trial_to_run(controller) is None  # they wait for the third
    scheduler.on_trial_error(controller, trials[2])
    trials[2].status = "ERROR"
    assert scheduler.choose_trial_to_run(controller) in trials[:2]


def test_asha_on_days_keeps_the_greater_return(halving):
    name = GAP_CLOSED.validated
    scheduler = Halving(lambda trial: [{SHARE: 31.0, name: -40.0}] if trial == "old" else ())
    scheduler.set_search_properties(name, "max")
    for trial in ("old", "worse", "better"):
        scheduler.on_trial_add(None, Fake(trial))

    def decided(trial, value):
        return scheduler.on_trial_result(None, Fake(trial), {SHARE: 30.0, name: value})

    assert (decided("worse", -50.0), decided("better", -30.0)) == ("STOP", "CONTINUE")
