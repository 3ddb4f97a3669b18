"""Copies of a plain environment, against the game's own joint form."""

from __future__ import annotations

import json
import re

import gymnasium as gym
import numpy as np
import pytest
from quadratic_game import Game, JointGame
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from policies.contract.copies import CopiesEnv, joint_env
from policies.contract.joint_spec import JointEnv, JointSpec

LANES = 5


def plain():
    """The game without its joint form."""
    return Game({"joint": False})


class Scripted(MultiAgentEnv):
    """Agents see 1, 2, ... and are rewarded by their action, but at steps that say otherwise."""

    def __init__(self, script=None, agents=("agent_0", "agent_1")):
        super().__init__()
        self.agents = self.possible_agents = list(agents)
        box = gym.spaces.Box(-1.0, 1.0, (1,))
        self.observation_spaces = self.action_spaces = dict.fromkeys(self.agents, box)
        self.script, self.time = script or {}, 0

    def _seen(self):
        seen = {agent: np.float32([1 + i]) for i, agent in enumerate(self.agents)}
        return self.script.get(self.time, {}).get("observations", seen)

    def reset(self, *, seed=None, options=None):
        self.time = 0
        return self._seen(), {}

    def step(self, action_dict):
        self.time += 1
        going = {"__all__": False}
        rewards = {agent: float(action[0]) for agent, action in action_dict.items()}
        told = {"rewards": rewards, "terminateds": going, "truncateds": going}
        told |= self.script.get(self.time, {})
        return self._seen(), told["rewards"], told["terminateds"], told["truncateds"], {}


def pair(horizon=1, **config):
    """Copies, and per lane the joint game with the same random stream."""
    copies = CopiesEnv([Game({"horizon": horizon, **config}) for _ in range(LANES)], seed=11)
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
    joint = joint_env([env], lambda: pytest.fail("no copy is needed"), 3, seed=0)
    assert isinstance(joint, JointGame) and joint.num_envs == 3 and joint.horizon == 2


def test_one_without_is_copied_and_other_numbers_of_lanes_share_the_copies():
    envs = [plain()]
    joint = joint_env(envs, plain, 3, seed=0)
    assert isinstance(joint, CopiesEnv) and joint.num_envs == 3 and not hasattr(joint, "probe")
    assert len(envs) == 3  # the one at hand and two more
    fresh = joint.reset()
    wide = joint_env(envs, plain, 4, seed=1)
    assert wide.num_envs == 4 and len(envs) == 4
    one = joint_env(envs, lambda: pytest.fail("no copy is needed"), 1, seed=2)
    assert one.num_envs == 1 and len(envs) == 4
    wide.reset()
    one.reset()
    joint.reseed(0)
    np.testing.assert_array_equal(joint.reset(), fresh)


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
    env = Game()
    getattr(env, f"{kind}_spaces")["agent_1"] = space
    with pytest.raises(ValueError, match=f"agent 'agent_1': {message}"):
        CopiesEnv([env, env], seed=0)


# What an environment may get wrong


@pytest.mark.parametrize("agents", [["agent_1", "agent_0"], [0, 1], [7, 3]])
def test_agents_keep_their_order_and_may_be_integers(agents):
    copies = CopiesEnv([Scripted(agents=agents)], seed=0)
    assert copies.agents == tuple(agents)
    spec = JointSpec.of(copies)
    assert spec.agents == tuple(agents)
    assert JointSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    copies.reset()
    step = copies.step(np.float32([[0.25, -0.5]]))
    np.testing.assert_array_equal(step.agent_reward, [[0.25, -0.5]])
    np.testing.assert_array_equal(step.next_state, [[1.0, 2.0]])
    assert len(copies.signature(agents[1])["action"]) == 1


def test_agents_stand_in_where_possible_agents_are_missing():
    env = Scripted()
    env.possible_agents = []
    assert CopiesEnv([env], seed=0).agents == ("agent_0", "agent_1")


@pytest.mark.parametrize("missing", [[], None])
def test_no_agents_are_refused(missing):
    env = Scripted()
    env.possible_agents, env.agents = missing, []
    line = f"environment Scripted has no agents: possible_agents is {re.escape(str(missing))}, must"
    with pytest.raises(ValueError, match=line):
        CopiesEnv([env], seed=0)
    with pytest.raises(ValueError, match=r"environment object has no agents: .* is None, must"):
        CopiesEnv([object()], seed=0)


def test_agent_without_spaces_is_refused():
    env = Scripted(agents=["0", "1"])
    env.possible_agents = [0, 1]
    with pytest.raises(ValueError, match="agent 0 has no spaces, must be a key of observation_spa"):
        CopiesEnv([env], seed=0)


def stepped(**script):
    """Two copies at their second step, the other of which goes wrong there."""
    copies = CopiesEnv([Scripted(), Scripted({2: script})], seed=0)
    copies.reset()
    action = np.zeros((2, 2), np.float32)
    copies.step(action)
    return copies.step(action)


def test_missing_all_among_the_terminateds_is_refused():
    line = "terminateds are {'agent_0': False} at step 2 of lane 1, must have the key \"__all__\""
    with pytest.raises(ValueError, match=line):
        stepped(terminateds={"agent_0": False})


def test_missing_all_among_the_truncateds_is_not_truncated_as_in_rllib():
    assert not stepped(truncateds={}).truncated.any()
    step = stepped(truncateds={}, terminateds={"__all__": True})
    np.testing.assert_array_equal(step.terminated, [False, True])


@pytest.mark.parametrize("kind", ["terminateds", "truncateds"])
def test_agent_that_ends_alone_is_refused(kind):
    with pytest.raises(ValueError, match="agent 'agent_1' has ended alone at step 2 of lane 1"):
        stepped(**{kind: {"agent_1": True, "__all__": False}})
    ended = {"terminateds": {"__all__": False}, kind: {"agent_1": True, "__all__": True}}
    assert getattr(stepped(**ended), kind.removesuffix("s"))[1]


def test_agent_without_an_observation_is_refused_but_after_the_end():
    line = "agent 'agent_0' has no observation at step 2 of lane 1, must have one"
    there = {"agent_1": np.float32([2.0])}
    with pytest.raises(ValueError, match=line):
        stepped(observations=there)
    with pytest.raises(ValueError, match=line):
        stepped(observations=there, truncateds={"__all__": True})  # its state is valued
    assert stepped(observations={}, terminateds={"__all__": True}).terminated[1]


def test_agent_without_an_observation_at_a_reset_is_refused():
    """Its last one would be of another trajectory."""
    copies = CopiesEnv([Scripted({0: {"observations": {"agent_1": np.float32([2.0])}}})], seed=0)
    with pytest.raises(ValueError, match="agent 'agent_0' has no observation at step 0 of lane 0"):
        copies.reset()


def test_steps_are_counted_since_the_reset_of_each_copy():
    copies = CopiesEnv([Scripted({3: {"terminateds": {}}}) for _ in range(2)], seed=0)
    copies.reset()
    action = np.zeros((2, 2), np.float32)
    copies.step(action)
    copies.reset(np.array([True, False]))
    copies.step(action)
    with pytest.raises(ValueError, match="at step 3 of lane 1"):
        copies.step(action)
