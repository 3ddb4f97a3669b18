"""Copies of a plain environment, against the game's own joint form."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from quadratic_game import Game, JointGame

from policies.contract.copies import CopiesEnv, joint_env
from policies.contract.joint_spec import JointEnv

LANES = 5


def pair(horizon=1, **config):
    """Copies, and per lane the joint game with the same random stream."""
    copies = CopiesEnv(lambda: Game({"horizon": horizon, **config}), LANES, seed=11)
    seeds = np.random.SeedSequence(11).generate_state(LANES)
    return copies, [JointGame(1, int(seed), horizon=horizon) for seed in seeds]


@pytest.mark.parametrize("limits", [(-1.0, 1.0), (-6.0, 10.0)])
@pytest.mark.parametrize("horizon", [1, 3])
def test_agree_with_the_joint_game_row_by_row(horizon, limits):
    copies, games = pair(horizon, low=limits[0], high=limits[1])
    assert isinstance(copies, JointEnv)
    rng = np.random.default_rng(0)
    state = copies.reset()
    np.testing.assert_array_equal(state, np.concatenate([game.reset() for game in games]))
    for _ in range(horizon):
        action = rng.uniform(-1, 1, (LANES, 2)).astype(np.float32)
        step = copies.step(action)
        rows = [game.step(action[i : i + 1]) for i, game in enumerate(games)]
        for name in ("reward", "agent_reward", "next_state", "terminated", "truncated"):
            expected = np.concatenate([getattr(row, name) for row in rows])
            found = getattr(step, name)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)
            assert found.dtype == (bool if "ated" in name else np.float32)
        assert step.obs.shape == (LANES, 0)
    assert step.terminated.all() == (horizon == 1) and step.truncated.all() == (horizon > 1)


def test_only_masked_copies_are_reset():
    copies, games = pair(horizon=3)
    for game in games:
        game.reset()
    copies.reset()
    action = np.zeros((LANES, 2), np.float32)
    before = copies.step(action).next_state
    for game in games:
        game.step(action[:1])
    mask = np.array([True, False, False, True, False])
    after = copies.reset(mask)
    np.testing.assert_array_equal(after[~mask], before[~mask])
    expected = np.concatenate([games[i].reset() for i in (0, 3)])  # each goes on in its stream
    np.testing.assert_array_equal(after[mask], expected)
    step = copies.step(action)
    assert not step.truncated.any()
    step = copies.step(action)
    np.testing.assert_array_equal(step.truncated, ~mask)


def test_reseed_starts_the_same_stream_again():
    copies, _ = pair()
    first = copies.reset()
    assert not np.allclose(first, copies.reset())
    copies.reseed(11)
    np.testing.assert_array_equal(copies.reset(), first)
    copies.reseed(np.random.SeedSequence(12))
    assert not np.allclose(copies.reset(), first)
    assert len(np.unique(first)) == first.size  # the lanes differ among themselves


def test_scaled_actions_stay_inside_odd_bounds():
    copies, _ = pair(low=-0.7, high=0.1)  # -0.7 + (0.1 + 0.7) exceeds 0.1 in float32
    copies.reset()
    copies.step(np.tile(np.float32([-1.0, 1.0]), (LANES, 1)))  # the game refuses what is outside


def test_signature_is_in_the_units_of_the_action_space():
    copies, _ = pair(low=-6.0, high=10.0)
    signature = copies.signature("agent_1")
    assert signature["action"] == [
        {"name": "action[0]", "offset": 2.0, "scale": 8.0, "low": -6.0, "high": 10.0}
    ]
    assert signature["state"] == [{"name": "state[0]", "offset": 0.0, "scale": 1.0}]
    assert signature["observation"] == []


def test_an_environment_with_a_joint_form_is_asked_for_it():
    env = Game({"horizon": 2})
    joint = joint_env(env, lambda: pytest.fail("no copy is needed"), 3, seed=0)
    assert isinstance(joint, JointGame) and joint.num_envs == 3 and joint.horizon == 2


def test_one_without_is_copied():
    joint = joint_env(Game({"joint": False}), lambda: Game({"joint": False}), 3, seed=0)
    assert isinstance(joint, CopiesEnv) and joint.num_envs == 3 and not hasattr(joint, "probe")


@pytest.mark.parametrize(
    ("kind", "space", "message"),
    [
        ("action", gym.spaces.Discrete(3), r"action space is Discrete\(3\), must be a flat Box"),
        ("action", gym.spaces.Box(-1, 1, (2, 2)), "action space is .*, must be a flat Box"),
        (
            "action",
            gym.spaces.Box(-np.inf, 1, (1,)),
            "action space .* must be bounded on both sides",
        ),
        (
            "action",
            gym.spaces.Box(-1, np.inf, (1,)),
            "action space .* must be bounded on both sides",
        ),
        ("observation", gym.spaces.MultiBinary(2), "observation space is .*, must be a flat Box"),
    ],
)
def test_other_spaces_are_refused(kind, space, message):
    def make():
        env = Game()
        getattr(env, f"{kind}_spaces")["agent_1"] = space
        return env

    with pytest.raises(ValueError, match=f"agent 'agent_1': {message}"):
        CopiesEnv(make, 2, seed=0)
