"""Trainings that learn the quadratic game, with little work and small networks."""

from __future__ import annotations

import quadratic_game  # noqa: F401  # registers the environment
from tiny_training import DESCENDED

from policies import MADDPGConfig, MARDPGConfig


def learning(**settings):
    """As a user writes it, with little work and small networks."""
    return (
        MADDPGConfig()
        .environment("quadratic_game")
        .training(actor_width=32, critic_width=32, critic_rows=8, minibatch_size=128)
        .training(**{**DESCENDED, "actor_lr": 6e-3, "critic_lr": 1e-2, **settings})
        .stages(episodes=400, warmup_episodes=150, updates_per_iteration=100)
        .stages(validation_episodes=1000)
        .exploration(sigma=[0.3, 0.1])
        .debugging(seed=0)
    )


def recurrent(**settings):
    """As a user writes it, with little work and small networks."""
    return (
        MARDPGConfig()
        .environment("quadratic_game")
        .training(actor_width=24, critic_width=24, critic_rows=8, minibatch_size=128)
        .training(**{"actor_lr": 6e-3, "critic_lr": 1e-2, "tau": 0.02, **settings})
        .recurrence(memory_width=12)
        .stages(episodes=1200, warmup_episodes=200, updates_per_episode=1.0, collect_share=0.5)
        .stages(updates_per_iteration=300, validation_episodes=1000)
        .debugging(seed=0)
    )
