"""The algorithm on RLlib: stages, learning, counts, seeds, checkpoints, what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import quadratic_game  # registers the environment
from quadratic_game import JointGame, decentralised_value
from tiny_training import assert_equal, counts, run, tiny, weights

from policies import MADDPG, MADDPGConfig, load_controllers
from policies.staged.modules import CRITIC, actor_id
from policies.staged.runner import MADDPGEnvRunner

pytestmark = pytest.mark.usefixtures("ray_session")


def learning(**settings):
    """As a user writes it, with little work and small networks."""
    return (
        MADDPGConfig()
        .environment("quadratic_game")
        .training(actor_width=32, critic_width=32, critic_rows=8, minibatch_size=128)
        .training(**{"actor_lr": 6e-3, "critic_lr": 1e-2, **settings})
        .stages(episodes=400, warmup_episodes=150, updates_per_iteration=100)
        .stages(validation_episodes=1000)
        .exploration(sigma=[0.3, 0.1])
        .debugging(seed=0)
    )


def part(found, prefix):
    return {name: value for name, value in found.items() if name.startswith(prefix + ".")}


# --- two stages -------------------------------------------------------------------------


class Recorded:
    """A run of two stages, with what was there before and after each stage's end."""

    def __init__(self):
        algo = self.algo = learning().stages(num_stages=2).build_algo()
        self.results, self.ends, self.requests = [], [], []
        end_stage, request = algo._end_stage, algo._request

        def recorded_request(episodes, sigma, random_actions):
            stage = algo.progress()["stage"]
            self.requests.append((stage, episodes, round(sigma, 6), random_actions))
            return request(episodes, sigma=sigma, random_actions=random_actions)

        def recorded_end():
            before = self.snapshot()
            end_stage()
            self.ends.append((before, self.snapshot()))

        algo._end_stage, algo._request = recorded_end, recorded_request
        while not algo.finished:
            self.results.append(algo.train())

    def snapshot(self):
        algo = self.algo
        optimizers = algo.learner_group.get_state()["learner"]["optimizer"]
        return {
            "weights": weights(algo),
            "best": {k: v.copy() for k, v in algo.actor_weights(algo._progress["stage"]).items()},
            "steps": {name: len(found["state"]["state"]) for name, found in optimizers.items()},
            "replay": len(algo.replay),
        }


@pytest.fixture(scope="module")
def two_stages(ray_session):
    recorded = Recorded()
    yield recorded
    recorded.algo.stop()


def test_stages_approach_their_known_values(two_stages):
    first, second = (stage["best_return"] for stage in two_stages.algo.progress()["ended"])
    best = decentralised_value()  # -0.06, of a_i = G_ii s_i
    assert first == pytest.approx(best, rel=0.05)
    assert second > 0.05 * best  # the second stage sees what the first could not know


def test_done_only_after_the_last_stage(two_stages):
    results = two_stages.results
    assert [result["done"] for result in results] == [False] * (len(results) - 1) + [True]
    assert results[-1]["maddpg"]["num_stages"] == len(results[-1]["maddpg"]["ended"]) == 2
    stages = [result["maddpg"]["stage"] for result in results]
    assert stages == sorted(stages) and set(stages) == {1, 2}


def test_counts_of_each_stage(two_stages):
    for number, stage in enumerate(two_stages.algo.progress()["ended"], start=1):
        assert stage["stage"] == number
        assert stage["episodes"] == stage["updates"] == stage["env_steps"] == 400
        assert stage["probes"] == 400 * (number - 1)
        # Current and averaged actors are validated in each of four iterations.
        assert stage["validation_probes"] == 2 * 4 * 1000 * (number - 1)
        assert 0.0 < stage["sample_s"] + stage["update_s"] < stage["wall_s"]


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
    frozen = part(after["weights"], actor_id(1))
    for name, value in before["best"].items():
        np.testing.assert_array_equal(frozen[f"{actor_id(1)}.actor.{name}"], value)
    assert_equal(part(weights(two_stages.algo), actor_id(1)), frozen)
    runner = two_stages.algo.env_runner_group.local_env_runner
    held = runner.module[actor_id(1)].actor.state_dict()
    for name, value in before["best"].items():
        np.testing.assert_array_equal(held[name], value)


