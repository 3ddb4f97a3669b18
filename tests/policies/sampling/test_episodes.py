"""Trajectories as RLlib's episodes: callbacks on them, and their metrics."""

from __future__ import annotations

import numpy as np
import pytest
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from runners import VariedGame, make_runner, weights_of

from policies import MARDPGConfig
from policies.sampling import episodes
from policies.sampling.runner import StagedRunner

EPISODES, LANES = 21, 8


class Told(RLlibCallback):
    """Remembers what it is told, in the order of the calls."""

    calls = None  # of the class, as RLlib makes the object: a list

    def _told(self, what, *, episode, env_index, metrics_logger, env, env_runner, rl_module):
        assert isinstance(episode, MultiAgentEpisode)
        assert env_runner.env is env and env_runner.module is rl_module
        Told.calls.append((what, env_index, episode, episode.env_t))
        metrics_logger.log_value(("told", what), 1, reduce="sum")

    def on_episode_created(self, **told):
        self._told("created", **told)

    def on_episode_start(self, **told):
        self._told("start", **told)

    def on_episode_step(self, **told):
        self._told("step", **told)

    def on_episode_end(self, **told):
        self._told("end", **told)


def with_callbacks(runner, *classes, **functions):
    """The same runner, made anew with callbacks."""
    config = runner.config.copy(copy_frozen=False).callbacks(*classes, **functions)
    return StagedRunner(config=config)


def of(what):
    return [call for call in Told.calls if call[0] == what]


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(Told, "calls", [])
    return Told.calls


def assert_one_episode_per_trajectory(rollout, ended):
    """Returns and lengths of all agents, in the order in which trajectories ended."""
    assert len(ended) == len(rollout.returns) == EPISODES
    agents = ("agent_0", "agent_1")
    for episode, shared, own, length in zip(
        ended, rollout.returns, rollout.agent_returns, rollout.lengths, strict=True
    ):
        assert episode.is_done and len(episode) == length
        found = [episode.agent_episodes[agent].get_return() for agent in agents]
        np.testing.assert_allclose(found, own, rtol=1e-5)
        assert episode.get_return() == pytest.approx(own.sum(), rel=1e-5)
        assert np.mean(own) == pytest.approx(shared, rel=1e-5)  # the game's shared reward


def test_callbacks_are_called_once_per_trajectory_and_at_every_step(told):
    runner = with_callbacks(make_runner(), Told)
    for count in range(1, LANES + 1):
        runner.lanes._joint[count] = VariedGame(count, 0, horizon=3)
    rollout = runner.collect(EPISODES, (0, 1), 0.1)
    assert_one_episode_per_trajectory(rollout, [episode for _, _, episode, _ in of("end")])
    assert len(set(rollout.lengths)) == 3
    for what in ("created", "start", "end"):
        assert len({id(episode) for _, _, episode, _ in of(what)}) == len(of(what)) == EPISODES
    assert len(of("step")) == sum(rollout.lengths) == rollout.env_steps
    one = of("end")[-1][2]
    mine = [(what, time) for what, _, episode, time in told if episode is one]
    steps = [("step", t + 1) for t in range(len(one))]
    assert mine == [("created", 0), ("start", 0), *steps, ("end", len(one))]
    assert {lane for _, lane, _, _ in told} == set(range(LANES))
    metrics = runner.get_metrics()
    assert metrics["told"]["step"].peek() == rollout.env_steps


def test_episodes_hold_what_the_rows_hold(told):
    runner = with_callbacks(make_runner(horizon=3, lanes=4, gamma=0.5), Told)
    rows = runner.collect(4, (0, 1), 0.1).rows()
    state, action, following = (
        rows[name].reshape(3, 4, 2) for name in ("inputs", "action", "next_inputs")
    )
    for _, lane, episode, _ in of("end"):
        for i, agent in enumerate(("agent_0", "agent_1")):
            seen = np.stack(episode.agent_episodes[agent].get_observations())
            np.testing.assert_array_equal(seen[:3, 0], state[:, lane, i])
            assert seen[3, 0] == following[2, lane, i]
            done = np.stack(episode.agent_episodes[agent].get_actions())
            np.testing.assert_array_equal(done[:, 0], action[:, lane, i])
        assert episode.is_truncated and not episode.is_terminated


