"""The seam carries algorithms of other kinds: two toys learn, resume and are exported."""

from __future__ import annotations

from pathlib import Path

import best_of_samples
import numpy as np
import pytest
import quadratic_game  # noqa: F401  # registers the environment
import reinforce
from best_of_samples import BestOfSamplesConfig
from quadratic_game import decentralised_value
from reinforce import ReinforceConfig
from tiny_training import assert_equal, run, weights

from policies import load_controllers

pytestmark = pytest.mark.usefixtures("ray_session")


def off_policy(num_stages=1, episodes=600):
    return (
        BestOfSamplesConfig()
        .environment("quadratic_game")
        .training(actor_lr=5e-3, actor_width=16, minibatch_size=128, reward_scale=1.0)
        .stages(num_stages=num_stages, episodes=episodes, warmup_episodes=300)
        .stages(validation_episodes=1000)
        .debugging(seed=0)
    )


def on_policy(num_stages=1, episodes=30_000):
    return (
        ReinforceConfig()
        .environment("quadratic_game", env_config={"horizon": 2})
        .training(actor_lr=1e-2, actor_width=16, gamma=0.5, reward_scale=1.0)
        .stages(num_stages=num_stages, episodes=episodes, updates_per_episode=0.01)
        .stages(warmup_episodes=100, collect_share=1.0, updates_per_iteration=50)
        .stages(validation_episodes=1000)
        .exploration(sigma=0.2)
        .debugging(seed=0)
    )


@pytest.mark.parametrize("module", [best_of_samples, reinforce])
def test_an_algorithm_is_a_short_file(module):
    assert len(Path(module.__file__).read_text().splitlines()) <= 80


@pytest.mark.parametrize(("config", "steps"), [(off_policy(), 1), (on_policy(), 2)])
def test_learns_what_one_stage_can(config, steps):
    algo = config.build_algo()
    run(algo)
    assert algo.ended[-1].best_return / steps == pytest.approx(decentralised_value(), abs=0.006)
    algo.stop()


@pytest.mark.parametrize(
    ("config", "other"),
    [
        (lambda: off_policy(2, 300).stages(updates_per_iteration=60), 0),
        (lambda: on_policy(2, 3_000).stages(updates_per_iteration=6), 1),
    ],
)
def test_two_stages_resume_to_the_last_bit_and_are_exported(config, other, tmp_path):
    whole = config().build_algo()
    run(whole)
    begun = config().build_algo()
    for _ in range(7):
        begun.train()
    assert begun.counts.stage == 2 and begun.counts.updates > 0
    path = begun.save_to_path(str(tmp_path / "checkpoint"))
    begun.stop()
    resumed = config().build_algo()
    resumed.restore_from_path(path)
    run(resumed)
    assert_equal(weights(whole), weights(resumed))
    assert [c.episodes for c in whole.ended] == [c.episodes for c in resumed.ended]

    whole.export_controllers(tmp_path / "controllers")
    loaded = load_controllers(tmp_path / "controllers")
    state = {"agent_0": np.array([12.0]), "agent_1": np.array([9.0])}
    for agent, controller in whole.controllers().items():
        first = controller.act(state[agent])
        second = controller.act(state[agent], first, np.array([1.01]))
        again = loaded[agent].act(state[agent], first, np.array([1.01]))
        np.testing.assert_array_equal(second, again)
    whole.stop()
    resumed.stop()
