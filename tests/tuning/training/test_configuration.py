"""The presets, named algorithms, and what the recipe of a training changes in them."""

from __future__ import annotations

from ray.rllib.env.env_context import EnvContext

from policies.algorithms.maddpg import MADDPGConfig
from policies.algorithms.registry import ALGORITHMS
from policies.sampling.environments import make_environment
from tuning.commands.train import TrainArgs
from tuning.options.arguments import options
from tuning.options.recipe import Recipe
from tuning.training.configuration import make_config as configured


def make_config(recipe):
    return configured(recipe.checked())


def test_fast_is_the_algorithms_own_defaults() -> None:
    config, own = make_config(Recipe()), MADDPGConfig()
    for name in ("critic_net", "actor_net", "actor_lr", "critic_lr", "sigma", "minibatch_size"):
        assert getattr(config, name) == getattr(own, name)
    assert (config.num_stages, config.episodes) == (2, None)


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
    for case, kind in (
        ("ieee13-volt", "penalty_kw_per_pu"),
        ("ieee13-day", "penalty_eur_per_pu_h"),
    ):
        for constraint in ("none", "lagrangian"):
            config = make_config(Recipe(case=case, settings={"constraint": constraint}))
            env = make_environment(config, EnvContext(config.env_config, worker_index=0))
            assert (getattr(env.case, kind) == 0.0) == (constraint == "lagrangian")


def test_every_name_is_listed_and_builds() -> None:
    (option,) = (o for f, _, o in options(TrainArgs) if f.name == "algorithm")
    assert option.choices == tuple(ALGORITHMS)
    for name, algorithm in ALGORITHMS.items():
        config = make_config(Recipe(algorithm=name))
        config.validate()
        paper = make_config(Recipe(algorithm=name, preset="paper"))
        assert paper.episodes[0] == algorithm.paper_episodes
        found = (config.num_stages, config.full_state, config.rounds)
        assert found == (algorithm.stages, name == "full-state", algorithm.rounds)
        assert config.episodes is None or len(config.episodes) == algorithm.stages


def test_what_sets_the_algorithms_apart() -> None:
    assert make_config(Recipe(algorithm="maddpg-1")).critic == "shared"
    assert make_config(Recipe(algorithm="maddpg-2")).critic == "separate"
    assert make_config(Recipe(algorithm="full-state")).full_state
    assert make_config(Recipe(algorithm="iterated")).rounds == 3
    titles = {(1, None): "MADDPG-1", (1, "separate"): "MADDPG-2", (2, None): "TS-MADDPG"}
    for (stages, critic), title in titles.items():
        settings = {"critic": critic} if critic else {}
        assert Recipe(stages=stages, settings=settings).named().title == title
    assert Recipe(stages=5).named().title == "MS-MADDPG-5"