def test_a_trajectory_of_one_step_is_terminated(told):
    with_callbacks(make_runner(), Told).collect(8, (0, 1), 0.1)
    for _, _, episode, _ in of("end"):
        assert episode.is_terminated and not episode.is_truncated
        assert all(agent.is_terminated for agent in episode.agent_episodes.values())


def test_callbacks_may_be_functions():
    ended, started = [], []
    runner = with_callbacks(
        make_runner(horizon=2),
        on_episode_end=lambda *, episode, **told: ended.append(episode),
        on_episode_start=[lambda **told: started.append(1), lambda **told: started.append(2)],
    )
    rollout = runner.collect(EPISODES, (0, 1), 0.1)
    assert_one_episode_per_trajectory(rollout, ended)
    assert started == [1, 2] * EPISODES


def test_several_classes_and_functions_are_all_called(told):
    ended = []

    class Other(RLlibCallback):
        def on_episode_end(self, *, episode, **told):
            ended.append(episode)

    runner = with_callbacks(
        make_runner(),
        [Told, Other],
        on_episode_end=lambda *, episode, **told: ended.append(episode),
    )
    runner.collect(EPISODES, (0, 1), 0.1)
    assert (len(of("end")), len(ended)) == (EPISODES, 2 * EPISODES)


def test_recurrent_trajectories_are_episodes_too(told):
    config = (
        MARDPGConfig()
        .environment("quadratic_game", env_config={"horizon": 2})
        .env_runners(num_envs_per_env_runner=LANES)
        .training(actor_width=8, num_rounds=2, time_steps=2, memory_width=4)
        .callbacks(Told)
    )
    rollout = StagedRunner(config=config).collect(EPISODES, (0, 1), 0.1)
    assert_one_episode_per_trajectory(rollout, [episode for _, _, episode, _ in of("end")])
    assert (len(of("start")), len(of("step"))) == (EPISODES, 2 * EPISODES)


def test_what_is_collected_is_the_same_with_callbacks(told):
    plain = make_runner(horizon=3)
    one, other = (
        each.collect(EPISODES, (0, 1), 0.1) for each in (plain, with_callbacks(plain, Told))
    )
    assert told
    for name, column in one.rows().items():
        np.testing.assert_array_equal(column, other.rows()[name])


def test_no_episodes_are_made_unless_somebody_wants_them(monkeypatch):
    def made():
        raise AssertionError("an episode was made")

    monkeypatch.setattr(episodes, "MultiAgentEpisode", made)

    class Elsewhere(RLlibCallback):
        """Not interested in episodes."""

        def on_train_result(self, **told):
            pass

    for runner in (make_runner(), with_callbacks(make_runner(), Elsewhere)):
        runner.collect(EPISODES, (0, 1), 0.1)
    with pytest.raises(AssertionError, match="an episode was made"):
        with_callbacks(make_runner(), Told).collect(EPISODES, (0, 1), 0.1)


def test_validation_is_nobodys_episode(told):
    runner = with_callbacks(make_runner(), Told)
    runner.validate(weights_of(runner, 1), 20, 0)
    assert not told


def test_environments_and_samples_are_told():
    created, sampled = [], []
    runner = with_callbacks(
        make_runner(),
        on_environment_created=lambda *, env, **told: created.append(env),
        on_sample_end=lambda *, samples, **told: sampled.append(samples),
    )
    assert created == [runner.env]
    batches = runner.sample(num_episodes=5)
    assert sampled == [batches]


def test_metrics_are_those_of_the_trajectories():
    runner = make_runner()
    for count in range(1, LANES + 1):
        runner.lanes._joint[count] = VariedGame(count, 0, horizon=3)
    rollout = runner.collect(EPISODES, (0, 1), 0.1)
    found = runner.get_metrics()
    expected = {
        "episode_return_mean": np.mean(rollout.returns),
        "episode_return_min": min(rollout.returns),
        "episode_return_max": max(rollout.returns),
        "episode_len_mean": np.mean(rollout.lengths),
        "episode_len_min": min(rollout.lengths),
        "episode_len_max": max(rollout.lengths),
        "num_episodes": EPISODES,
        "num_env_steps_sampled": rollout.env_steps,
    }
    for name, value in expected.items():
        assert found[name].peek() == pytest.approx(value), name
    own = np.mean(rollout.agent_returns, axis=0)
    for i, agent in enumerate(("agent_0", "agent_1")):
        assert found["agent_episode_returns_mean"][agent].peek() == pytest.approx(own[i])
