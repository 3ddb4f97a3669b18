"""What is left to the case is chosen from a survey, written down, and can be given instead."""

from __future__ import annotations

import pytest
import quadratic_game  # noqa: F401  # registers the environment

import rllib_grid  # registers "grid"
from policies import MADDPGConfig, MARDPGConfig
from policies.staged.sizes import OPEN, SPREAD, episodes_of, rate_of, rows_to_fit, sized, survey


def grid(case="ieee13", **changes):
    config = MADDPGConfig().environment("grid", env_config={"case": case, **changes})
    return config.stages(num_stages=2).debugging(seed=0)


def test_everything_open_is_chosen_for_the_papers_case():
    config = grid()
    made = sized(config)
    assert set(made.chosen) == set(OPEN)
    assert config.episodes is None  # which is not changed
    assert made.survey.directions == 36  # 12 buildings: p, and two controls; q follows p
    assert made.critic_net == "fitted" and made.constraint == "lagrangian"
    assert sum(made.episodes) == 20_000
    assert [made.plan(stage).updates for stage in (1, 2)] == [6_000, 14_000]
    assert made.plan(1).warmup == made.survey.episodes + 1_000
    assert sized(made) is made


def test_what_is_given_stays():
    given = {"reward_scale": 2.0, "constraint": "none", "critic_net": "paper", "actor_lr": 1e-4}
    made = sized(grid().training(**given).stages(episodes=[3_000, 500]))
    assert made.episodes == [3_000, 500] and not set(given) & set(made.chosen)
    assert (made.reward_scale, made.constraint, made.actor_lr) == (2.0, "none", [1e-4])
    assert [made.plan(stage).updates for stage in (1, 2)] == [3_000, 500]
    assert sized(MARDPGConfig().environment("quadratic_game")).survey is None


def test_few_episodes_are_not_fitted_to():
    made = sized(grid().stages(episodes=400))
    assert (made.critic_net, made.survey.episodes) == ("quadratic-residual", 100)
    assert sized(grid().stages(episodes=4_000)).critic_net == "fitted"
    assert sized(grid().training(gamma=0.5)).critic_net == "quadratic-residual"


@pytest.mark.parametrize("factor", [1e2, 1e4])
def test_rewards_of_any_size_are_learnt_alike(factor):
    """A case whose controls cost a hundredfold, or ten thousandfold."""
    case = rllib_grid.make_case("ieee13")
    usual = survey(grid(case), None).reward_spread
    made = sized(grid(case.replace(alpha_p=factor * case.alpha_p, alpha_q=factor * case.alpha_q)))
    assert made.survey.reward_spread != pytest.approx(usual, rel=0.1)
    assert made.reward_scale * made.survey.reward_spread == pytest.approx(SPREAD)


def test_bounds_that_no_action_reaches_are_not_held():
    assert sized(grid()).constraint == "lagrangian"
    far = sized(grid(v_min_pu=0.5, v_max_pu=1.5))
    assert far.constraint == "none" and not far.survey.bounds_in_reach
    assert far.validation_episodes < sized(grid()).validation_episodes


def test_episodes_follow_the_directions():
    assert episodes_of(1_100, 2) == [8_000, 12_000]
    assert [sum(episodes_of(1_100, stages)) for stages in (1, 2, 3, 4)] == [20_000] * 4
    assert episodes_of(30_000, 1) == [30_000]
    for buildings in (20, 40, 58, 60):
        surveyed = 8 * buildings  # twice as many as states and actions
        rows = rows_to_fit(3 * buildings, surveyed)
        assert rows >= 1.07 * (3 * buildings) * (3 * buildings + 3) / 2
        assert sum(episodes_of(rows + surveyed, 2)) == 20_000
    first, second = episodes_of(rows_to_fit(252) + 700, 2)
    assert first > 1.6 * 252 * 255 / 2 and second >= first // 4


def test_rates_follow_the_directions():
    assert [rate_of(count) for count in (0, 36, 50, 100, 250)] == [1e-2, 1e-2, 1e-2, 5e-3, 2e-3]
    assert sized(grid("case33bw")).actor_lr == [rate_of(96)]
    assert sized(grid("case33bw").stages(episodes=400)).actor_lr == [2e-3]  # by descent


def test_a_survey_counts_as_episodes(ray_session):
    config = grid().stages(episodes=[1_500, 1_000], updates_per_iteration=2_500)
    algo = config.build_algo()
    while not algo.ended:
        algo.train()
    ended = algo.ended[0]
    assert ended.episodes == ended.env_steps == 1_500
    assert ended.replay_rows == 1_500 - algo.config.survey.episodes
    algo.stop()
