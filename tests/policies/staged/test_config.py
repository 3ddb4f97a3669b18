"""How settings go together, and what the parts of the machinery are told of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quadratic_game import JointGame

from policies import MADDPG, MARDPG, MADDPGConfig, MARDPGConfig
from policies.contract.joint_spec import JointSpec
from policies.sampling.memories import JointReplay, TrajectoryMemory
from policies.sampling.rollout import Rollout
from policies.sampling.runner import StagedRunner

SPEC = JointSpec.of(JointGame(1, 0))


@pytest.mark.parametrize(
    ("where", "setting", "value"),
    [
        ("stages", "num_stages", 0),
        ("stages", "episodes", 0),
        ("stages", "episodes", [10, -1]),
        ("stages", "episodes", [10, 10, 10]),
        ("stages", "episodes", []),
        ("stages", "updates_per_episode", -1.0),
        ("stages", "updates_per_episode", float("nan")),
        ("stages", "warmup_episodes", 0),
        ("stages", "collect_share", 0.0),
        ("stages", "collect_share", 1.5),
        ("stages", "updates_per_iteration", 0),
        ("stages", "validation_episodes", 0),
        ("training", "critic", "joint"),
        ("training", "critic_net", "deep"),
        ("training", "critic_width", 0),
        ("training", "critic_rows", 0),
        ("training", "actor_net", "deep"),
        ("training", "actor_width", 0),
        ("training", "whiten_floor", 0.0),
        ("training", "actor_lr", 0.0),
        ("training", "actor_lr", [1e-3, -1e-3]),
        ("training", "critic_lr", float("nan")),
        ("training", "critic_lr", []),
        ("training", "lr_decay", "linear"),
        ("training", "tau", 0.0),
        ("training", "tau", 1.1),
        ("training", "actor_step", "both"),
        ("training", "target_input", "none"),
        ("training", "reward_scale", 0.0),
        ("training", "replay_capacity", 0),
        ("training", "gamma", 1.0),
        ("training", "gamma", -0.1),
        ("training", "minibatch_size", 0),
        ("exploration", "noise", "white"),
        ("exploration", "sigma", -0.1),
        ("exploration", "sigma", [0.3, 0.2, 0.1]),
        ("exploration", "sigma", []),
        ("debugging", "seed", -1),
    ],
)
def test_bad_settings_are_refused_by_name(where, setting, value):
    config = MADDPGConfig().environment("quadratic_game").stages(num_stages=2)
    with pytest.raises(ValueError, match=rf"^{setting} is "):
        getattr(config, where)(**{setting: value})
        config.validate()  # where it depends on others


def test_minibatches_are_shared_evenly_among_learners():
    config = MADDPGConfig().environment("quadratic_game").training(minibatch_size=33)
    config.validate()
    with pytest.raises(
        ValueError, match=r"minibatch_size is 33, must be a multiple of num_learners \(2\)"
    ):
        config.learners(num_learners=2).validate()


def test_one_number_of_episodes_serves_all_stages():
    config = MADDPGConfig().stages(num_stages=3, episodes=500, updates_per_episode=2.0)
    config.stages(warmup_episodes=250)
    assert [config.plan(stage).episodes for stage in (1, 2, 3)] == [500] * 3
    assert config.plan(3).updates == 1000
    config.stages(episodes=[500, 20, 1])
    assert [config.plan(stage).episodes for stage in (1, 2, 3)] == [500, 20, 1]
    assert [config.plan(stage).warmup for stage in (1, 2, 3)] == [250, 10, 1]


@pytest.mark.parametrize(("kind", "algorithm"), [(MADDPGConfig, MADDPG), (MARDPGConfig, MARDPG)])
def test_config_names_its_parts(kind, algorithm):
    config = kind()
    assert config.algo_class is algorithm and config.env_runner_cls is StagedRunner
    assert type(algorithm.get_default_config()) is kind
    assert algorithm.get_default_config().num_stages == 1
    assert isinstance(config, MADDPGConfig)


def test_rounds_need_several_stages():
    config = MADDPGConfig().environment("quadratic_game").stages(rounds=3)
    with pytest.raises(ValueError, match="rounds is 3, must be 1 where num_stages is 1"):
        config.validate()
    config.stages(num_stages=2).validate()


def test_a_copy_and_a_dict_hold_the_same_settings():
    config = MADDPGConfig().training(actor_lr=[1e-3, 2e-3], critic_tau=0.5, carry_critic=False)
    for other in (config.copy(), MADDPGConfig().update_from_dict(config.to_dict())):
        assert {name: getattr(other, name) for name in config.settings} == {
            name: getattr(config, name) for name in config.settings
        }
    config.copy().actor_lr.append(9.0)
    assert config.actor_lr == [1e-3, 2e-3]


def test_lists_of_two_configurations_are_their_own():
    first, second = MADDPGConfig(), MADDPGConfig()
    first.critic_lr.append(9.0)
    assert second.critic_lr == [3e-3, 1e-3]


# --- what parts are told ------------------------------------------------------------------


def test_modules_of_a_number_of_stages():
    config = MADDPGConfig().stages(num_stages=2)
    assert config.module_ids == ("actor_1", "actor_2", "critic")
    config.training(constraint="lagrangian")
    assert config.module_ids == ("actor_1", "actor_2", "critic", "constraint")


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_widths_of_a_row(critic):
    config = MADDPGConfig().stages(num_stages=2).training(critic=critic, gamma=0.5)
    assert config.row_widths(SPEC, 2) == {
        "inputs": 6,
        "action": 2,
        "reward": 1 if critic == "shared" else 2,
        "next_inputs": 6,
        "terminated": 1,
    }
    config.training(gamma=0.0, constraint="lagrangian")
    assert set(config.row_widths(SPEC, 1)) == {"inputs", "action", "reward", "obs"}


def test_the_memory_is_the_algorithms():
    config = MADDPGConfig().training(replay_capacity=7, gamma=0.25)
    replay = config.make_memory(SPEC, 1)
    assert isinstance(replay, JointReplay) and replay.capacity == 7
    config.memory_class = TrajectoryMemory
    assert config.make_memory(SPEC, 1).gamma == 0.25


def test_the_score_is_the_mean_return():
    live = np.ones((1, 2), bool)
    rollout = Rollout({"obs": np.zeros((1, 2, 2), np.float32)}, live, live, returns=[1.0, 4.0])
    assert MADDPGConfig().score(rollout, SPEC, 1) == 2.5


def test_inputs_of_trajectories_are_fitted_round_by_round():
    config = MARDPGConfig().recurrence(num_rounds=2, time_steps=2)
    x = torch.arange(24.0).view(2, 12)  # four rounds of three columns
    assert config.actor_sample(x)[1].tolist() == [[3, 4, 5], [15, 16, 17]]
    assert MADDPGConfig().actor_sample(x) is x


@pytest.mark.parametrize("kind", [MADDPGConfig, MARDPGConfig])
def test_help_shows_the_settings_that_there_are(kind):
    for setting in kind.settings.values():
        assert f"    {setting.name} ({setting.bounds}): {setting.words}" in kind.__doc__
    assert ("num_stages (" in kind.__doc__) == (kind is MADDPGConfig)
