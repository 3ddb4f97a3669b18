"""MA-RDPG on RLlib: learning, counts, time steps, checkpoints, what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quadratic_game import JointGame, decentralised_value
from ray.rllib.core.columns import Columns

from policies import MARDPG, MADDPGConfig, MARDPGConfig, load_controllers
from policies.algorithms.ma_rdpg_runner import MARDPGEnvRunner
from policies.controllers.agent import ControllerError
from policies.controllers.team import Team
from policies.staged.modules import CRITIC, actor_id

TIMES = ("wall_s", "sample_s", "update_s")


def learning(**settings):
    """As a user writes it, with little work and small networks."""
    return (
        MARDPGConfig()
        .environment("quadratic_game")
        .training(actor_width=24, critic_width=24, critic_rows=8, minibatch_size=128)
        .training(**{"actor_lr": 6e-3, "critic_lr": 1e-2, "tau": 0.02, **settings})
        .recurrence(memory_width=12)
        .stages(episodes=1200, warmup_episodes=200, updates_per_episode=1.0, collect_share=0.5)
        .stages(updates_per_iteration=300, validation_episodes=1000)
        .debugging(seed=0)
    )


def tiny(seed=0, num_rounds=2, time_steps=1, **settings):
    """Three iterations of eight updates."""
    return (
        MARDPGConfig()
        .environment("quadratic_game", env_config={"horizon": time_steps})
        .env_runners(num_envs_per_env_runner=8)
        .training(actor_width=8, critic_width=8, critic_rows=4, minibatch_size=8, **settings)
        .recurrence(num_rounds=num_rounds, time_steps=time_steps, memory_width=4)
        .stages(episodes=24, warmup_episodes=8, updates_per_episode=1.0)
        .stages(collect_share=0.5, updates_per_iteration=8, validation_episodes=16)
        .debugging(seed=seed)
    )


def run(algo):
    """Train to the end; the last result."""
    result = {}
    while not result.get("done"):
        result = algo.train()
    return result


def weights(algo):
    """All weights on the learner, flat and copied."""
    return {
        f"{module_id}.{name}": np.array(value)
        for module_id, state in algo.learner_group.get_weights().items()
        for name, value in state.items()
    }


def counts(algo):
    """Where the algorithm stands, without seconds; best weights included."""
    now = algo.progress()
    ended = [{k: v for k, v in stage.items() if k not in TIMES} for stage in now.pop("ended")]
    return {k: v for k, v in now.items() if k not in TIMES}, ended, algo.actor_weights(1)


def make_runner(lanes=8, **settings):
    config = tiny(**settings).env_runners(num_envs_per_env_runner=lanes)
    return MARDPGEnvRunner(config=config)


# --- learning ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learnt(ray_session):
    algo = learning().build_algo()
    run(algo)
    yield algo
    algo.stop()


def test_the_second_round_knows_what_the_first_could_not(learnt):
    """One round leaves -0.06; after a probe both agents can reach nearly nothing."""
    assert learnt.progress()["ended"][0]["best_return"] > 0.2 * decentralised_value()


def test_one_round_learns_the_best_decentralised_rule(ray_session):
    algo = learning().recurrence(num_rounds=1).stages(episodes=600).build_algo()
    run(algo)
    assert algo.progress()["ended"][0]["best_return"] == pytest.approx(
        decentralised_value(), rel=0.07
    )
    assert algo.progress()["ended"][0]["probes"] == 0
    algo.stop()


def test_the_papers_networks_learn_with_separate_critics(ray_session):
    config = learning(
        critic="separate", critic_net="paper", actor_net="paper", actor_step="own", tau=0.02
    )
    config.training(lr_decay="constant", whiten_inputs=False).stages(episodes=600)
    algo = config.build_algo()
    run(algo)
    assert algo.replay.column("reward").shape == (600, 2)
    assert algo.progress()["best_return"] > 2.0 * decentralised_value()  # idle: -0.167
    algo.stop()


# --- counts -----------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.9])
@pytest.mark.parametrize(("num_rounds", "time_steps"), [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("episodes", [3, 8, 8 * 2 + 5])
def test_exact_counts_of_a_request(episodes, num_rounds, time_steps, gamma):
    runner = make_runner(num_rounds=num_rounds, time_steps=time_steps, gamma=gamma)
    rollout = runner.collect(episodes, (0, 1), 0.1)
    assert len(rollout.returns) == episodes
    assert rollout.env_steps == episodes * time_steps
    assert rollout.probes == episodes * time_steps * (num_rounds - 1)
    widths = {name: column.shape for name, column in rollout.columns.items()}
    rounds = num_rounds * time_steps
    expected = {
        "inputs": (episodes, (rounds + (gamma > 0)) * 6),
        "action": (episodes, rounds * 2),
        "reward": (episodes, time_steps),
        "terminated": (episodes, time_steps),
    }
    assert widths == {name: expected[name] for name in widths}
    assert set(widths) == set(runner.config.replay_columns())


def test_counts_of_a_run(learnt):
    (stage,) = learnt.progress()["ended"]
    assert stage["episodes"] == stage["updates"] == stage["env_steps"] == stage["probes"] == 1200
    assert stage["validation_probes"] == 2 * 4 * 1000
    assert len(learnt.replay) == 1200


def test_a_row_is_what_happened_round_by_round():
    runner = make_runner(num_rounds=2, time_steps=2, gamma=0.5, reward_scale=3.0)
    rollout = runner.collect(8, (0, 1), 0.2)
    inputs = rollout.columns["inputs"].reshape(8, 5, 6)
    action = rollout.columns["action"].reshape(8, 4, 2)
    state, last, seen = inputs[..., :2], inputs[..., 2:4], inputs[..., 4:]
    assert not last[:, 0].any() and not seen[:, 0].any()
    np.testing.assert_array_equal(last[:, 1:], action)
    np.testing.assert_allclose(seen[:, 1:], np.repeat(action.sum(2, keepdims=True), 2, axis=2))
    for first in (0, 2):  # the state is held within a time step
        np.testing.assert_array_equal(state[:, first], state[:, first + 1])
    assert (state[:, 1] != state[:, 2]).all() and (state[:, 3] != state[:, 4]).all()
    rewarded = action[:, 1::2], state[:, 1:4:2]
    earned = -np.square(rewarded[0] - rewarded[1] @ JointGame(1, 0).gains.T).sum(2)
    np.testing.assert_allclose(rollout.columns["reward"], 3.0 * earned, rtol=1e-5)
    np.testing.assert_allclose(rollout.returns, earned.sum(1), rtol=1e-5)
    assert not rollout.columns["terminated"].any()  # a time limit truncates


def test_noise_in_every_round():
    runner = make_runner(lanes=500, num_rounds=3)
    rows = runner.collect(500, (0, 1), 0.1).columns
    module = runner.module[actor_id(1)].unwrapped()
    with torch.no_grad():
        meant = module.forward_inference({Columns.OBS: torch.from_numpy(rows["inputs"])})
    noise = (rows["action"] - meant[Columns.ACTIONS].numpy()).reshape(500, 3, 2)
    np.testing.assert_allclose(noise.std(axis=(0, 2)), [0.1, 0.1, 0.1], rtol=0.1)
    quiet = runner.collect(500, (0, 1), 0.0).columns
    np.testing.assert_array_equal(rows["inputs"][:, :6], quiet["inputs"][:, :6])


def test_trajectories_are_played_as_the_learner_unrolls_them():
    runner = make_runner(num_rounds=2, time_steps=3)
    columns = runner.collect(21, (0, 1), 0.0).columns
    module = runner.module[actor_id(1)].unwrapped()
    with torch.no_grad():
        played = module.forward_inference({Columns.OBS: torch.from_numpy(columns["inputs"])})
    np.testing.assert_allclose(played[Columns.ACTIONS], columns["action"], atol=1e-6)


@pytest.mark.parametrize(("horizon", "time_steps"), [(1, 2), (3, 2)])
def test_trajectories_of_another_length_are_refused(horizon, time_steps):
    runner = make_runner(time_steps=time_steps)
    runner._lanes[8] = JointGame(8, 0, horizon=horizon)
    with pytest.raises(ValueError, match=r"time_steps is 2, but \d of 8 trajectories are over"):
        runner.collect(8, (0, 1), 0.1)


# --- several time steps -----------------------------------------------------------------


def test_several_time_steps_with_a_discount(ray_session):
    config = learning(gamma=0.5, tau=0.05).environment(env_config={"horizon": 2})
    config.recurrence(time_steps=2).stages(episodes=800).training(minibatch_size=64)
    algo = config.build_algo()
    run(algo)
    (stage,) = algo.progress()["ended"]
    assert (stage["episodes"], stage["env_steps"], stage["probes"]) == (800, 1600, 1600)
    assert stage["best_return"] > 0.85 * 2 * decentralised_value()  # no single round can
    algo.stop()


# --- seeds and checkpoints --------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(ray_session, tmp_path_factory):
    """A tiny run to the end, saved after every iteration."""
    folder = tmp_path_factory.mktemp("checkpoints")
    algo = tiny(gamma=0.5, time_steps=2).build_algo()
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
    same, other = (tiny(gamma=0.5, time_steps=2, seed=seed).build_algo() for seed in (0, 1))
    for algo in (same, other):
        run(algo)
    np.testing.assert_equal(counts(same), where)
    assert not np.isclose(
        weights(other)[f"{CRITIC}.critic.gru.input.weight"],
        expected[f"{CRITIC}.critic.gru.input.weight"],
    ).any()
    for algo in (same, other):
        algo.stop()


# --- what comes out ---------------------------------------------------------------------


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
    expected = algo.progress()["ended"][0]["best_return"]
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
    rows = runner.collect(5, (3,), 0.1).columns
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


# --- settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "setting", "value"),
    [
        ("recurrence", "num_rounds", 0),
        ("recurrence", "time_steps", 0),
        ("recurrence", "memory_width", 0),
        ("stages", "num_stages", 2),
        ("training", "full_state", True),
        ("training", "target_input", "literal"),
        ("training", "tau", 0.0),
    ],
)
def test_bad_settings_are_refused_by_name(where, setting, value):
    config = MARDPGConfig().environment("quadratic_game")
    getattr(config, where)(**{setting: value})
    with pytest.raises(ValueError, match=rf"{setting} is "):
        config.validate()


def test_rounds_need_a_probe(ray_session):
    config = tiny().environment(env_config={"joint": False})
    with pytest.raises(ValueError, match="num_rounds is 2, but the environment has no probe"):
        config.build_algo()


def test_one_round_over_time_needs_none(ray_session):
    config = tiny(num_rounds=1, time_steps=3, gamma=0.9)
    config.environment(env_config={"joint": False, "horizon": 3})
    algo = config.build_algo()
    run(algo)
    assert algo.progress()["ended"][0]["env_steps"] == 72
    algo.stop()


def test_config_names_its_parts():
    config = MARDPGConfig()
    assert config.algo_class is MARDPG and config.env_runner_cls is MARDPGEnvRunner
    assert isinstance(MARDPG.get_default_config(), MARDPGConfig)
    assert isinstance(config, MADDPGConfig)
