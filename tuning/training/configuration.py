"""From a recipe to the configuration of an algorithm: preset, named algorithm, recipe."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from policies.algorithms.ma_rdpg import MARDPGConfig
from policies.staged.config import MADDPGConfig
from tuning.options.recipe import Recipe
from tuning.subjects.kinds import subject_of
from tuning.subjects.subject import Subject
from tuning.training.days_runner import DAY_RUNNERS


def make_config(recipe: Recipe, subject: Subject | None = None) -> MADDPGConfig:
    """The configuration of a training.

    Args:
        recipe: As `Recipe.checked` returns it.
        subject: What its case offers; made anew if None.

    Returns:
        A configuration for the registered environment of the case.
    """
    subject = subject_of(recipe.make_case()) if subject is None else subject
    algorithm = recipe.named()
    config = MARDPGConfig() if algorithm.recurrent else MADDPGConfig()
    preset = subject.preset(recipe)
    listed = recipe.episodes or preset.pop("episodes", None) or tuple(config.episodes)
    preset.pop("episodes", None)
    # Stages beyond those that are listed are as long as the last one.
    episodes = [listed[min(k, len(listed) - 1)] for k in range(recipe.num_stages)]
    config.stages(num_stages=recipe.num_stages, episodes=episodes)
    fixed = {k: v for k, v in algorithm.fixed.items() if k != "num_stages"}
    for settings in (preset, fixed, recipe.settings):
        apply_settings(config, settings)
    name, env_config = subject.environment(recipe, priced=config.constraint != "none")
    config.environment(name, env_config=env_config)
    if recipe.on_days:
        config.env_runners(env_runner_cls=DAY_RUNNERS[algorithm.family])
    config.env_runners(num_env_runners=recipe.num_env_runners)
    if recipe.num_envs is not None:
        config.env_runners(num_envs_per_env_runner=recipe.num_envs)
    config.learners(
        num_learners=recipe.num_learners, num_gpus_per_learner=recipe.num_gpus_per_learner
    )
    config.debugging(seed=recipe.seed, log_level="ERROR")
    return config


def apply_settings(config: MADDPGConfig, settings: Mapping[str, Any]) -> None:
    """Set them through the configuration's own methods."""
    left: dict[str, Any] = dict(settings)
    for method in ("stages", "exploration", "recurrence"):
        setter = getattr(config, method, None)
        if setter is not None:
            known = inspect.signature(setter).parameters
            setter(**{name: left.pop(name) for name in list(left) if name in known})
    config.training(**left)
