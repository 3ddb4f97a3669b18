"""From a recipe to the configuration of an algorithm: preset, named algorithm, recipe."""

from __future__ import annotations

from policies.algorithms.registry import new_config
from policies.learning.schedule import of_stage
from policies.staged.config import StagedConfig
from tuning.errors import CommandError
from tuning.options.recipe import Recipe
from tuning.subjects.kinds import subject_of
from tuning.subjects.subject import Subject


def make_config(recipe: Recipe, subject: Subject | None = None) -> StagedConfig:
    """The configuration of a training.

    Args:
        recipe: As `Recipe.checked` returns it.
        subject: What its case offers; made anew if None.

    Returns:
        A configuration for the registered environment of the case.

    Raises:
        CommandError: A recurrent algorithm is told of other trajectories than those of the case.
    """
    subject = subject_of(recipe.make_case()) if subject is None else subject
    algorithm = recipe.named()
    config = new_config(algorithm.family)
    preset = subject.preset(recipe)
    listed = recipe.episodes or preset.pop("episodes", None) or config.episodes
    preset.pop("episodes", None)
    for settings in (preset, algorithm.fixed, recipe.settings):
        config.training(**settings)
    if listed is not None:  # stages beyond those that are listed are as long as the last one
        config.stages(episodes=[of_stage(listed, k + 1) for k in range(recipe.num_stages)])
    if "time_steps" in preset and config.time_steps != preset["time_steps"]:
        raise CommandError(
            f"--settings: time_steps is {config.time_steps}, must be {preset['time_steps']}, the "
            f"steps of a trajectory of {recipe.case}"
        )
    name, env_config = subject.environment(recipe)
    config.environment(name, env_config=env_config)
    config.env_runners(num_env_runners=recipe.num_env_runners)
    if recipe.num_envs is not None:
        config.env_runners(num_envs_per_env_runner=recipe.num_envs)
    config.learners(
        num_learners=recipe.num_learners, num_gpus_per_learner=recipe.num_gpus_per_learner
    )
    config.debugging(seed=recipe.seed, log_level="ERROR")
    return config