def test_critic_is_carried_over_and_the_rest_is_fresh(two_stages):
    before, after = two_stages.ends[0]
    critic = part(before["weights"], f"{CRITIC}.critic")
    assert_equal(part(after["weights"], f"{CRITIC}.critic"), critic)
    targets = {k.replace("critic.critic", "critic.target"): v for k, v in critic.items()}
    assert_equal(part(after["weights"], f"{CRITIC}.target"), targets)
    fresh = learning().stages(num_stages=2).build_algo()
    untouched = {**part(weights(fresh), actor_id(2)), f"{actor_id(2)}.begun": np.array(True)}
    assert_equal(part(after["weights"], actor_id(2)), untouched)
    fresh.stop()
    assert min(before["steps"][f"{name}_default_optimizer"] for name in (CRITIC, "actor_1")) > 0
    assert [after["steps"][f"{name}_default_optimizer"] for name in (CRITIC, "actor_2")] == [0, 0]
    assert (before["replay"], after["replay"]) == (400, 0)


def test_the_last_stage_ends_with_its_best_weights(two_stages):
    before, _ = two_stages.ends[1]
    final = part(weights(two_stages.algo), f"{actor_id(2)}.actor")
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
    expected = two_stages.algo.progress()["ended"][stages - 1]["best_return"]
    assert game.step(action).reward.mean() == pytest.approx(expected, rel=1e-4)


def test_rllibs_own_evaluation(two_stages):
    sampled = two_stages.algo.evaluate()["env_runners"]
    assert sampled["num_episodes"] == 10
    assert sampled["num_probes"] == 10


# --- variants ---------------------------------------------------------------------------


@pytest.mark.parametrize("actor_step", ["joint", "own"])
def test_separate_critics_on_the_agents_own_rewards(actor_step):
    algo = learning(critic="separate", actor_step=actor_step).build_algo()
    run(algo)
    assert algo.replay.column("reward").shape == (400, 2)
    assert algo.progress()["best_return"] == pytest.approx(decentralised_value(), rel=0.05)
    algo.stop()


def test_the_papers_networks_and_actor_step_learn():
    algo = learning(
        critic_net="paper", actor_net="paper", actor_step="own", tau=0.01, lr_decay="constant"
    ).build_algo()
    run(algo)
    idle = -np.square(np.array(quadratic_game.GAINS)).sum() / 3  # of a = 0
    assert algo.progress()["best_return"] > 0.5 * (idle + decentralised_value())
    algo.stop()


@pytest.mark.parametrize("target_input", ["probe", "literal"])
def test_several_time_steps_with_a_discount(target_input):
    config = learning(gamma=0.5, tau=0.05, target_input=target_input)
    config.environment(env_config={"horizon": 3}).stages(num_stages=2)
    algo = config.build_algo()
    run(algo)
    for number, stage in enumerate(algo.progress()["ended"], start=1):
        assert (stage["episodes"], stage["env_steps"]) == (400, 1200)
        probed = 4 if target_input == "probe" else 3  # with the final state, or without
        assert stage["probes"] == 400 * probed * (number - 1)
    assert len(algo.replay) == 1200
    assert not algo.replay.column("terminated").any()
    first, second = (stage["best_return"] for stage in algo.progress()["ended"])
    assert first == pytest.approx(3 * decentralised_value(), rel=0.05)
    assert second > 0.5 * first
    algo.stop()


def test_a_plain_multi_agent_environment_trains_one_stage(tmp_path):
    config = learning().environment(env_config={"joint": False, "low": -6.0, "high": 10.0})
    config.stages(validation_episodes=200).env_runners(num_envs_per_env_runner=50)
    algo = config.build_algo()
    run(algo)
    assert algo.progress()["best_return"] == pytest.approx(decentralised_value(), rel=0.3)
    algo.export_controllers(tmp_path)
    algo.stop()
    # The best rule is a_i = 0.4 s_i in the game's units, here spread over [-6, 10].
    action = load_controllers(tmp_path)["agent_0"].act([[-1.0], [0.0], [1.0]])
    np.testing.assert_allclose(action[:, 0], [2.0 - 3.2, 2.0, 2.0 + 3.2], atol=0.8)


