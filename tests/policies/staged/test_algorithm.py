"""The algorithm on RLlib: stages, counts, what is frozen, what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from learning import learning
from quadratic_game import JointGame, decentralised_value
from tiny_training import assert_equal, tiny, weights

from policies import load_controllers
from policies.algorithms.maddpg_update import CRITIC
from policies.learning.modules import actor_id

pytestmark = pytest.mark.usefixtures("ray_session")


def weights_of(found, prefix):
    return {name: value for name, value in found.items() if name.startswith(prefix + ".")}


class Recorded:
    """A run of two stages, with what was there before and after each stage's end."""

    def __init__(self):
        algo = self.algo = learning().stages(num_stages=2).build_algo()
        self.results, self.ends, self.requests = [], [], []
        end_stage, collect = algo._end_stage, algo.crew.collect

        def recorded_collect(counts, episodes, *, sigma, random_actions):
            self.requests.append((counts.stage, episodes, round(sigma, 6), random_actions))
            return collect(counts, episodes, sigma=sigma, random_actions=random_actions)

        def recorded_end():
            before = self.snapshot()
            end_stage()
            self.ends.append((before, self.snapshot()))

        algo._end_stage, algo.crew.collect = recorded_end, recorded_collect
        while not algo.finished:
            self.results.append(algo.train())

    def snapshot(self):
        algo = self.algo
        optimizers = algo.learner_group.get_state()["learner"]["optimizer"]
        return {
            "weights": weights(algo),
            "best": {k: v.copy() for k, v in algo.actor_weights(algo.counts.stage).items()},
            "steps": {name: len(found["state"]["state"]) for name, found in optimizers.items()},
            "memory": len(algo.memory),
        }


@pytest.fixture(scope="module")
def two_stages(ray_session):
    recorded = Recorded()
    yield recorded
    recorded.algo.stop()


def test_stages_approach_their_known_values(two_stages):
    first, second = (stage.best_return for stage in two_stages.algo.ended)
    best = decentralised_value()  # -0.06, of a_i = G_ii s_i
    assert first == pytest.approx(best, rel=0.05)
    assert second > 0.05 * best  # the second stage sees what the first could not know


def test_done_only_after_the_last_stage(two_stages):
    results = two_stages.results
    assert [result["done"] for result in results] == [False] * (len(results) - 1) + [True]
    assert results[-1]["stages"]["num_stages"] == 2
    stages = [result["stages"]["stage"] for result in results]
    assert stages == sorted(stages) and set(stages) == {1, 2}


def test_counts_of_each_stage(two_stages):
    for number, stage in enumerate(two_stages.algo.ended, start=1):
        assert stage.stage == number
        assert stage.episodes == stage.updates == stage.env_steps == 400
        assert stage.probes == 400 * (number - 1)
        # Current and averaged actors are validated in each of four iterations.
        assert stage.validation_probes == 2 * 4 * 1000 * (number - 1)
        assert 0.0 < stage.sample_s + stage.update_s < stage.wall_s


def test_warm_up_is_random_in_the_first_stage_alone_and_noise_falls_in_each(two_stages):
    # 150 episodes before the first update, the other 250 over the first half of 400 updates.
    noise = [0.3, 0.3 - 0.2 * 150 / 400, 0.3 - 0.2 * 275 / 400]
    rows = zip([150, 125, 125], np.round(noise, 6), [True, False, False], strict=True)
    first = [(1, episodes, sigma, random) for episodes, sigma, random in rows]
    second = [(2, episodes, sigma, False) for _, episodes, sigma, _ in first]
    assert two_stages.requests == first + second


def test_rllib_counts_the_same_steps(two_stages):
    sampled = two_stages.results[-1]["env_runners"]
    assert sampled["num_env_steps_sampled_lifetime"] == sampled["num_episodes_lifetime"] == 800


def test_training_after_the_end_changes_nothing(two_stages):
    before = weights(two_stages.algo)
    assert two_stages.algo.train()["done"]
    assert_equal(weights(two_stages.algo), before)


def test_earlier_actors_are_frozen_with_their_best_weights(two_stages):
    before, after = two_stages.ends[0]
    frozen = weights_of(after["weights"], actor_id(1))
    for name, value in before["best"].items():
        np.testing.assert_array_equal(frozen[f"{actor_id(1)}.actor.{name}"], value)
    assert_equal(weights_of(weights(two_stages.algo), actor_id(1)), frozen)
    runner = two_stages.algo.env_runner_group.local_env_runner
    held = runner.module[actor_id(1)].actor.state_dict()
    for name, value in before["best"].items():
        np.testing.assert_array_equal(held[name], value)


