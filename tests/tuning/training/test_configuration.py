"""The presets and what the recipe of a training change in them."""

from __future__ import annotations

from policies.algorithms.maddpg import MADDPGConfig
from tuning.options.recipe import Recipe
from tuning.training.configuration import make_config as configured


def make_config(recipe):
    return configured(recipe.checked())


def test_fast_is_the_algorithms_own_defaults() -> None:
    config, own = make_config(Recipe()), MADDPGConfig()
    for name in ("critic_net", "actor_net", "actor_lr", "critic_lr", "sigma", "minibatch_size"):
        assert getattr(config, name) == getattr(own, name)
    assert (config.num_stages, config.episodes) == (2, [10_000, 10_000])


def test_paper_has_the_papers_settings() -> None:
    config = make_config(Recipe(preset="paper"))
    assert (config.critic_net, config.actor_net) == ("paper", "paper")
    assert (config.actor_width, config.critic_width) == (64, 64)
    assert config.actor_lr == config.critic_lr == [2.5e-4]
    assert (config.tau, config.sigma, config.minibatch_size) == (0.001, [0.05], 1024)
    assert (config.replay_capacity, config.actor_step) == (100_000, "own")
    assert config.episodes == [620_000, 10_000]
    assert make_config(Recipe(preset="paper", stages=3)).episodes[2] == 10_000
    assert make_config(Recipe(preset="paper", stages=1)).episodes == [620_000]


def test_the_recipe_wins_over_the_preset() -> None:
    config = make_config(
        Recipe(
            preset="paper",
            episodes=(30, 20),
            settings={
                "critic": "separate",
                "critic_net": "quadratic-residual",
                "updates_per_episode": 0.5,
            },
            num_envs=10,
            seed=7,
        )
    )
    assert (config.critic, config.critic_net) == ("separate", "quadratic-residual")
    assert [config.plan(stage).episodes for stage in (1, 2)] == [30, 20]
    assert [config.plan(stage).updates for stage in (1, 2)] == [15, 10]
    assert (config.num_envs_per_env_runner, config.seed) == (10, 7)


def test_a_constraint_takes_the_penalty_out_of_the_reward() -> None:
    plain = make_config(Recipe(case="ieee13-volt")).env_config
    assert "penalty_kw_per_pu" not in plain
    priced = make_config(Recipe(case="ieee13-volt", settings={"constraint": "lagrangian"}))
    assert priced.env_config == {**plain, "penalty_kw_per_pu": 0.0}
