"""What is collected, counted and probed, on the quadratic game; what is refused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from quadratic_game import GAINS, JointGame
from ray.rllib.utils.metrics import NUM_ENV_STEPS_SAMPLED, NUM_EPISODES
from runners import VariedGame, make_runner, weights_of

from policies.learning.modules import actor_id
from policies.sampling.collector import Tally
from policies.sampling.episodes import NUM_PROBES

GAMMAS = (0.0, 0.9)


# --- counting ---------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("episodes", [3, 8, 8 * 4, 8 * 2 + 5])
def test_exact_counts(episodes, horizon, stage, gamma):
    runner = make_runner(stage, num_stages=3, horizon=horizon, gamma=gamma)
    rollout = runner.collect(episodes, (0, 1), 0.1)
    assert len(rollout.returns) == episodes
    assert {len(column) for column in rollout.rows().values()} == {episodes * horizon}
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
    reward = rollout.rows()["reward"].reshape(3, 4)  # time first
    np.testing.assert_allclose(sorted(rollout.returns), sorted(reward.sum(0)), rtol=1e-5)


@pytest.mark.parametrize("target_input", ["probe", "literal"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_trajectories_of_different_lengths(gamma, target_input):
    runner = make_runner(2, env=VariedGame, gamma=gamma, target_input=target_input)
    rollout = runner.collect(50, (0, 1), 0.1)
    rows = len(rollout.rows()["action"])
    assert len(rollout.returns) == 50
    assert 50 < rows < 150
    assert rollout.rows()["reward"].sum() == pytest.approx(sum(rollout.returns), rel=1e-5)
    followed = gamma > 0.0 and target_input == "probe"
    assert rollout.probes == rows + 50 * followed
    if gamma > 0.0:
        # A trajectory's rows hang together: 50 of them begin, and all others follow a row.
        def keys(name):
            width = 6 if followed else 2  # what was probed once is not probed again
            return {row.tobytes() for row in rollout.rows()[name][:, :width]}

        assert len(keys("inputs") - keys("next_inputs")) == 50


# --- rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_rows_are_the_games_own(critic):
    runner = make_runner(critic=critic)
    columns = runner.collect(20, (0, 1), 0.2).rows()
    assert set(columns) == {"inputs", "action", "reward"}
    assert {column.dtype for column in columns.values()} == {np.dtype(np.float32)}
    square = np.square(columns["action"] - columns["inputs"] @ np.float32(GAINS).T)
    expected = -square.sum(1, keepdims=True) if critic == "shared" else -2.0 * square
    np.testing.assert_allclose(columns["reward"], expected, rtol=1e-4, atol=1e-6)


def test_rewards_are_scaled_for_learning_and_returns_are_not():
    plain, scaled = make_runner(), make_runner()
    scaled.config.reward_scale = 0.25
    one, other = (runner.collect(20, (0, 1), 0.2) for runner in (plain, scaled))
    np.testing.assert_allclose(other.rows()["reward"], 0.25 * one.rows()["reward"])
    assert other.returns == one.returns


def test_later_inputs_are_state_prototype_and_measurement():
    runner = make_runner(2)
    inputs = runner.collect(20, (0, 1), 0.2).rows()["inputs"]
    assert inputs.shape == (20, 6)
    state, prototype, seen = np.split(inputs, 3, axis=1)
    np.testing.assert_allclose(prototype, runner._actor(1)(state), atol=1e-6)
    np.testing.assert_allclose(seen, prototype.sum(1, keepdims=True).repeat(2, 1), atol=1e-6)


def test_third_stage_is_fed_by_the_second():
    runner = make_runner(3, num_stages=3)
    state, prototype, seen = np.split(runner.collect(20, (0, 1), 0.2).rows()["inputs"], 3, 1)
    first = runner._actor(1)(state)
    measured = first.sum(1, keepdims=True).repeat(2, 1)
    second = runner._actor(2)(np.concatenate([state, first, measured], axis=1))
    np.testing.assert_allclose(prototype, second, atol=1e-6)
    np.testing.assert_allclose(seen, second.sum(1, keepdims=True).repeat(2, 1), atol=1e-6)


@pytest.mark.parametrize("stage", [1, 2])
def test_next_inputs_are_the_next_rows_inputs(stage):
    lanes, horizon = 4, 3
    runner = make_runner(stage, lanes=lanes, horizon=horizon, gamma=0.9)
    columns = runner.collect(2 * lanes, (0, 1), 0.2).rows()
    inputs = columns["inputs"].reshape(2, horizon, lanes, -1)
    next_inputs = columns["next_inputs"].reshape(2, horizon, lanes, -1)
    np.testing.assert_array_equal(next_inputs[:, :-1], inputs[:, 1:])
    assert not np.isclose(next_inputs[0, -1], inputs[1, 0])[:, :2].any()  # a reset lies between
    assert not columns["terminated"].any()  # a time limit truncates


@pytest.mark.parametrize("horizon", [1, 3])
def test_final_state_is_probed_before_the_reset(horizon):
    runner = make_runner(2, lanes=4, horizon=horizon, gamma=0.9)
    columns = runner.collect(8, (0, 1), 0.2).rows()
    state, prototype, seen = np.split(columns["next_inputs"], 3, axis=1)
    np.testing.assert_allclose(prototype, runner._actor(1)(state), atol=1e-6)
    np.testing.assert_allclose(seen, prototype.sum(1, keepdims=True).repeat(2, 1), atol=1e-6)
    assert columns["terminated"].all() == (horizon == 1)
    if horizon == 1:  # the held state
        np.testing.assert_array_equal(columns["next_inputs"], columns["inputs"])


def test_literal_target_input_is_the_next_state_with_this_action_and_measurement():
    runner = make_runner(2, lanes=4, horizon=3, gamma=0.9, target_input="literal")
    columns = runner.collect(4, (0, 1), 0.2).rows()
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
    for name, column in first.rows().items():
        np.testing.assert_array_equal(column, again.rows()[name])
        assert not np.isclose(column, other.rows()[name], atol=1e-7).all(axis=1).any()


def test_random_actions_are_uniform():
    runner = make_runner(lanes=500)
    action = runner.collect(4000, (0, 1), 0.0, random_actions=True).rows()["action"]
    deciles = np.histogram(action, bins=10, range=(-1, 1))[0] / action.size
    np.testing.assert_allclose(deciles, 0.1, atol=0.015)
    assert abs(np.corrcoef(action.T)[0, 1]) < 0.06


def test_noise_is_added_and_clipped():
    runner = make_runner(lanes=500)
    quiet = runner.collect(500, (0, 1), 0.0).rows()
    np.testing.assert_allclose(quiet["action"], runner._actor(1)(quiet["inputs"]), atol=1e-6)
    noisy = runner.collect(500, (0, 1), 0.1).rows()
    np.testing.assert_array_equal(noisy["inputs"], quiet["inputs"])
    assert (noisy["action"] - quiet["action"]).std() == pytest.approx(0.1, rel=0.1)
    loud = runner.collect(500, (0, 1), 5.0).rows()["action"]
    assert np.abs(loud).max() == 1.0


def test_correlated_noise_starts_anew_with_each_trajectory():
    runner = make_runner(lanes=500, horizon=3)
    runner.config.noise = "ornstein-uhlenbeck"
    noise = []
    for sigma in (0.0, 0.1):
        noise.append(runner.collect(1000, (0, 1), sigma).rows()["action"])
    x = (noise[1] - noise[0]).reshape(2, 3, 500, 2)
    assert np.corrcoef(x[:, 0].ravel(), x[:, 1].ravel())[0, 1] > 0.5
    assert abs(np.corrcoef(x[0, 2].ravel(), x[1, 0].ravel())[0, 1]) < 0.1
    np.testing.assert_allclose(x[:, 0].std(), 0.1, rtol=0.1)


# --- full states and iterated actors ----------------------------------------------------


def test_full_state_actors_see_the_whole_joint_state():
    runner = make_runner(num_stages=1, full_state=True)
    rows = runner.collect(8, (0,), 0.0).rows()
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
    inputs = rollout.rows()["inputs"]
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
    probes = runner.validate(weights_of(runner, 2), 10, 0).probes
    assert probes == 30  # judged at the full number of rounds


def test_iterating_waits_for_the_last_stage():
    runner = make_runner(stage=1, num_stages=2)
    runner.config.rounds = 3
    assert runner.collect(8, (0,), 0.0).probes == 0
    assert runner.validate(weights_of(runner, 1), 10, 0).probes == 0


# --- what is refused ----------------------------------------------------------------------


class Broken(JointGame):
    """The game with one number that is none: (array, lane, column) at a time since the reset."""

    bad = ("state", 2, 1)
    when = 0
    value = np.nan

    def _broken(self, name, array):
        where, lane, column = self.bad
        if where == name and self.num_envs > lane and self.time[lane] == self.when:
            array = np.array(array)
            array[lane, column] = self.value
        return array

    def reset(self, mask=None):
        return self._broken("state", super().reset(mask))

    def probe(self, action):
        return self._broken("probe", super().probe(action))

    def step(self, action):
        step = super().step(action)
        reward = self._broken("agent_reward", step.agent_reward)
        team = self._broken("reward", reward.mean(1, keepdims=True))[:, 0]
        return step._replace(
            reward=team,
            agent_reward=reward,
            obs=self._broken("obs", np.repeat(action.sum(1, keepdims=True), 2, axis=1)),
            next_state=self._broken("state", step.next_state),
        )


@pytest.mark.parametrize(
    ("bad", "when", "line"),
    [
        (("state", 2, 1), 0, "agent 'agent_1': observation[0] is nan at step 0 of lane 2"),
        (("state", 1, 0), 2, "agent 'agent_0': observation[0] is nan at step 2 of lane 1"),
        (("agent_reward", 3, 1), 1, "agent 'agent_1': reward[0] is nan at step 1 of lane 3"),
        (("reward", 0, 0), 3, "the team's reward[0] is nan at step 3 of lane 0"),
        (("obs", 0, 1), 1, "agent 'agent_1': measurement[0] is nan at step 1 of lane 0"),
        (("probe", 4, 0), 0, "agent 'agent_0': measurement[0] is nan at step 0 of lane 4"),
        (("probe", 4, 0), 2, "agent 'agent_0': measurement[0] is nan at step 2 of lane 4"),
    ],
)
def test_a_number_that_is_none_is_refused_by_agent_and_step(bad, when, line, monkeypatch):
    monkeypatch.setattr(Broken, "bad", bad)
    monkeypatch.setattr(Broken, "when", when)
    runner = make_runner(2, env=Broken)
    with pytest.raises(ValueError) as refused:
        runner.collect(8, (0, 1), 0.1)
    assert str(refused.value).startswith(line + ", must be finite")
    with pytest.raises(ValueError, match=r"must be finite: mend or clip it"):
        runner.validate(weights_of(runner, 2), 8, 0)


def test_infinity_is_no_number_either(monkeypatch):
    monkeypatch.setattr(Broken, "value", -np.inf)
    with pytest.raises(ValueError, match=r"observation\[0\] is -inf at step 0 of lane 2"):
        make_runner(env=Broken).collect(8, (0, 1), 0.1)


@pytest.mark.parametrize("stage", [1, 2])
def test_actors_that_have_diverged_are_no_fault_of_the_environment(stage):
    """They score no number, so that validation passes them over."""
    runner = make_runner(stage)
    with torch.no_grad():
        runner.module[actor_id(stage)].actor.last.bias.fill_(np.nan)
    score = runner.validate(weights_of(runner, stage), 8, 0).score
    assert np.isnan(score)
    assert np.isnan(runner.collect(8, (0, 1), 0.1).returns).all()


@pytest.mark.parametrize("how", ["training", "validation"])
def test_an_environment_that_never_ends_is_refused(how):
    runner = make_runner(horizon=10**9, max_episode_steps=20)
    line = (
        "a trajectory has not ended after 20 steps: let the environment terminate or truncate "
        "it, or raise max_episode_steps"
    )
    with pytest.raises(ValueError) as refused:
        if how == "training":
            runner.collect(8, (0, 1), 0.1)
        else:
            runner.validate(weights_of(runner, 1), 8, 0)
    assert str(refused.value) == line


def test_trajectories_as_long_as_is_allowed_are_fine():
    runner = make_runner(horizon=5, lanes=4, max_episode_steps=5)
    assert runner.collect(12, (0, 1), 0.1).lengths.tolist() == [5] * 12


# --- tickets ------------------------------------------------------------------------------


class FakeStep(NamedTuple):
    reward: np.ndarray
    agent_reward: np.ndarray


def test_lanes_without_a_ticket_run_idle():
    tally = Tally(lanes=3, num_episodes=4, num_agents=2)
    ones = np.ones(3, np.float32)
    for factor in (1.0, 2.0):
        tally.step(FakeStep(factor * ones, np.outer(ones, [factor, 3.0])))
    finished, restarted = tally.end(np.array([True, False, True]))
    assert (finished.tolist(), restarted) == ([0, 2], 1)  # one ticket is left: for lane 0
    assert tally.live.tolist() == [True, True, False]
    assert tally.returns == [3.0, 3.0] and tally.ended.tolist() == [2, 2]
    assert [found.tolist() for found in tally.agent_returns] == [[3.0, 6.0]] * 2
    assert tally.lengths.tolist() == [0, 2, 0]
    tally.step(FakeStep(5.0 * ones, np.outer(ones, [5.0, 5.0])))
    finished, restarted = tally.end(np.array([True, True, True]))
    assert (finished.tolist(), restarted) == ([0, 1], 0)
    assert tally.returns == [3.0, 3.0, 5.0, 8.0] and tally.ended.tolist() == [2, 2, 1, 3]
    assert not tally.live.any()
