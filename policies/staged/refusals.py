"""Settings that RLlib has and algorithms in stages do not honour: refused by name, not ignored."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_RATES = "set actor_lr (and critic_lr)"
_ROWS = "set minibatch_size and updates_per_episode"
_CONNECTORS = "connectors have no place here: whole joint rows go from environment to learner"
_EPISODES = "whole trajectories are collected: set episodes and updates_per_iteration"
_MODULES = "there is a module per stage and one for each central network: set num_stages"
_NETWORKS = "set actor_width, actor_net, critic_width and critic_net"
_OFFLINE = "there is no offline training"
_STACK = "there is only RLlib's new API stack"
_SPACES = "spaces are read off the environment"

# By attribute of `AlgorithmConfig`: what to do instead.
NOT_HONOURED: dict[str, str] = {
    "lr": _RATES,
    "grad_clip": "gradients are not clipped; lower the rates",
    "grad_clip_by": "gradients are not clipped; lower the rates",
    "_torch_lr_scheduler_classes": "set lr_decay",
    "_torch_grad_scaler_class": "gradients are not scaled",
    "torch_skip_nan_gradients": "observations and rewards that are no numbers are refused",
    "optimizer": f"Adam is used: {_RATES}",
    "train_batch_size": _ROWS,
    "_train_batch_size_per_learner": _ROWS,
    "num_epochs": _ROWS,
    "shuffle_batch_per_epoch": "rows are drawn at random from the memory",
    "_learner_connector": _CONNECTORS,
    "add_default_connectors_to_learner_pipeline": _CONNECTORS,
    "_env_to_module_connector": _CONNECTORS,
    "_module_to_env_connector": _CONNECTORS,
    "add_default_connectors_to_env_to_module_pipeline": _CONNECTORS,
    "add_default_connectors_to_module_to_env_pipeline": _CONNECTORS,
    "rollout_fragment_length": _EPISODES,
    "episode_lookback_horizon": _EPISODES,
    "min_train_timesteps_per_iteration": _EPISODES,
    "min_sample_timesteps_per_iteration": _EPISODES,
    "count_steps_by": "steps are those of the environment",
    "explore": "set sigma=0, or act with exported controllers",
    "exploration_config": "use exploration(sigma=...)",
    "observation_filter": "set whiten_inputs",
    "compress_observations": "rows are held as they are",
    "clip_rewards": "set reward_scale",
    "normalize_actions": "actions are always scaled from [-1, 1]",
    "clip_actions": "actions are always within their bounds",
    "action_mask_key": "there are no action masks",
    "gym_env_vectorize_mode": "set num_envs_per_env_runner",
    "policies_to_train": _MODULES,
    "observation_fn": "put it into the environment",
    "observation_space": _SPACES,
    "action_space": _SPACES,
    "model": _NETWORKS,
    "_model_config": _NETWORKS,
    "_rl_module_spec": _NETWORKS,
    "algorithm_config_overrides_per_module": "all modules share one configuration",
    "input_": _OFFLINE,
    "output": _OFFLINE,
    "torch_compile_learner": "updates are not compiled",
    "torch_compile_worker": "actors are not compiled",
    "enable_rl_module_and_learner": _STACK,
    "enable_env_runner_and_connector_v2": _STACK,
    "framework_str": "networks are PyTorch's",
    "create_local_env_runner": "the local runner validates",
    "sample_timeout_s": "runners are waited for, see restart_failed_env_runners",
    "metrics_num_episodes_for_smoothing": "metrics are means over ten rollouts",
    "num_gpus": "set num_gpus_per_learner",
    "num_aggregator_actors_per_learner": "rows are batched in the algorithm's own process",
}


# Values that say what happens anyway.
HARMLESS: dict[str, Any] = {"rollout_fragment_length": "auto", "clip_rewards": False}


def check_honoured(config: AlgorithmConfig, title: str, made: Collection[str]) -> None:
    """Refuse what is set and would be ignored.

    Args:
        config: As the user has set it.
        title: Of the algorithm.
        made: Policies that an earlier check has set.

    Raises:
        ValueError: Naming the setting, its value and what to do instead.
    """
    usual = AlgorithmConfig()
    for name, remedy in NOT_HONOURED.items():
        value = getattr(config, name)
        if value != getattr(usual, name) and (name not in HARMLESS or value != HARMLESS[name]):
            shown = name.removeprefix("_")
            raise ValueError(f"{shown} is {value!r}, which {title} does not use: {remedy}")
    if set(config.policies) not in (set(usual.policies), set(made)):
        raise ValueError(f"policies is set, which {title} does not use: {_MODULES}")
    if config.policy_mapping_fn not in (usual.policy_mapping_fn, own_mapping):
        raise ValueError(f"policy_mapping_fn is set, which {title} does not use: {_MODULES}")


def own_mapping(agent_id: Any, episode: Any = None, **kwargs: Any) -> str:
    """Which module acts for an agent: a stage's actors hold all agents."""
    return "actor_1"