def test_critic_is_carried_over_and_the_rest_is_fresh(two_stages):
    before, after = two_stages.ends[0]
    critic = weights_of(before["weights"], f"{CRITIC}.network")
    assert_equal(weights_of(after["weights"], f"{CRITIC}.network"), critic)
    targets = {k.replace("critic.network", "critic.target"): v for k, v in critic.items()}
    assert_equal(weights_of(after["weights"], f"{CRITIC}.target"), targets)
    fresh = learning().stages(num_stages=2).build_algo()
    untouched = {**weights_of(weights(fresh), actor_id(2)), f"{actor_id(2)}.begun": np.array(True)}
    assert_equal(weights_of(after["weights"], actor_id(2)), untouched)
    fresh.stop()
    assert min(before["steps"][f"{name}_default_optimizer"] for name in (CRITIC, "actor_1")) > 0
    assert [after["steps"][f"{name}_default_optimizer"] for name in (CRITIC, "actor_2")] == [0, 0]
    assert (before["memory"], after["memory"]) == (400, 0)


def test_the_last_stage_ends_with_its_best_weights(two_stages):
    before, _ = two_stages.ends[1]
    final = weights_of(weights(two_stages.algo), f"{actor_id(2)}.actor")
    for name, value in before["best"].items():
        np.testing.assert_array_equal(final[f"{actor_id(2)}.actor.{name}"], value)


@pytest.mark.parametrize("stages", [1, 2])
def test_exported_controllers_earn_the_validation_return(two_stages, stages, tmp_path):
    two_stages.algo.export_controllers(tmp_path, stages=stages)
    team = load_controllers(tmp_path)
    game = JointGame(1000, np.random.SeedSequence(0))  # the validation states
    state = game.reset()
    units = {agent: controller.signature for agent, controller in team.items()}

    def physical(agent, what, scaled):
        (entry,) = units[agent][what]
        return entry["offset"] + entry["scale"] * scaled

    def scaled(agent, what, values):
        (entry,) = units[agent][what]
        return (values - entry["offset"]) / entry["scale"]

    seen = {}
    for _ in range(stages):
        actions = {
            agent: controller.act(
                physical(agent, "state", state[:, game.state_slices[agent]]),
                *seen.get(agent, ()),
                stage=2 if seen else 1,
            )
            for agent, controller in team.items()
        }
        columns = [scaled(agent, "action", action) for agent, action in actions.items()]
        action = np.concatenate(columns, axis=1)
        measured = game.probe(action)
        seen = {
            agent: (actions[agent], physical(agent, "observation", measured[:, part]))
            for agent, part in game.obs_slices.items()
        }
    expected = two_stages.algo.ended[stages - 1].best_return
    assert game.step(action).reward.mean() == pytest.approx(expected, rel=1e-4)


def test_rllibs_own_evaluation(two_stages):
    sampled = two_stages.algo.evaluate()["env_runners"]
    assert sampled["num_episodes"] == 10
    assert sampled["num_probes"] == 10


def test_results_hold_where_the_stages_stand(two_stages):
    """In JSON's own kinds, as trainings are watched through files."""
    algo, last = two_stages.algo, two_stages.results[-1]["stages"]
    assert last == {
        **algo.counts.to_dict(),
        "num_stages": 2,
    }
    assert algo.counts is algo.ended[-1]
    begun = [result["stages"] for result in two_stages.results if result["stages"]["updates"]]
    assert len(begun) == 2 * 4 - 1  # the fourth iteration leaves a stage that has just begun
    for stage in begun:
        assert stage["validation_return"] <= stage["best_return"] < 0.0
        assert stage["replay_rows"] == stage["episodes"]


def test_results_hold_metrics_of_trajectories(two_stages):
    collected = [result["env_runners"] for result in two_stages.results]
    collected = [found for found in collected if found["num_episodes"] > 0]
    assert len(collected) == 2 * 3  # a stage's last updates work on what is there
    for found in collected:
        low, mean, high = (found[f"episode_return_{what}"] for what in ("min", "mean", "max"))
        assert low < mean < high <= 0.0
        assert found["episode_len_mean"] == 1.0
        own = found["agent_episode_returns_mean"]
        assert set(own) == {"agent_0", "agent_1"}
        # The shared reward is the mean of the agents' own; both go through the same window.
        assert np.mean(list(own.values())) == pytest.approx(mean, rel=1e-4)


# --- variants ---------------------------------------------------------------------------


def test_a_plain_multi_agent_environment_is_refused_for_two_stages():
    config = tiny().environment(env_config={"joint": False})
    with pytest.raises(ValueError, match=r"num_stages is 2, but the environment has no probe"):
        config.build_algo()


def test_an_environment_that_never_ends_is_told_once():
    config = tiny(1, max_episode_steps=30).environment(env_config={"horizon": 10**9})
    algo = config.build_algo()
    with pytest.raises(ValueError, match="has not ended after 30 steps: let the environment"):
        algo.train()
    algo.stop()
