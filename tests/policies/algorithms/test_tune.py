"""MADDPG under a Ray Tune of the user's own: PBT, ASHA, and what their checkpoints hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining
from tiny_training import assert_equal, run, tiny, weights

from policies import MADDPG

ITERATIONS = 3  # of `tiny` in a single stage


@pytest.fixture
def fit(ray_session, tmp_path: Path, monkeypatch):
    """Return a function that runs trials of `tiny`, changed as given, to their ends."""
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

    def run_trials(
        space: dict[str, Any],
        scheduler: Any,
        concurrent: int,
        metric: str = "stages/validation_return",
    ) -> Any:
        grid = tune.Tuner(
            MADDPG,
            param_space=tiny(num_stages=1).to_dict() | space,
            tune_config=tune.TuneConfig(
                metric=metric,
                mode="max",
                max_concurrent_trials=concurrent,
                scheduler=scheduler,
            ),
            run_config=tune.RunConfig(
                storage_path=str(tmp_path),
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
            ),
        ).fit()
        assert not grid.errors
        return grid

    return run_trials


def test_pbt_perturbs_rates_and_noise(fit) -> None:
    """Tune puts single numbers where configurations hold lists."""
    mutations = {"actor_lr": tune.loguniform(1e-3, 1e-2), "sigma": [0.1, 0.2]}
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=2,
        quantile_fraction=0.5,
        resample_probability=1.0,
        hyperparam_mutations=mutations,
        synch=True,
    )
    space = {"actor_lr": tune.grid_search([0.5, 0.6]), "sigma": tune.choice([0.7])}
    grid = fit(space, scheduler, concurrent=2)
    assert all(result.metrics["training_iteration"] == ITERATIONS for result in grid)
    assert all(math.isfinite(r.metrics["stages"]["validation_return"]) for r in grid)
    rates = sorted(float(np.ravel(r.config["actor_lr"])[0]) for r in grid)
    noise = sorted(float(np.ravel(r.config["sigma"])[0]) for r in grid)
    assert rates[0] <= 1e-2 and rates[1] in (0.5, 0.6)  # the worse one has been resampled
    assert noise[0] in (0.1, 0.2) and noise[1] == 0.7


def test_asha_stops_the_worse_trial_which_can_go_on(fit) -> None:
    """From its checkpoint, to the bits of a training that nothing has stopped."""
    scheduler = AsyncHyperBandScheduler(grace_period=2, reduction_factor=2, max_t=100)
    space = {"sigma": tune.grid_search([0.01, 0.9])}
    grid = fit(space, scheduler, concurrent=1, metric="env_runners/episode_return_mean")
    assert [result.metrics["training_iteration"] for result in grid] == [ITERATIONS, 2]
    stopped = MADDPG.from_checkpoint(grid[1].checkpoint.path)
    alone = tiny(num_stages=1).exploration(sigma=0.9).build_algo()
    try:
        assert stopped.iteration == 2
        run(stopped)
        run(alone)
        assert_equal(weights(stopped), weights(alone))
    finally:
        stopped.stop()
        alone.stop()
