"""What the runner collects, counts and probes, on the quadratic game."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quadratic_game import GAINS, Game, JointGame
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.policy.sample_batch import MultiAgentBatch
from ray.rllib.utils.metrics import NUM_ENV_STEPS_SAMPLED, NUM_EPISODES, WEIGHTS_SEQ_NO

from policies import MADDPGConfig
from policies.staged.modules import CRITIC, actor_id
from policies.staged.runner import NUM_PROBES, MADDPGEnvRunner

GAMMAS = (0.0, 0.9)


class VariedGame(JointGame):
    """Trajectories of 1, 2 or 3 steps, drawn at reset, with meters that are never exact."""

    def reset(self, mask=None):
        fresh = np.ones(self.num_envs, bool) if mask is None else mask
        if not hasattr(self, "until"):
            self.until = np.zeros(self.num_envs, int)
        self.until[fresh] = self.rng.integers(1, 4, fresh.sum())
        return super().reset(mask)

    def step(self, action):
        step = super().step(action)
        return step._replace(truncated=self.time >= self.until)

    def probe(self, action):
        return super().probe(action) + np.float32(0.1) * self._draw(self.num_envs)


def make_runner(stage=1, num_stages=2, lanes=8, env=None, horizon=1, **settings):
    config = (
        MADDPGConfig()
        .environment("quadratic_game", env_config={"horizon": horizon})
        .env_runners(num_envs_per_env_runner=lanes)
        .stages(num_stages=num_stages)
        .training(actor_width=8, reward_scale=1.0, **settings)
        .debugging(seed=0)
    )
    runner = MADDPGEnvRunner(config=config)
    if env is not None:
        for count in range(1, lanes + 1):
            runner._lanes[count] = env(count, 0, horizon=3)
    for later in range(2, stage + 1):
        runner.module[actor_id(later)].begun.fill_(True)
    assert runner.stage == stage
    return runner


def weights_of(runner, stage):
    return {k: v.clone() for k, v in runner.module[actor_id(stage)].actor.state_dict().items()}


# --- counting ---------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("episodes", [3, 8, 8 * 4, 8 * 2 + 5])
def test_exact_counts(episodes, horizon, stage, gamma):
    runner = make_runner(stage, num_stages=3, horizon=horizon, gamma=gamma)
    rollout = runner.collect(episodes, (0, 1), 0.1)
    assert len(rollout.returns) == episodes
    assert {len(column) for column in rollout.columns.values()} == {episodes * horizon}
    # Every state of a trajectory is probed once per earlier stage; with a discount the one
    # that follows its last step too.
    states = episodes * (horizon + (gamma > 0.0))
    assert rollout.probes == states * (stage - 1)
    metrics = runner.get_metrics()
    assert metrics[NUM_ENV_STEPS_SAMPLED].peek() == episodes * horizon
    assert metrics[NUM_EPISODES].peek() == episodes
    assert metrics[NUM_PROBES].peek() == rollout.probes


def test_returns_are_the_sums_of_each_trajectory():
    runner = make_runner(horizon=3, lanes=4)
    rollout = runner.collect(4, (0, 1), 0.1)
    reward = rollout.columns["reward"].reshape(3, 4)  # time first
    np.testing.assert_allclose(sorted(rollout.returns), sorted(reward.sum(0)), rtol=1e-5)


@pytest.mark.parametrize("target_input", ["probe", "literal"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_trajectories_of_different_lengths(gamma, target_input):
    runner = make_runner(2, env=VariedGame, gamma=gamma, target_input=target_input)
    rollout = runner.collect(50, (0, 1), 0.1)
    rows = len(rollout.columns["action"])
    assert len(rollout.returns) == 50
    assert 50 < rows < 150
    assert rollout.columns["reward"].sum() == pytest.approx(sum(rollout.returns), rel=1e-5)
    followed = gamma > 0.0 and target_input == "probe"
    assert rollout.probes == rows + 50 * followed
    if gamma > 0.0:
        # A trajectory's rows hang together: 50 of them begin, and all others follow a row.
        def keys(name):
            width = 6 if followed else 2  # what was probed once is not probed again
            return {row.tobytes() for row in rollout.columns[name][:, :width]}

        assert len(keys("inputs") - keys("next_inputs")) == 50


# --- rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_rows_are_the_games_own(critic):
    runner = make_runner(critic=critic)
    columns = runner.collect(20, (0, 1), 0.2).columns
    assert set(columns) == {"inputs", "action", "reward"}
    assert {column.dtype for column in columns.values()} == {np.dtype(np.float32)}
    square = np.square(columns["action"] - columns["inputs"] @ np.float32(GAINS).T)
    expected = -square.sum(1, keepdims=True) if critic == "shared" else -2.0 * square
    np.testing.assert_allclose(columns["reward"], expected, rtol=1e-4, atol=1e-6)


def test_rewards_are_scaled_for_learning_and_returns_are_not():
    plain, scaled = make_runner(), make_runner()
    scaled.config.reward_scale = 0.25
    one, other = (runner.collect(20, (0, 1), 0.2) for runner in (plain, scaled))
    np.testing.assert_allclose(other.columns["reward"], 0.25 * one.columns["reward"])
    assert other.returns == one.returns


def test_later_inputs_are_state_prototype_and_measurement():
    runner = make_runner(2)
    inputs = runner.collect(20, (0, 1), 0.2).columns["inputs"]
    assert inputs.shape == (20, 6)
    state, prototype, seen = np.split(inputs, 3, axis=1)
    np.testing.assert_allclose(prototype, runner._actor(1)(state), atol=1e-6)
    np.testing.assert_allclose(seen, prototype.sum(1, keepdims=True).repeat(2, 1), atol=1e-6)


def test_third_stage_is_fed_by_the_second():
    runner = make_runner(3, num_stages=3)
    state, prototype, seen = np.split(runner.collect(20, (0, 1), 0.2).columns["inputs"], 3, 1)
    first = runner._actor(1)(state)
    measured = first.sum(1, keepdims=True).repeat(2, 1)
    second = runner._actor(2)(np.concatenate([state, first, measured], axis=1))
    np.testing.assert_allclose(prototype, second, atol=1e-6)
    np.testing.assert_allclose(seen, second.sum(1, keepdims=True).repeat(2, 1), atol=1e-6)


@pytest.mark.parametrize("stage", [1, 2])
def test_next_inputs_are_the_next_rows_inputs(stage):
    lanes, horizon = 4, 3
    runner = make_runner(stage, lanes=lanes, horizon=horizon, gamma=0.9)
    columns = runner.collect(2 * lanes, (0, 1), 0.2).columns
    inputs = columns["inputs"].reshape(2, horizon, lanes, -1)
    next_inputs = columns["next_inputs"].reshape(2, horizon, lanes, -1)
    np.testing.assert_array_equal(next_inputs[:, :-1], inputs[:, 1:])
    assert not np.isclose(next_inputs[0, -1], inputs[1, 0])[:, :2].any()  # a reset lies between
    assert not columns["terminated"].any()  # a time limit truncates


@pytest.mark.parametrize("horizon", [1, 3])
def test_final_state_is_probed_before_the_reset(horizon):
    runner = make_runner(2, lanes=4, horizon=horizon, gamma=0.9)
    columns = runner.collect(8, (0, 1), 0.2).columns
    state, prototype, seen = np.split(columns["next_inputs"], 3, axis=1)
    np.testing.assert_allclose(prototype, runner._actor(1)(state), atol=1e-6)
    np.testing.assert_allclose(seen, prototype.sum(1, keepdims=True).repeat(2, 1), atol=1e-6)
    assert columns["terminated"].all() == (horizon == 1)
    if horizon == 1:  # the held state
        np.testing.assert_array_equal(columns["next_inputs"], columns["inputs"])


def test_literal_target_input_is_the_next_state_with_this_action_and_measurement():
    runner = make_runner(2, lanes=4, horizon=3, gamma=0.9, target_input="literal")
    columns = runner.collect(4, (0, 1), 0.2).columns
    state, action, seen = np.split(columns["next_inputs"], 3, axis=1)
    np.testing.assert_array_equal(action, columns["action"])
    np.testing.assert_array_equal(seen, action.sum(1, keepdims=True).repeat(2, 1))
    following = columns["inputs"].reshape(3, 4, 6)[1:, :, :2]
    np.testing.assert_array_equal(state.reshape(3, 4, 2)[:-1], following)
    # The inputs it acts on are probed as ever.
    prototype = columns["inputs"][:, 2:4]
    np.testing.assert_allclose(prototype, runner._actor(1)(columns["inputs"][:, :2]), atol=1e-6)


# --- seeds and noise --------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["gaussian", "ornstein-uhlenbeck"])
def test_a_request_is_answered_by_its_seed_alone(noise):
    runner = make_runner(2, horizon=3)
    runner.config.noise = noise
    first = runner.collect(20, (0, 2, 7), 0.3)
    runner.collect(11, (5,), 0.3)
    again = runner.collect(20, (0, 2, 7), 0.3)
    other = runner.collect(20, (0, 2, 8), 0.3)
    for name, column in first.columns.items():
        np.testing.assert_array_equal(column, again.columns[name])
        assert not np.isclose(column, other.columns[name], atol=1e-7).all(axis=1).any()


def test_random_actions_are_uniform():
    runner = make_runner(lanes=500)
    action = runner.collect(4000, (0, 1), 0.0, random_actions=True).columns["action"]
    deciles = np.histogram(action, bins=10, range=(-1, 1))[0] / action.size
    np.testing.assert_allclose(deciles, 0.1, atol=0.015)
    assert abs(np.corrcoef(action.T)[0, 1]) < 0.06


def test_noise_is_added_and_clipped():
    runner = make_runner(lanes=500)
    quiet = runner.collect(500, (0, 1), 0.0).columns
    np.testing.assert_allclose(quiet["action"], runner._actor(1)(quiet["inputs"]), atol=1e-6)
    noisy = runner.collect(500, (0, 1), 0.1).columns
    np.testing.assert_array_equal(noisy["inputs"], quiet["inputs"])
    assert (noisy["action"] - quiet["action"]).std() == pytest.approx(0.1, rel=0.1)
    loud = runner.collect(500, (0, 1), 5.0).columns["action"]
    assert np.abs(loud).max() == 1.0


def test_correlated_noise_starts_anew_with_each_trajectory():
    runner = make_runner(lanes=500, horizon=3)
    runner.config.noise = "ornstein-uhlenbeck"
    noise = []
    for sigma in (0.0, 0.1):
        noise.append(runner.collect(1000, (0, 1), sigma).columns["action"])
    x = (noise[1] - noise[0]).reshape(2, 3, 500, 2)
    assert np.corrcoef(x[:, 0].ravel(), x[:, 1].ravel())[0, 1] > 0.5
    assert abs(np.corrcoef(x[0, 2].ravel(), x[1, 0].ravel())[0, 1]) < 0.1
    np.testing.assert_allclose(x[:, 0].std(), 0.1, rtol=0.1)


# --- validation, RLlib's interface ------------------------------------------------------


@pytest.mark.parametrize("stage", [1, 2])
def test_validation_judges_given_weights_and_leaves_its_own(stage):
    runner = make_runner(stage, lanes=4)
    held = weights_of(runner, stage)
    given = {name: np.zeros_like(value) for name, value in held.items()}
    given["input_map"] += np.eye(given["input_map"].shape[-1], dtype=np.float32)
    if stage == 1:
        given["skip"] += 0.8  # a_i = 0.8 s_i
    value, probes = runner.validate(given, 4000, seed=3)
    assert probes == 4000 * (stage - 1)
    if stage == 1:
        exact = -np.square(0.8 * np.eye(2) - np.array(GAINS)).sum() / 3
        assert value == pytest.approx(exact, rel=0.05)
    assert runner.num_envs == 4
    for name, tensor in weights_of(runner, stage).items():
        assert tensor.equal(held[name]), name
    assert runner.validate(given, 4000, seed=3) == (value, probes)  # the same states
    assert runner.validate(given, 4000, seed=4)[0] != value


def test_weights_come_back_after_a_failed_validation():
    runner = make_runner()
    held = weights_of(runner, 1)
    with pytest.raises(RuntimeError, match="Missing key"):
        runner.validate({"skip": held["skip"] + 1.0}, 10, seed=0)
    assert runner.num_envs == 8
    for name, tensor in weights_of(runner, 1).items():
        assert tensor.equal(held[name]), name


def test_sample_returns_joint_rows_as_rllib_batches():
    runner = make_runner(horizon=3)
    batches = runner.sample(num_episodes=5, explore=False)
    assert [type(batch) for batch in batches] == [MultiAgentBatch]
    assert batches[0].env_steps() == 15 and set(batches[0].policy_batches) == {CRITIC}
    rows = batches[0][CRITIC]
    np.testing.assert_allclose(rows["action"], runner._actor(1)(rows["inputs"]), atol=1e-6)
    batches = runner.sample(num_timesteps=50)
    assert [batch.env_steps() for batch in batches] == [24, 24, 24]
    assert not np.allclose(batches[0][CRITIC]["inputs"], batches[1][CRITIC]["inputs"])


def test_sample_draws_from_streams_that_no_training_request_draws_from():
    runner = make_runner(lanes=50)
    sampled = {float(x) for _ in range(4) for x in runner.sample()[0][CRITIC]["inputs"].ravel()}
    for stage in range(3):
        for request in range(4):
            seed = (0, stage + 1, request)
            trained = runner.collect(50, seed, 0.0).columns["inputs"]
            assert not sampled & set(trained.ravel().tolist())


def test_state_takes_weights_to_another_runner_whatever_their_number():
    first, second = make_runner(), make_runner()
    second.module[actor_id(1)].actor.skip.data += 1.0
    state = first.get_state(components=COMPONENT_RL_MODULE)
    moved = second.get_state(components=COMPONENT_RL_MODULE)

    def skip():
        return weights_of(second, 1)["skip"]

    second.set_state({**moved, WEIGHTS_SEQ_NO: 5})
    assert skip().max() == 1.0
    second.set_state({**state, WEIGHTS_SEQ_NO: 5})  # a stage that began without an update
    assert skip().max() == 0.0
    second.set_state({**moved, WEIGHTS_SEQ_NO: 4})  # from an older checkpoint
    assert skip().max() == 1.0


def test_an_unregistered_environment_is_named():
    config = MADDPGConfig().environment("nowhere")
    with pytest.raises(ValueError, match="environment 'nowhere' is not registered; import"):
        MADDPGEnvRunner(config=config)


# --- full states and iterated actors ----------------------------------------------------


def test_full_state_actors_see_the_whole_joint_state():
    runner = make_runner(num_stages=1, full_state=True)
    rows = runner.collect(8, (0,), 0.0).columns
    assert rows["inputs"].shape == (8, 2)
    actor = runner.module[actor_id(1)].actor
    np.testing.assert_array_equal(actor._columns.reshape(2, 2), [[0, 1], [0, 1]])


def test_iterated_last_stage_refines_what_it_has_brought_about():
    """Each lane's inputs are those after 0, 1 or 2 turns of the active actors themselves."""
    runner = make_runner(stage=2, lanes=60)
    runner.config.rounds = 3
    with torch.no_grad():
        runner.module[actor_id(2)].actor.last.bias.fill_(0.1)  # so that every turn moves
    rollout = runner.collect(60, (0,), 0.0)
    inputs = rollout.columns["inputs"]
    state, actor = inputs[:, :2], runner._actor(2)
    possible, turns = runner._actor(1)(state), []
    for _ in range(3):
        seen = np.concatenate([state, possible, np.repeat(possible.sum(1)[:, None], 2, 1)], 1)
        turns.append(np.isclose(inputs, seen, atol=1e-6).all(1))
        possible = actor(seen)
    turns = np.array(turns)
    assert (turns.sum(0) == 1).all()
    assert (turns.sum(1) > 8).all()  # 20 of each on average
    assert rollout.probes == 60 + turns[1].sum() + 2 * turns[2].sum()
    _, probes = runner.validate(weights_of(runner, 2), 10, 0)
    assert probes == 30  # judged at the full number of rounds


def test_iterating_waits_for_the_last_stage():
    runner = make_runner(stage=1, num_stages=2)
    runner.config.rounds = 3
    assert runner.collect(8, (0,), 0.0).probes == 0
    assert runner.validate(weights_of(runner, 1), 10, 0)[1] == 0


# --- the environment --------------------------------------------------------------------


def test_copies_of_a_plain_environment_are_few_and_all_closed():
    made, closed = [], []

    class Plain(Game):
        def __init__(self, context):
            super().__init__({"joint": False})
            made.append(self)

        def close(self):
            closed.append(self)

    config = MADDPGConfig().environment(Plain).env_runners(num_envs_per_env_runner=4)
    runner = MADDPGEnvRunner(config=config.stages(num_stages=1).training(actor_width=8))
    runner.collect(6, (0,), 0.1)
    runner.collect(3, (1,), 0.1)
    runner.validate(weights_of(runner, 1), 5, 0)
    assert len(made) == 5  # as many as are ever stepped at once
    assert not closed
    runner.stop()
    assert closed == made


def test_no_environment_is_one_line():
    with pytest.raises(ValueError, match=r"no environment: name one with \.environment\(\.\.\.\)"):
        MADDPGEnvRunner(config=MADDPGConfig())
