"""One feeder's days: the same numbers as the batched environment."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridDayEnv, GridError, JointDayEnv


def test_one_feeder_has_the_same_numbers(small, actions):
    env = GridDayEnv({"case": small, "seed": 11, "settle": "stepwise"})
    joint = JointDayEnv(small.replace(settle="stepwise"), 1, 11)
    seen, _ = env.reset()
    state = joint.reset()
    np.testing.assert_array_equal(np.concatenate([seen[a] for a in env.agents])[None], state)
    for act in actions(joint):
        cut = {agent: act[0, part] for agent, part in joint.action_slices.items()}
        probed = env.probe(cut)
        obs, rewards, terminated, truncated, infos = env.step(cut)
        step = joint.step(act)
        np.testing.assert_array_equal(np.concatenate(list(probed.values()))[None], step.obs)
        assert rewards == dict.fromkeys(env.agents, float(step.reward[0]))
        assert infos["agent_0"]["global_reward"] == float(step.reward[0])
        assert 0.9 < infos["agent_1"]["v_pu"][0] < 1.1
    assert terminated["__all__"] and not truncated["__all__"]
    assert env.observation_spaces["agent_0"].contains(obs["agent_0"])
    with pytest.raises(GridError, match=r"actions of .'agent_0'., must be of"):
        env.step({"agent_0": np.zeros(4)})


def test_one_feeder_with_heating_has_the_same_numbers(warm, actions):
    env, joint = GridDayEnv({"case": warm.to_dict(), "seed": 11}), JointDayEnv(warm, 1, 11)
    seen, _ = env.reset()
    np.testing.assert_array_equal(np.concatenate(list(seen.values()))[None], joint.reset())
    for act in actions(joint):
        cut = {agent: act[0, part] for agent, part in joint.action_slices.items()}
        obs, rewards, *_ = env.step(cut)
        step = joint.step(act)
        assert rewards == dict.fromkeys(env.agents, float(step.reward[0]))
        np.testing.assert_array_equal(np.concatenate(list(obs.values()))[None], step.next_state)
