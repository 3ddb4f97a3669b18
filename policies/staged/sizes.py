"""Settings that follow from the case: what nobody has set is chosen before training begins.

What a case is like is read off a survey: some episodes under random actions, which count as the
first of the warm-up. All that follows is in the table of settings, and can be given instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray.rllib.env.env_context import EnvContext
from torch import Tensor

from policies.contract.joint_spec import JointSpec
from policies.learning.quadratic_fit import Directions
from policies.sampling.environments import make_environment
from policies.sampling.lanes import Lanes

SPREAD = 6.0  # standard deviation of rewards as they are learnt
EPISODES = 20_000  # of all stages, unless a fit needs more
SURPLUS = (1.2, 1.07)  # rows of a fit over its unknowns: better, and just enough
AMPLE = 1.6  # the same, where `EPISODES` would not do anyway: a third of the iterations
LATER = 1_800  # least episodes of the stages behind the first
FIRST_SHARE = 0.4  # of the episodes, for the first of two stages
UPDATES = (6_000, 14_000)  # of the first stage, and of each later one
ACTOR_RATE = 1e-2  # of actors whose critic is fitted
RATED_DIRECTIONS = 50  # up to which it is that; beyond, it falls as their number grows
WARMUP = 1_000  # episodes at least before the first update of a stage
VALIDATED = (2_000, 10_000)  # episodes of a validation: as a rule, and where bounds are in reach
SURVEYED = 250  # episodes at least, of an environment with a joint form
COPIES_SURVEYED = 8  # of one without

# What may be left open.
OPEN = (
    "critic_net",
    "reward_scale",
    "constraint",
    "episodes",
    "updates_per_episode",
    "warmup_episodes",
    "actor_lr",
    "validation_episodes",
)


@dataclass(frozen=True)
class Survey:
    """What some episodes under random actions have shown.

    Attributes:
        episodes: How many.
        env_steps: Their time steps.
        reward_spread: Standard deviation of a reward, in the unit of the environment.
        directions: In which states and actions vary.
        obs_spread: (O,) standard deviation of what is measured; empty where nothing is bounded.
        bounds_in_reach: Whether some action may bring what is measured out of its bounds.
    """

    episodes: int
    env_steps: int
    reward_spread: float
    directions: int
    obs_spread: tuple[float, ...] = ()
    bounds_in_reach: bool = False


def survey(config: Any, episodes: int | None) -> Survey:
    """Act at random for a few episodes.

    Bounds count as in reach unless what is measured, taken as linear in D variables that are
    uniform and independent, lies within them at sqrt(3 D) standard deviations from its mean, which
    none of their values exceeds.

    Args:
        config: Of an algorithm.
        episodes: At most; None: as many as tell the directions of the case.
    """
    config = config.copy(copy_frozen=False)
    config.reward_scale = 1.0
    priced = "constraint" in config.settings and config.constraint != "none"
    if priced:
        config.constraint = "lagrangian"
    context = EnvContext(config.env_config, worker_index=0)
    lanes = Lanes(partial(make_environment, config, context), COPIES_SURVEYED)
    try:
        spec = JointSpec.of(lanes(1))
        if priced and not spec.obs_low:
            config.constraint = "none"
        wanted = max(SURVEYED, 2 * (spec.state_dim + spec.action_dim))
        count = min(lanes.at_most(wanted), *([max(2, episodes)] if episodes else []), wanted)
        env = lanes(count)
        env_seed, seed = np.random.SeedSequence((config.seed or 0, 0, 0, 1)).spawn(2)
        explorer = config.random_explorer(
            (count, spec.action_dim), np.random.default_rng(seed), spec
        )
        collector = config.collector_class(config, spec, 1, lambda stage: None, None)
        rollout = collector.run(env, count, env_seed, explorer)
    finally:
        lanes.close()
    rows = rollout.rows()
    z = np.concatenate([rows["inputs"][:, : spec.state_dim], rows["action"]], axis=1)
    found = Survey(
        count, rollout.env_steps, _spread(rows["reward"]), directions_of(torch.from_numpy(z))
    )
    if "obs" not in rows:
        return found
    obs = rows["obs"].reshape(-1, spec.obs_dim).astype(np.float64)
    mean, spread = obs.mean(0), obs.std(0)
    reach = math.sqrt(3 * found.directions) * spread
    out = (mean + reach > spec.obs_high) | (mean - reach < spec.obs_low)
    return replace(found, obs_spread=tuple(spread.tolist()), bounds_in_reach=bool(out.any()))


def _spread(reward: NDArray[np.float32]) -> float:
    """The greatest standard deviation of a column."""
    return float(reward.astype(np.float64).std(0).max())


def directions_of(z: Tensor) -> int:
    """In how many directions rows (N, D) vary."""
    return Directions(z, torch.full((len(z),), 1.0 / len(z))).count


def rows_to_fit(directions: int, surveyed: int = SURVEYED) -> int:
    """Rows from which a quadratic in so many variables can be told.

    Just enough is what they are where more would not fit into `EPISODES`, and ample where those
    would not either.

    Args:
        directions: D.
        surveyed: episodes that the survey took.
    """
    unknowns = directions * (directions + 3) // 2 + 1
    ample, better, enough = (math.ceil(surplus * unknowns) for surplus in (AMPLE, *SURPLUS))
    room = EPISODES - LATER - surveyed
    return ample if enough > room else max(enough, min(better, room))


def rate_of(directions: int) -> float:
    """Learning rate of actors behind a fitted critic: more inputs sway an action further."""
    return float(f"{ACTOR_RATE * min(1.0, RATED_DIRECTIONS / max(1, directions)):.2g}")


def episodes_of(warmup: int, stages: int) -> list[int]:
    """Episodes of each stage: the first has what its fit needs, the others share the rest.

    They are `EPISODES` in all, whatever the number of stages, unless a fit needs more.
    """
    share = FIRST_SHARE if stages == 2 else 1 / stages
    first = max(warmup, round(share * EPISODES))
    others = stages - 1
    if first + LATER * others > EPISODES:
        return [first, *[first // 4] * others]
    rest = EPISODES - first
    return [first, *(rest // others + (i < rest % others) for i in range(others))]


def sized(config: Any) -> Any:
    """Choose what is left open.

    Args:
        config: Of an algorithm; not changed.

    Returns:
        A copy in which every setting has a value, and `chosen` holds those that were chosen; the
        configuration itself where nothing is open.
    """
    left = [name for name in OPEN if name in config.settings and is_open(config, name)]
    if not left:
        return config
    config = config.copy(copy_frozen=False)
    given, found = config.episodes, Survey(0, 0, 0.0, 0)
    free = {"updates_per_episode", "validation_episodes"}
    if getattr(config, "critic_net", "paper") not in ("auto", "fitted"):
        free.add("actor_lr")
    if {*left} - free:
        found = config.survey = survey(config, None if given is None else given[0] // 4)
    if "critic_net" in left:
        rows = math.inf if given is None else given[0] - found.episodes
        fits = (
            config.can_fit
            and config.gamma == 0.0
            and rows >= rows_to_fit(found.directions, found.episodes)
        )
        config.critic_net = "fitted" if fits else "quadratic-residual"
    chosen = _chosen(config, found)
    for name in left:
        if name in chosen:
            setattr(config, name, chosen[name])
    config.chosen = {name: getattr(config, name) for name in left}
    return config


def is_open(config: Any, name: str) -> bool:
    """Whether a setting is left to the case."""
    return getattr(config, name) in (None, "auto")


def _chosen(config: Any, found: Survey) -> dict[str, Any]:
    """What follows from a survey, whether it is open or not."""
    stages, given = config.num_stages, config.episodes
    fitted = getattr(config, "critic_net", None) == "fitted"
    spread = found.reward_spread
    episodes = given or [EPISODES // 2] * stages
    updates, warmup = [1.0], WARMUP
    if fitted:
        warmup = max(WARMUP, rows_to_fit(found.directions, found.episodes))
        if given is None:
            episodes = episodes_of(found.episodes + warmup, stages)
            work = [UPDATES[min(k, 1)] for k in range(stages)]
            updates = [u / e for u, e in zip(work, episodes, strict=True)]
    return {
        "reward_scale": SPREAD / spread if 0.0 < spread < math.inf else 1.0,
        "constraint": "lagrangian" if found.bounds_in_reach else "none",
        "episodes": episodes,
        "updates_per_episode": updates,
        "warmup_episodes": warmup,
        "actor_lr": [rate_of(found.directions) if fitted else 2e-3],
        "validation_episodes": VALIDATED[found.bounds_in_reach],
    }
