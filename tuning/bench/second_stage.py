"""A training in its second stage, and the work of it that is timed; the one place that knows how a
staged algorithm is asked for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from policies.algorithms.maddpg import MADDPG
from policies.algorithms.maddpg_update import MADDPGUpdate
from policies.staged.algorithm import MINIBATCHES_PER_CALL
from policies.staged.setting import Value
from tuning.options.recipe import Recipe
from tuning.training.configuration import make_config

# What is timed: critics that descend with every update, on rewards as they are.
DESCENDED: dict[str, Value] = {
    "critic_net": "quadratic-residual",
    "actor_lr": (2e-3,),
    "reward_scale": 0.5,
    "constraint": "none",
    "warmup_episodes": 1_000,
}
UPDATES = MINIBATCHES_PER_CALL  # of one call of the learner
SIGMA = 0.1


def second_stage(recipe: Recipe, lanes: int) -> MADDPG:
    """A training at the beginning of its second stage, which does not end.

    Args:
        recipe: What to train, in as many processes as it says.
        lanes: Feeders stepped at once, and episodes of the first stage.
    """
    recipe = replace(recipe, stages=2, episodes=(lanes, 10_000_000), num_envs=lanes)
    recipe = replace(recipe, settings={**DESCENDED, **recipe.settings})
    config = make_config(recipe.checked()).stages(updates_per_episode=1e-3, updates_per_iteration=1)
    config.stages(validation_episodes=100)
    algo: MADDPG = config.build_algo()
    while algo.counts.stage == 1 or algo.counts.updates == 0:
        algo.train()
    return algo


def sample(algo: MADDPG, lanes: int) -> int:
    """Collect episodes of one step from all runners, ``lanes`` from each; return how many."""
    episodes = lanes * max(1, algo.config.num_env_runners)
    return sum(len(rollout.returns) for rollout in algo.collect(episodes, sigma=SIGMA))


def update(algo: MADDPG) -> int:
    """Do `UPDATES` updates through RLlib."""
    algo.update(UPDATES)
    return UPDATES


@dataclass(frozen=True)
class BareUpdates:
    """The active stage's updates without RLlib, on a copy of its networks and optimizers.

    Attributes:
        team: The copy.
        rates: Learning rates of actors and critic.
        tau: Step of the target actors.
        step: Updates the copy by one minibatch, columns by name.
    """

    team: MADDPGUpdate
    rates: tuple[float, float]
    tau: float
    step: Callable[[dict[str, Tensor]], object]


def bare_updates(algo: MADDPG) -> BareUpdates:
    """Copy the networks of the active stage out of a training with a learner in this process."""
    config = algo.config
    copies = algo.learner_group.foreach_learner(lambda own: copy.deepcopy(own.stage_update()))
    team: MADDPGUpdate = next(iter(copies)).get()
    rates = config.actor_lr[-1], config.critic_lr[-1]
    return BareUpdates(team, rates, config.tau, team.step)


def minibatches(algo: MADDPG, rng: np.random.Generator) -> list[dict[str, Tensor]]:
    """Draw `UPDATES` minibatches from the replay of a training."""
    size = algo.config.minibatch_size
    rows = algo.memory.batches(rng, UPDATES, size)
    columns = {name: torch.from_numpy(column) for name, column in rows.items()}
    return [
        {name: column[i * size : (i + 1) * size] for name, column in columns.items()}
        for i in range(UPDATES)
    ]
