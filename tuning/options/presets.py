"""Presets of the training: the only place where they differ from `MADDPGConfig`'s defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policies.algorithms.ma_rdpg import MARDPGConfig
from policies.staged.config import MADDPGConfig
from tuning.options.case_settings import case_changes
from tuning.options.settings import apply_settings, read_settings
from tuning.options.train_args import TrainArgs

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


def make_config(args: TrainArgs) -> MADDPGConfig:
    """The configuration of a training: preset first, then what the arguments say.

    Args:
        args: Checked arguments of ``train``; None leaves the preset's value.

    Returns:
        A configuration for the registered environment "grid".
    """
    algorithm = args.named()
    config = PRESETS[args.preset](MARDPGConfig() if algorithm.recurrent else MADDPGConfig())
    case: dict[str, Any] = {"case": args.case, **case_changes(args)}
    config.environment("grid", env_config=case)
    listed = args.episodes or tuple(config.episodes)
    if args.preset == "paper" and not args.episodes:
        listed = (algorithm.paper_episodes, PAPER_LATER_EPISODES)
    # Stages beyond those that are listed are as long as the last one.
    episodes = [listed[min(k, len(listed) - 1)] for k in range(args.stages)]
    config.stages(num_stages=args.stages, episodes=episodes, rounds=algorithm.rounds)
    config.training(full_state=algorithm.full_state)
    if args.updates_per_episode is not None:
        config.stages(updates_per_episode=args.updates_per_episode)
    apply_settings(config, read_settings(args.settings or ()))
    if config.constraint != "none":  # which prices the bounds itself
        config.environment(env_config={**case, "penalty_kw_per_pu": 0.0})
    if args.critic is not None:
        config.training(critic=args.critic)
    if args.critic_net is not None:
        config.training(critic_net=args.critic_net)
    config.env_runners(num_env_runners=args.num_env_runners)
    if args.num_envs is not None:
        config.env_runners(num_envs_per_env_runner=args.num_envs)
    config.learners(num_learners=args.num_learners, num_gpus_per_learner=args.num_gpus_per_learner)
    config.debugging(seed=args.seed, log_level="ERROR")
    return config
