"""Presets of the training: the only place where they differ from `MADDPGConfig`'s defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from policies.algorithms.ma_rdpg import MARDPGConfig
from policies.staged.config import MADDPGConfig
from policies.staged.setting import Value
from tuning.options.recipe import Recipe

PAPER_LATER_EPISODES = 10_000  # of every stage after the first


def _fast(config: MADDPGConfig) -> MADDPGConfig:
    """The defaults of `MADDPGConfig` are the best this project knows."""
    return config


def _paper(config: MADDPGConfig) -> MADDPGConfig:
    """Networks, rates, noise and update rule of the paper (its section V and Algorithm 1)."""
    config.training(
        critic_net="paper",
        actor_net="paper",
        whiten_inputs=False,
        actor_lr=2.5e-4,
        critic_lr=2.5e-4,
        lr_decay="constant",
        tau=0.001,
        actor_step="own",
        replay_capacity=100_000,
        minibatch_size=1024,
    )
    config.stages(updates_per_episode=1.0, warmup_episodes=1024, collect_share=1.0)
    return config.exploration(noise="gaussian", sigma=0.05)


PRESETS: dict[str, Callable[[MADDPGConfig], MADDPGConfig]] = {"fast": _fast, "paper": _paper}


def make_config(recipe: Recipe) -> MADDPGConfig:
    """The configuration of a training: preset first, then what the recipe says.

    Args:
        recipe: As `Recipe.checked` returns it.

    Returns:
        A configuration for the registered environment "grid".
    """
    algorithm = recipe.named()
    config = PRESETS[recipe.preset](MARDPGConfig() if algorithm.recurrent else MADDPGConfig())
    case: dict[str, Any] = {"case": recipe.case, **recipe.case_changes()}
    config.environment("grid", env_config=case)
    listed = recipe.episodes or tuple(config.episodes)
    if recipe.preset == "paper" and not recipe.episodes:
        listed = (algorithm.paper_episodes, PAPER_LATER_EPISODES)
    # Stages beyond those that are listed are as long as the last one.
    episodes = [listed[min(k, len(listed) - 1)] for k in range(recipe.num_stages)]
    config.stages(num_stages=recipe.num_stages, episodes=episodes, rounds=algorithm.rounds)
    apply_settings(
        config, {k: v for k, v in algorithm.fixed.items() if k in ("critic", "full_state")}
    )
    apply_settings(config, recipe.settings)
    if config.constraint != "none":  # which prices the bounds itself
        config.environment(env_config={**case, "penalty_kw_per_pu": 0.0})
    config.env_runners(num_env_runners=recipe.num_env_runners)
    if recipe.num_envs is not None:
        config.env_runners(num_envs_per_env_runner=recipe.num_envs)
    config.learners(
        num_learners=recipe.num_learners, num_gpus_per_learner=recipe.num_gpus_per_learner
    )
    config.debugging(seed=recipe.seed, log_level="ERROR")
    return config


def apply_settings(config: MADDPGConfig, settings: Mapping[str, Value]) -> None:
    """Set them through the configuration's own methods."""
    left: dict[str, Any] = dict(settings)
    for method in ("stages", "exploration", "recurrence"):
        setter = getattr(config, method, None)
        if setter is not None:
            known = inspect.signature(setter).parameters
            setter(**{name: left.pop(name) for name in list(left) if name in known})
    config.training(**left)
