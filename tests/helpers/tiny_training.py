"""Trainings of a few updates on the quadratic game, and how two of them are compared."""

from __future__ import annotations

import numpy as np
import quadratic_game  # noqa: F401  # registers the environment

from policies import MADDPGConfig, MARDPGConfig

# Critics that descend, and nothing left to the case.
DESCENDED = {
    "critic_net": "quadratic-residual",
    "actor_lr": 2e-3,
    "reward_scale": 0.5,
    "constraint": "none",
    "updates_per_episode": 1.0,
    "warmup_episodes": 1_000,
    "validation_episodes": 2_000,
}
TIMES = ("wall_s", "sample_s", "update_s")


def tiny(num_stages=2, seed=0, **settings):
    """Three iterations of eight updates per stage."""
    return (
        MADDPGConfig()
        .environment("quadratic_game")
        .env_runners(num_envs_per_env_runner=8)
        .training(actor_width=8, critic_width=8, critic_rows=4, minibatch_size=8)
        .training(**{**DESCENDED, **settings})
        .stages(num_stages=num_stages, episodes=24, warmup_episodes=8)
        .stages(updates_per_iteration=8, validation_episodes=16)
        .debugging(seed=seed)
    )


def tiny_recurrent(seed=0, num_rounds=2, time_steps=1, **settings):
    """Three iterations of eight updates."""
    return (
        MARDPGConfig()
        .environment("quadratic_game", env_config={"horizon": time_steps})
        .env_runners(num_envs_per_env_runner=8)
        .training(actor_width=8, critic_width=8, critic_rows=4, minibatch_size=8, **settings)
        .recurrence(num_rounds=num_rounds, time_steps=time_steps, memory_width=4)
        .stages(episodes=24, warmup_episodes=8, updates_per_episode=1.0)
        .stages(collect_share=0.5, updates_per_iteration=8, validation_episodes=16)
        .debugging(seed=seed)
    )


def run(algo):
    """Train to the end; the last result."""
    result = {}
    while not result.get("done"):
        result = algo.train()
    return result


def weights(algo):
    """All weights on the learner, flat and copied."""
    return {
        f"{module_id}.{name}": np.array(value)
        for module_id, state in algo.learner_group.get_weights().items()
        for name, value in state.items()
    }


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def untimed(counts):
    """What a stage has counted, without seconds."""
    return {name: value for name, value in counts.to_dict().items() if name not in TIMES}


def counts(algo):
    """Where the algorithm stands, without seconds; frozen weights included."""
    ended = [untimed(stage) for stage in algo.ended]
    frozen = [algo.actor_weights(stage + 1) for stage in range(len(ended))]
    return untimed(algo.counts), ended, frozen
