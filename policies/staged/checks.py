"""Whether a configuration is whole, and its plan can be carried out."""

from __future__ import annotations

from typing import Any

from ray.tune.search.sample import Domain

# What the machinery asks of every algorithm.
_NEEDED = (
    "gamma",
    "actor_lr",
    "lr_decay",
    "minibatch_size",
    "reward_scale",
    "whiten_inputs",
    "episodes",
    "updates_per_episode",
    "warmup_episodes",
    "collect_share",
    "updates_per_iteration",
    "max_episode_steps",
    "validation_episodes",
    "validation_seed",
    "selection",
    "sigma",
)


def is_search_space(value: Any) -> bool:
    """Whether a value stands for many, of which Ray Tune draws one."""
    return isinstance(value, Domain) or (isinstance(value, dict) and "grid_search" in value)


def check_complete(config: Any) -> None:
    """See that an algorithm has what the machinery asks, and that nothing is left to draw.

    Args:
        config: Of the algorithm.

    Raises:
        ValueError: Naming what is missing, or still to be drawn.
    """
    rates = [f"{name}_lr" for name in config.central_networks(None)]
    for name in (*_NEEDED, *rates):
        if name not in config.settings:
            raise ValueError(f"{config.title} has no setting {name}: add it to its `settings`")
    for name in config.settings:
        if is_search_space(getattr(config, name)):
            raise ValueError(f"{name} is a space to search, which is Ray Tune's to draw from")
    if "target" in config.candidates and not config.averaged:
        raise ValueError(
            f"{config.title} has no target actors, but names them among its `candidates`"
        )


def check_on_policy(config: Any) -> None:
    """See that every update of an on-policy algorithm has new trajectories.

    Args:
        config: Of the algorithm, whose memory serves one update.

    Raises:
        ValueError: Naming the first update that has none, and the remedy.
    """
    for stage in range(1, config.num_stages + 1):
        plan = config.plan(stage)
        for update in range(1, plan.updates):
            if plan.episodes_due(update) == plan.episodes_due(update - 1):
                raise ValueError(
                    f"updates_per_episode is {plan.updates / plan.episodes:g} and collect_share "
                    f"{config.collect_share:g}: update {update + 1} of {plan.updates} would have "
                    "no new trajectory; lower updates_per_episode, or set collect_share to 1"
                )