def test_a_plain_multi_agent_environment_is_refused_for_two_stages():
    config = tiny().environment(env_config={"joint": False})
    with pytest.raises(ValueError, match=r"num_stages is 2, but the environment has no probe"):
        config.build_algo()


def test_divergence_is_told():
    algo = tiny(1, actor_lr=1e30).build_algo()
    with pytest.raises(RuntimeError, match=r"stage 1 ends without .* lower actor_lr"):
        run(algo)
    algo.stop()


# --- seeds and checkpoints --------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(ray_session, tmp_path_factory):
    """A tiny run to the end, saved after every iteration."""
    folder = tmp_path_factory.mktemp("checkpoints")
    algo = tiny(gamma=0.5).build_algo()
    stages = []
    for i in range(100):
        algo.train()
        stages.append(algo.progress()["stage"])
        algo.save_to_path(str(folder / str(i)))
        if algo.finished:
            break
    yield folder, stages, weights(algo), counts(algo)
    algo.stop()


def test_same_seed_same_weights(saved):
    _, _, expected, where = saved
    algo, other = tiny(gamma=0.5).build_algo(), tiny(gamma=0.5, seed=1).build_algo()
    for each in (algo, other):
        run(each)
    assert_equal(weights(algo), expected)
    np.testing.assert_equal(counts(algo), where)
    found = weights(other)
    for name, value in expected.items():
        if name.endswith("weight"):
            assert not np.isclose(found[name], value, atol=1e-9).any(), name
    for each in (algo, other):
        each.stop()


@pytest.mark.parametrize("iteration", [0, 1, 2, 3, 4])
def test_a_restored_run_goes_on_bit_by_bit(saved, iteration):
    folder, stages, expected, where = saved
    assert stages == [1, 1, 2, 2, 2, 2]  # the third iteration ends the first stage
    path = str(folder / str(iteration))
    if iteration == 3:
        algo = MADDPG.from_checkpoint(path)
    else:
        algo = tiny(gamma=0.5).build_algo()
        algo.restore_from_path(path)
    assert algo.progress()["stage"] == stages[iteration]
    run(algo)
    assert_equal(weights(algo), expected)
    np.testing.assert_equal(counts(algo), where)
    algo.stop()


def test_a_finished_run_is_restored_as_finished(saved, tmp_path):
    folder, stages, expected, where = saved
    algo = MADDPG.from_checkpoint(str(folder / str(len(stages) - 1)))
    assert algo.finished and algo.train()["done"]
    assert_equal(weights(algo), expected)
    np.testing.assert_equal(counts(algo), where)
    algo.export_controllers(tmp_path)
    assert load_controllers(tmp_path)["agent_0"].num_stages == 2
    algo.stop()


def test_an_older_checkpoint_takes_a_run_back(saved):
    folder, _, expected, _ = saved
    algo = MADDPG.from_checkpoint(str(folder / "4"))
    algo.restore_from_path(str(folder / "1"))
    assert algo.progress()["stage"] == 1
    run(algo)
    assert_equal(weights(algo), expected)
    algo.stop()


# --- several processes ------------------------------------------------------------------


def test_two_remote_runners():
    config = tiny().env_runners(num_env_runners=2, num_envs_per_env_runner=4)
    algo = config.fault_tolerance(restart_failed_env_runners=False).build_algo()
    run(algo)
    for number, stage in enumerate(algo.progress()["ended"], start=1):
        assert stage["episodes"] == stage["env_steps"] == stage["updates"] == 24
        assert stage["probes"] == 24 * (number - 1)

    def held(runner):
        return {
            f"{module_id}.actor.{name}": value.numpy()
            for module_id in (actor_id(1), actor_id(2))
            for name, value in runner.module[module_id].actor.state_dict().items()
        }

    group, final = algo.env_runner_group, weights(algo)
    for runner_weights in group.foreach_env_runner(held):
        assert_equal(runner_weights, {name: final[name] for name in runner_weights})
    assert group.foreach_env_runner(lambda runner: runner.stage) == [2, 2, 2]
    for i in group.healthy_worker_ids():
        group._worker_manager.set_actor_state(i, healthy=False)
    assert algo._request(4, sigma=0.0) == []  # they owe; RLlib restores them
    algo.stop()


