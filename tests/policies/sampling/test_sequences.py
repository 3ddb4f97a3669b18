"""Rows that hold whole trajectories of several rounds per time step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quadratic_game import JointGame
from ray.rllib.core.columns import Columns
from tiny_training import tiny_recurrent

from policies.learning.modules import actor_id
from policies.sampling.runner import StagedRunner
from policies.sampling.sequences import RecurrentAct


def make_runner(lanes=8, **settings):
    config = tiny_recurrent(**settings).env_runners(num_envs_per_env_runner=lanes)
    return StagedRunner(config=config)


@pytest.mark.parametrize("gamma", [0.0, 0.9])
@pytest.mark.parametrize(("num_rounds", "time_steps"), [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("episodes", [3, 8, 8 * 2 + 5])
def test_exact_counts_of_a_request(episodes, num_rounds, time_steps, gamma):
    runner = make_runner(num_rounds=num_rounds, time_steps=time_steps, gamma=gamma)
    rollout = runner.collect(episodes, (0, 1), 0.1)
    assert len(rollout.returns) == episodes
    assert rollout.env_steps == episodes * time_steps
    assert rollout.probes == episodes * time_steps * (num_rounds - 1)
    widths = {name: column.shape for name, column in rollout.rows().items()}
    rounds = num_rounds * time_steps
    expected = {
        "inputs": (episodes, (rounds + (gamma > 0)) * 6),
        "action": (episodes, rounds * 2),
        "reward": (episodes, time_steps),
        "terminated": (episodes, time_steps),
    }
    assert widths == {name: expected[name] for name in widths}
    assert set(widths) == set(runner.config.columns)


def test_a_row_is_what_happened_round_by_round():
    runner = make_runner(num_rounds=2, time_steps=2, gamma=0.5, reward_scale=3.0)
    rollout = runner.collect(8, (0, 1), 0.2)
    inputs = rollout.rows()["inputs"].reshape(8, 5, 6)
    action = rollout.rows()["action"].reshape(8, 4, 2)
    state, last, seen = inputs[..., :2], inputs[..., 2:4], inputs[..., 4:]
    assert not last[:, 0].any() and not seen[:, 0].any()
    np.testing.assert_array_equal(last[:, 1:], action)
    np.testing.assert_allclose(seen[:, 1:], np.repeat(action.sum(2, keepdims=True), 2, axis=2))
    for first in (0, 2):  # the state is held within a time step
        np.testing.assert_array_equal(state[:, first], state[:, first + 1])
    assert (state[:, 1] != state[:, 2]).all() and (state[:, 3] != state[:, 4]).all()
    rewarded = action[:, 1::2], state[:, 1:4:2]
    earned = -np.square(rewarded[0] - rewarded[1] @ JointGame(1, 0).gains.T).sum(2)
    np.testing.assert_allclose(rollout.rows()["reward"], 3.0 * earned, rtol=1e-5)
    np.testing.assert_allclose(rollout.returns, earned.sum(1), rtol=1e-5)
    assert not rollout.rows()["terminated"].any()  # a time limit truncates


def test_noise_in_every_round():
    runner = make_runner(lanes=500, num_rounds=3)
    rows = runner.collect(500, (0, 1), 0.1).rows()
    module = runner.module[actor_id(1)].unwrapped()
    with torch.no_grad():
        meant = module.forward_inference({Columns.OBS: torch.from_numpy(rows["inputs"])})
    noise = (rows["action"] - meant[Columns.ACTIONS].numpy()).reshape(500, 3, 2)
    np.testing.assert_allclose(noise.std(axis=(0, 2)), [0.1, 0.1, 0.1], rtol=0.1)
    quiet = runner.collect(500, (0, 1), 0.0).rows()
    np.testing.assert_array_equal(rows["inputs"][:, :6], quiet["inputs"][:, :6])


def test_trajectories_are_played_as_the_learner_unrolls_them():
    runner = make_runner(num_rounds=2, time_steps=3)
    columns = runner.collect(21, (0, 1), 0.0).rows()
    module = runner.module[actor_id(1)].unwrapped()
    with torch.no_grad():
        played = module.forward_inference({Columns.OBS: torch.from_numpy(columns["inputs"])})
    np.testing.assert_allclose(played[Columns.ACTIONS], columns["action"], atol=1e-6)


@pytest.mark.parametrize(("horizon", "time_steps"), [(1, 2), (3, 2)])
def test_trajectories_of_another_length_are_refused(horizon, time_steps):
    runner = make_runner(time_steps=time_steps)
    runner.lanes._joint[8] = JointGame(8, 0, horizon=horizon)
    with pytest.raises(ValueError, match=r"time_steps is 2, but \d of 8 trajectories are over"):
        runner.collect(8, (0, 1), 0.1)


def test_a_measurement_that_is_no_number_is_refused():
    class Broken(JointGame):
        def probe(self, action):
            measured = super().probe(action)
            measured[3, 1] = np.inf
            return measured

    runner = make_runner()
    runner.lanes._joint[8] = Broken(8, 0)
    line = r"agent 'agent_1': measurement\[0\] is inf at step 0 of lane 3, must be finite"
    with pytest.raises(ValueError, match=line):
        runner.collect(8, (0, 1), 0.1)


def test_actors_that_have_diverged_are_no_fault_of_the_environment():
    runner = make_runner()
    actor = runner.module[actor_id(1)].unwrapped().actor
    weights = {k: torch.full_like(v, np.nan) for k, v in actor.state_dict().items()}
    assert np.isnan(runner.validate(weights, 8, 0).score)


def test_actors_at_work_begin_anew_when_a_trajectory_is_over():
    runner = make_runner(num_rounds=2, time_steps=2)
    actor = runner.module[actor_id(1)].unwrapped().actor
    act = RecurrentAct(actor, 4)
    x = np.random.default_rng(0).uniform(-1, 1, (9, 5, 6)).astype(np.float32)
    played = np.stack([act(inputs) for inputs in x])
    with torch.no_grad():
        for start in (0, 4, 8):
            expected = actor(torch.from_numpy(x[start : start + 4])).numpy()
            np.testing.assert_allclose(played[start : start + 4], expected, atol=1e-6)
