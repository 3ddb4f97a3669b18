"""MA-RDPG on RLlib: learning, counts, time steps, checkpoints, what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learning import recurrent
from quadratic_game import JointGame, decentralised_value
from ray.rllib.core.columns import Columns
from tiny_training import counts, run, tiny_recurrent, weights

from policies import MARDPG, load_controllers
from policies.algorithms.maddpg_update import CRITIC
from policies.controllers.agent import ControllerError
from policies.controllers.team import Team


@pytest.fixture(scope="module")
def learnt(ray_session):
    algo = recurrent().build_algo()
    run(algo)
    yield algo
    algo.stop()


def test_the_second_round_knows_what_the_first_could_not(learnt):
    """One round leaves -0.06; after a probe both agents can reach nearly nothing."""
    assert learnt.ended[0].best_return > 0.2 * decentralised_value()


def test_one_round_learns_the_best_decentralised_rule(ray_session):
    algo = recurrent().recurrence(num_rounds=1).stages(episodes=600).build_algo()
    run(algo)
    assert algo.ended[0].best_return == pytest.approx(decentralised_value(), rel=0.07)
    assert algo.ended[0].probes == 0
    algo.stop()


def test_the_papers_networks_learn_with_separate_critics(ray_session):
    config = recurrent(
        critic="separate", critic_net="paper", actor_net="paper", actor_step="own", tau=0.02
    )
    config.training(lr_decay="constant", whiten_inputs=False).stages(episodes=600)
    algo = config.build_algo()
    run(algo)
    assert algo.memory.column("reward").shape == (600, 2)
    assert algo.counts.best_return > 2.0 * decentralised_value()  # idle: -0.167
    algo.stop()


def test_counts_of_a_run(learnt):
    (stage,) = learnt.ended
    assert stage.episodes == stage.updates == stage.env_steps == stage.probes == 1200
    assert stage.validation_probes == 2 * 4 * 1000
    assert len(learnt.memory) == 1200


def test_several_time_steps_with_a_discount(ray_session):
    config = recurrent(gamma=0.5, tau=0.05).environment(env_config={"horizon": 2})
    config.recurrence(time_steps=2).stages(episodes=800).training(minibatch_size=64)
    algo = config.build_algo()
    run(algo)
    (stage,) = algo.ended
    assert (stage.episodes, stage.env_steps, stage.probes) == (800, 1600, 1600)
    assert stage.best_return > 0.85 * 2 * decentralised_value()  # no single round can
    algo.stop()


@pytest.fixture(scope="module")
def saved(ray_session, tmp_path_factory):
    """A tiny run to the end, saved after every iteration."""
    folder = tmp_path_factory.mktemp("checkpoints")
    algo = tiny_recurrent(gamma=0.5, time_steps=2).build_algo()
    for i in range(3):
        algo.train()
        algo.save_to_path(str(folder / str(i)))
    assert algo.finished
    yield folder, weights(algo), counts(algo)
    algo.stop()


@pytest.mark.parametrize("iteration", [0, 1, 2])
def test_a_restored_run_goes_on_bit_by_bit(saved, iteration):
    folder, expected, where = saved
    algo = MARDPG.from_checkpoint(str(folder / str(iteration)))
    assert algo.finished == (iteration == 2)
    run(algo)
    found = weights(algo)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    np.testing.assert_equal(counts(algo), where)
    algo.stop()


def test_the_seed_decides(saved):
    _, expected, where = saved
    same, other = (
        tiny_recurrent(gamma=0.5, time_steps=2, seed=seed).build_algo() for seed in (0, 1)
    )
    for algo in (same, other):
        run(algo)
    np.testing.assert_equal(counts(same), where)
    assert not np.isclose(
        weights(other)[f"{CRITIC}.network.gru.input.weight"],
        expected[f"{CRITIC}.network.gru.input.weight"],
    ).any()
    for algo in (same, other):
        algo.stop()


def units(team, agent, part, scaled):
    (entry,) = team[agent].signature[part]
    return entry["offset"] + entry["scale"] * scaled


@pytest.mark.parametrize("which", ["learnt", "two steps"])
def test_exported_controllers_earn_the_validation_return(learnt, saved, which, tmp_path):
    if which == "learnt":
        algo, episodes, steps = learnt, 1000, 1
    else:
        algo, episodes, steps = MARDPG.from_checkpoint(str(saved[0] / "2")), 16, 2
    algo.export_controllers(tmp_path)
    team = load_controllers(tmp_path)
    game = JointGame(episodes, np.random.SeedSequence(0), horizon=steps)  # validation's states
    state, earned, together = game.reset(), 0.0, Team(team)

    def scaled(actions):
        columns = []
        for agent, action in actions.items():
            (entry,) = team[agent].signature["action"]
            columns.append((action - entry["offset"]) / entry["scale"])
        return np.concatenate(columns, axis=1)

    def physical(measured):
        return {
            agent: units(team, agent, "observation", measured[:, part])
            for agent, part in game.obs_slices.items()
        }

    probes = []

    def probe(actions):
        probes.append(actions)
        return physical(game.probe(scaled(actions)))

    for _ in range(steps):
        own = {
            agent: units(team, agent, "state", state[:, part])
            for agent, part in game.state_slices.items()
        }
        step = game.step(scaled(together.act(own, probe)))
        earned, state = earned + step.reward.mean(), step.next_state
        together.measured(physical(step.obs))
    assert len(probes) == steps
    expected = algo.ended[0].best_return
    assert earned == pytest.approx(expected, rel=1e-3)
    if which != "learnt":
        algo.stop()


def test_a_controller_of_single_time_steps_says_when_they_are_over(learnt):
    controller = learnt.controllers()["agent_0"]
    action, memory = controller.act_round([10.0])
    action, memory = controller.act_round([10.0], action, [1.0], memory)
    with pytest.raises(ControllerError, match="begin the next one without memory"):
        controller.act_round([10.0], action, [1.0], memory)


def test_rllibs_own_evaluation(learnt):
    sampled = learnt.evaluate()["env_runners"]
    assert sampled["num_episodes"] == sampled["num_probes"] == 10


def test_critic_module_values_whole_trajectories(learnt):
    runner = learnt.env_runner_group.local_env_runner
    rows = runner.collect(5, (3,), 0.1).rows()
    batch = {
        Columns.OBS: torch.from_numpy(rows["inputs"]),
        Columns.ACTIONS: torch.from_numpy(rows["action"]),
    }
    values = learnt.learner_group.foreach_learner(
        lambda learner: learner.module[CRITIC].unwrapped().forward_inference(batch)["q"]
    )
    (value,) = (result.get() if hasattr(result, "get") else result for result in values)
    assert value.shape == (1, 5, 2)
    # The last round's value is the reward: gamma is 0.
    np.testing.assert_allclose(value[0, :, 1].detach(), rows["reward"][:, 0], atol=0.02)


def test_rounds_need_a_probe(ray_session):
    config = tiny_recurrent().environment(env_config={"joint": False})
    with pytest.raises(ValueError, match="num_rounds is 2, but the environment has no probe"):
        config.build_algo()


def test_one_round_over_time_needs_none(ray_session):
    config = tiny_recurrent(num_rounds=1, time_steps=3, gamma=0.9)
    config.environment(env_config={"joint": False, "horizon": 3})
    algo = config.build_algo()
    run(algo)
    assert algo.ended[0].env_steps == 72
    algo.stop()