def test_two_learners_are_one_in_two_parts():
    """Each holds half of every minibatch; averaged gradients are those of the whole."""

    def config():
        made = tiny(lr_decay="constant").stages(episodes=8, updates_per_iteration=1)
        return made.stages(warmup_episodes=4)

    alone, pair = config().build_algo(), config().learners(num_learners=2).build_algo()
    for algo in (alone, pair):
        run(algo)
    results = pair.learner_group.foreach_learner(lambda learner: learner.module.get_state())
    first, second = (result.get() for result in results)
    for module_id, state in first.items():
        assert_equal(state, second[module_id])
    expected, found = weights(alone), weights(pair)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=2e-4, err_msg=name)
    for algo in (alone, pair):
        algo.stop()


# --- settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "setting", "value"),
    [
        ("stages", "num_stages", 0),
        ("stages", "episodes", 0),
        ("stages", "episodes", [10, -1]),
        ("stages", "episodes", [10, 10, 10]),
        ("stages", "episodes", []),
        ("stages", "updates_per_episode", -1.0),
        ("stages", "updates_per_episode", float("nan")),
        ("stages", "warmup_episodes", 0),
        ("stages", "collect_share", 0.0),
        ("stages", "collect_share", 1.5),
        ("stages", "updates_per_iteration", 0),
        ("stages", "validation_episodes", 0),
        ("training", "critic", "joint"),
        ("training", "critic_net", "deep"),
        ("training", "critic_width", 0),
        ("training", "critic_rows", 0),
        ("training", "actor_net", "deep"),
        ("training", "actor_width", 0),
        ("training", "whiten_floor", 0.0),
        ("training", "actor_lr", 0.0),
        ("training", "actor_lr", [1e-3, -1e-3]),
        ("training", "critic_lr", float("nan")),
        ("training", "critic_lr", []),
        ("training", "lr_decay", "linear"),
        ("training", "tau", 0.0),
        ("training", "tau", 1.1),
        ("training", "actor_step", "both"),
        ("training", "target_input", "none"),
        ("training", "reward_scale", 0.0),
        ("training", "replay_capacity", 0),
        ("training", "gamma", 1.0),
        ("training", "gamma", -0.1),
        ("training", "minibatch_size", 0),
        ("exploration", "noise", "white"),
        ("exploration", "sigma", -0.1),
        ("exploration", "sigma", [0.3, 0.2, 0.1]),
        ("exploration", "sigma", []),
        ("debugging", "seed", -1),
    ],
)
def test_bad_settings_are_refused_by_name(where, setting, value):
    config = MADDPGConfig().environment("quadratic_game").stages(num_stages=2)
    getattr(config, where)(**{setting: value})
    with pytest.raises(ValueError, match=rf"{setting}\b.* is |{setting} "):
        config.validate()


def test_minibatches_are_shared_evenly_among_learners():
    config = MADDPGConfig().environment("quadratic_game").training(minibatch_size=33)
    config.validate()
    with pytest.raises(ValueError, match=r"minibatch_size is 33, out of range .*num_learners 2"):
        config.learners(num_learners=2).validate()


def test_one_number_of_episodes_serves_all_stages():
    config = MADDPGConfig().stages(num_stages=3, episodes=500, updates_per_episode=2.0)
    assert [config.plan(stage).episodes for stage in (1, 2, 3)] == [500] * 3
    assert config.plan(3).updates == 1000
    config.stages(episodes=[500, 20, 1])
    assert [config.plan(stage).episodes for stage in (1, 2, 3)] == [500, 20, 1]
    assert [config.plan(stage).warmup for stage in (1, 2, 3)] == [250, 10, 1]


def test_config_names_its_parts():
    config = MADDPGConfig()
    assert config.algo_class is MADDPG and config.env_runner_cls is MADDPGEnvRunner
    assert MADDPG.get_default_config().num_stages == 1
