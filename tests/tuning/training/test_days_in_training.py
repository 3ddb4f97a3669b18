"""What the runner does on days, and what a training on days is configured by."""

from __future__ import annotations

import numpy as np
import pytest

from policies.learning.modules import actor_id
from policies.sampling.runner import StagedRunner
from tuning.options.recipe import Recipe
from tuning.training.configuration import make_config


@pytest.fixture
def runner() -> StagedRunner:
    settings = {"actor_width": 8, "gamma": 0.9}
    config = make_config(Recipe(case="ieee13-day", settings=settings).checked())
    config.validate()
    return StagedRunner(config=config)


def test_validation_is_on_validation_days_and_collection_on_training_days(runner):
    weights = runner.module[actor_id(1)].actor.state_dict()
    seen = []
    env = runner.lanes(5)
    draw_from = env.draw_from
    env.draw_from = lambda split: (seen.append(split), draw_from(split))[1]
    found = runner.validate(weights, 5, seed=0)
    score, probes = found.score, found.probes
    assert (seen, probes) == (["validation", "train"], 0)
    assert score == runner.validate(weights, 5, seed=0).score
    rollout = runner.collect(5, (0, 1, 0), sigma=0.1)
    assert rollout.env_steps == 5 * 24 and len(rollout.returns) == 5
    steps = rollout.steps  # (T, B, width)
    assert steps["terminated"].sum() == 5
    assert steps["reward"].shape == (24, 5, 2)  # one for each agent's own critic
    # The next inputs of a step are the inputs of the next one, until the day is over.
    np.testing.assert_array_equal(steps["next_inputs"][:-1], steps["inputs"][1:])


def test_settings_of_the_recipe_win():
    recipe = Recipe(
        case="ieee13-day", settings={"tau": 0.5}, episodes=(7,), stages=1, seed=4
    ).checked()
    config = make_config(recipe)
    assert (config.tau, config.episodes, config.num_stages, config.seed) == (0.5, [7], 1, 4)
    assert 0.9 < config.gamma < 1.0 and config.critic == "separate"


def test_algorithms_fix_what_makes_them():
    shared = make_config(Recipe(case="ieee13-day", algorithm="maddpg-1").checked())
    assert (shared.critic, shared.num_stages, shared.critic_net) == (
        "shared",
        1,
        "saddle-residual",
    )
    recurrent = make_config(Recipe(case="ieee13-day", steps=96, algorithm="ma-rdpg").checked())
    assert (recurrent.time_steps, recurrent.gamma) == (96, 0.95)
    recurrent.validate()
