"""From the arguments of a training to a configuration, until all commands build recipes."""

from __future__ import annotations

from policies.staged.config import StagedConfig
from tuning.options.train_args import TrainArgs, as_recipe
from tuning.training.presets import make_config as make_from_recipe


def make_config(args: TrainArgs) -> StagedConfig:
    """The configuration of a training."""
    return make_from_recipe(as_recipe(args))
