"""MADDPG's variants on RLlib, on a game whose best value is known."""

from __future__ import annotations

import numpy as np
import pytest
import quadratic_game  # registers the environment
from learning import learning
from quadratic_game import decentralised_value
from tiny_training import run

from policies import load_controllers

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.mark.parametrize("actor_step", ["joint", "own"])
def test_separate_critics_on_the_agents_own_rewards(actor_step):
    algo = learning(critic="separate", actor_step=actor_step).build_algo()
    run(algo)
    assert algo.memory.column("reward").shape == (400, 2)
    assert algo.counts.best_return == pytest.approx(decentralised_value(), rel=0.05)
    algo.stop()


def test_the_papers_networks_and_actor_step_learn():
    algo = learning(
        critic_net="paper", actor_net="paper", actor_step="own", tau=0.01, lr_decay="constant"
    ).build_algo()
    run(algo)
    idle = -np.square(np.array(quadratic_game.GAINS)).sum() / 3  # of a = 0
    assert algo.counts.best_return > 0.5 * (idle + decentralised_value())
    algo.stop()


@pytest.mark.parametrize("target_input", ["probe", "literal"])
def test_several_time_steps_with_a_discount(target_input):
    config = learning(gamma=0.5, tau=0.05, target_input=target_input)
    config.environment(env_config={"horizon": 3}).stages(num_stages=2)
    algo = config.build_algo()
    run(algo)
    for number, stage in enumerate(algo.ended, start=1):
        assert (stage.episodes, stage.env_steps) == (400, 1200)
        probed = 4 if target_input == "probe" else 3  # with the final state, or without
        assert stage.probes == 400 * probed * (number - 1)
    assert len(algo.memory) == 1200
    assert not algo.memory.column("terminated").any()
    first, second = (stage.best_return for stage in algo.ended)
    assert first == pytest.approx(3 * decentralised_value(), rel=0.05)
    assert second > 0.5 * first
    algo.stop()


def test_a_plain_multi_agent_environment_trains_one_stage(tmp_path):
    config = learning().environment(env_config={"joint": False, "low": -6.0, "high": 10.0})
    config.stages(validation_episodes=200).env_runners(num_envs_per_env_runner=50)
    algo = config.build_algo()
    run(algo)
    assert algo.counts.best_return == pytest.approx(decentralised_value(), rel=0.3)
    algo.export_controllers(tmp_path)
    algo.stop()
    # The best rule is a_i = 0.4 s_i in the game's units, here spread over [-6, 10].
    action = load_controllers(tmp_path)["agent_0"].act([[-1.0], [0.0], [1.0]])
    np.testing.assert_allclose(action[:, 0], [2.0 - 3.2, 2.0, 2.0 + 3.2], atol=0.8)
