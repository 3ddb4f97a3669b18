"""One trial of a sweep, in this process."""

from __future__ import annotations

import pytest

from tuning.commands.sweep import SweepArgs, check
from tuning.judging import evaluation
from tuning.records.measures import GAP_CLOSED, PER
from tuning.subjects import states
from tuning.sweep.trial import SHARE, iterations, make_trainable

METRIC = PER.validated


@pytest.fixture
def trial(ray_session, monkeypatch):
    """Return a function that makes a trial with a configuration; touching test states fails."""

    def untouchable(*args, **kwargs):
        raise AssertionError("a trial looked at the test states")

    monkeypatch.setattr(evaluation, "test_states", untouchable)
    monkeypatch.setattr(states, "test_states", untouchable)
    search = ("actor_lr=1e-4..1e-2", "sigma=0.05..0.5")
    fixed = ("critic_net=quadratic-residual", "warmup_episodes=250")
    args = check(SweepArgs(search=search, budget=1000, settings=fixed))
    made = []

    def make(actor_lr, sigma):
        made.append(make_trainable(args, 0)(config={"actor_lr": actor_lr, "sigma": sigma}))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_a_trial_is_a_whole_training_and_sees_no_test_states(trial):
    one = trial(2e-3, 0.3)
    results = [one.train()]
    while not results[-1]["done"]:
        results.append(one.train())
    assert [result["stage"] for result in results] == [1, 1, 2, 2]
    assert [result[SHARE] for result in results] == [25.0, 50.0, 75.0, 100.0]
    assert len(results) == iterations(one.algo.config)
    assert results[-1][METRIC] < results[0][METRIC]


def test_perturbed_rates_and_noise_are_live_in_a_restored_training(trial, tmp_path, monkeypatch):
    first, same, other = trial(2e-3, 0.3), trial(2e-3, 0.3), trial(5e-3, 0.1)
    first.train()
    first.save(str(tmp_path))
    noise, rates = [], []
    for one in (same, other):
        one.restore(str(tmp_path))
        runner = one.algo.env_runner_group.local_env_runner
        collect = runner.collect

        def noted(episodes, seed, sigma, random_actions=False, *, collect=collect):
            noise.append(sigma)
            return collect(episodes, seed, sigma, random_actions)

        monkeypatch.setattr(runner, "collect", noted)
    results = [one.train() for one in (first, same, other)]
    assert results[0][METRIC] == results[1][METRIC] != results[2][METRIC]
    assert set(noise) == {0.3, 0.1}
    for one in (first, same, other):
        learner = one.algo.learner_group._learner
        rates.append(learner._optimizer("actor_1").param_groups[0]["lr"])
    assert rates[0] == rates[1] > 0
    assert rates[2] == pytest.approx(2.5 * rates[0])


def test_a_trial_on_days_is_judged_by_its_validation_return(ray_session):
    words = ("actor_lr=1e-4..1e-2",)
    fixed = ("validation_episodes=5", "warmup_episodes=2")
    args = check(SweepArgs(case="ieee13-day", search=words, budget=12, stages=1, settings=fixed))
    one = make_trainable(args, 0)(config={"actor_lr": 1e-3})
    try:
        result = one.train()
        while not result["done"]:
            result = one.train()
        assert result[SHARE] == 100.0
        assert result[GAP_CLOSED.validated] < 0.0  # EUR a day
        assert METRIC not in result
    finally:
        one.stop()
