"""The RLlib environment: the same numbers as the batched one, and stock PPO on it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from ray.rllib.algorithms.ppo import PPOConfig

from rllib_grid import Case, GridEnv, GridError, JointGridEnv, make_case, save_states

# Ray and RLlib warn about themselves; what they warn of is not ours.
pytestmark = pytest.mark.filterwarnings("default")


def split(row: np.ndarray, slices: dict[str, slice]) -> dict[str, np.ndarray]:
    """One row of a joint array, by agent."""
    return {agent: row[part] for agent, part in slices.items()}


@pytest.mark.parametrize("agent_reward", ["shared", "local"])
@pytest.mark.parametrize("name", ["ieee13", "ieee13-twelve", "ieee13-tight"])
def test_same_numbers_as_the_batched_environment(tmp_path, name: str, agent_reward: str) -> None:
    """State by state: a file of one state fixes what the scalar environment draws."""
    case = make_case(name, agent_reward=agent_reward)
    joint = JointGridEnv(case, 8, seed=0)
    states = joint.reset()
    action = np.random.default_rng(1).uniform(-1, 1, states.shape).astype(np.float32)
    measured, step = joint.probe(action), joint.step(action)
    p_base, q_base = case.layout.from_state(states)
    for lane in range(8):
        path = tmp_path / f"{lane}.npz"
        save_states(path, p_base[lane : lane + 1], q_base[lane : lane + 1])
        env = GridEnv({"case": case, "demand": {"law": "file", "path": str(path)}})
        env.reset()
        own_actions = split(action[lane], joint.action_slices)
        probed = env.probe(own_actions)
        _, rewards, terminateds, truncateds, infos = env.step(own_actions)
        assert terminateds == dict.fromkeys([*env.agents, "__all__"], True)
        assert truncateds == dict.fromkeys([*env.agents, "__all__"], False)
        for i, agent in enumerate(env.agents):
            own_obs = measured[lane, joint.obs_slices[agent]]
            assert probed[agent] == pytest.approx(own_obs, rel=1e-6, abs=1e-6)
            assert rewards[agent] == pytest.approx(step.agent_reward[lane, i], rel=1e-6)
            assert infos[agent]["global_reward"] == pytest.approx(step.reward[lane], rel=1e-6)
            own_v = case.v_head_pu + np.float64(own_obs) * case.obs_scale_pu
            assert infos[agent]["v_pu"] == pytest.approx(own_v, abs=1e-7)


def test_infos_hold_both_rewards() -> None:
    both = {}
    for agent_reward in ("shared", "local"):
        env = GridEnv({"case": "ieee13", "agent_reward": agent_reward})
        env.reset(seed=5)
        _, rewards, _, _, infos = env.step(dict.fromkeys(env.agents, np.full(12, 0.3)))
        key = "global_reward" if agent_reward == "shared" else "local_reward"
        assert rewards == {agent: info[key] for agent, info in infos.items()}
        both[agent_reward] = infos
    for agent in ("agent_0", "agent_1"):
        for key in ("global_reward", "local_reward"):
            assert both["local"][agent][key] == both["shared"][agent][key]
        assert both["local"][agent]["local_reward"] > both["local"][agent]["global_reward"]


def test_observations_side_by_side_are_the_joint_state(ieee13: Case) -> None:
    env, joint = GridEnv({"case": "ieee13"}), JointGridEnv(ieee13, 1, seed=11)
    observations, _ = env.reset(seed=11)
    assert list(observations) == env.agents == ["agent_0", "agent_1"]
    assert (np.concatenate(list(observations.values())) == joint.reset()[0]).all()


def test_seeds() -> None:
    env = GridEnv({"case": "ieee13", "seed": 4})
    first = [env.reset()[0]["agent_0"] for _ in range(2)]
    assert (first[0] != first[1]).all()
    again = GridEnv({"case": "ieee13", "seed": 4})
    assert (again.reset()[0]["agent_0"] == first[0]).all()
    assert (again.reset()[0]["agent_0"] == first[1]).all()
    seeded = env.reset(seed=9)[0]["agent_0"]
    env.reset()
    assert (env.reset(seed=9)[0]["agent_0"] == seeded).all()
    assert (GridEnv().reset()[0]["agent_0"] != GridEnv().reset()[0]["agent_0"]).all()


def test_spaces() -> None:
    env = GridEnv({"case": "ieee13-contiguous"})
    assert env.possible_agents == env.agents == ["agent_0", "agent_1"]
    observations, infos = env.reset(seed=0)
    for agent in env.agents:
        assert isinstance(env.action_spaces[agent], gym.spaces.Box)
        assert env.observation_spaces[agent].contains(observations[agent])
        assert env.action_spaces[agent].shape == (12,)
        assert env.action_spaces[agent].low.tolist() == [-1.0] * 12
        assert env.action_spaces[agent].high.tolist() == [1.0] * 12
        assert infos[agent] == {}


def test_a_horizon_truncates() -> None:
    env = GridEnv({"case": "ieee13", "horizon": 2})
    observations = env.reset(seed=0)[0]
    zero = dict.fromkeys(env.agents, np.zeros(12))
    after, _, terminateds, truncateds, _ = env.step(zero)
    assert (after["agent_0"] != observations["agent_0"]).all()
    assert not terminateds["__all__"]
    assert not truncateds["__all__"]
    _, _, terminateds, truncateds, _ = env.step(zero)
    assert not terminateds["__all__"]
    assert truncateds["__all__"]


def test_joint_form_is_of_the_same_case() -> None:
    env = GridEnv({"case": "ieee13", "v_head_pu": 1.02, "agent_reward": "shared"})
    joint = env.joint(3, seed=0)
    assert joint.num_envs == 3
    assert joint.case.to_dict() == env.case.to_dict()
    assert joint.case.agent_reward == "shared"


def test_config_takes_a_name_a_case_or_its_dict(ieee13: Case) -> None:
    assert GridEnv().case.to_dict() == ieee13.to_dict()
    for case in ("ieee13", ieee13, ieee13.to_dict()):
        env = GridEnv({"case": case, "horizon": 4, "seed": 1})
        assert env.case.to_dict() == ieee13.replace(horizon=4).to_dict()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"case": "ieee14"}, "unknown case 'ieee14'"),
        ({"case": 13}, "case is 13, must be a name, a Case or its to_dict"),
        ({"colour": "red"}, "unknown case field 'colour'"),
        ({"groups": [[1, 2], [2, 3]]}, "bus 2 is in groups 0 and 1"),
        ({"seed": -3}, "seed is -3, must be a whole number >= 0"),
    ],
)
def test_bad_config(config: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        GridEnv(config)


def test_bad_actions() -> None:
    env = GridEnv()
    env.reset(seed=0)
    with pytest.raises(GridError, match=r"actions of \['agent_0'\], must be of \['agent_0', 'ag"):
        env.step({"agent_0": np.zeros(12)})
    with pytest.raises(GridError, match=r"action of agent_1 has shape \(3,\), must be \(12,\)"):
        env.probe({"agent_0": np.zeros(12), "agent_1": np.zeros(3)})
    with pytest.raises(GridError, match=r"is 2.0, must lie in \[-1, 1\]"):
        env.step({"agent_0": np.zeros(12), "agent_1": np.full(12, 2.0)})


@pytest.mark.parametrize("horizon", [1, 4])
def test_stock_ppo_trains_on_it(ray_session, horizon: int) -> None:
    config = (
        PPOConfig()
        .environment("grid", env_config={"case": "ieee13", "horizon": horizon})
        .env_runners(num_env_runners=0)
        .learners(num_learners=0)
        .multi_agent(
            policies={"agent_0", "agent_1"}, policy_mapping_fn=lambda agent, *_, **__: agent
        )
        .training(train_batch_size_per_learner=64, minibatch_size=64, num_epochs=1)
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    try:
        before = algorithm.get_weights()["agent_1"]
        for _ in range(2):
            result = algorithm.train()
        after = algorithm.get_weights()["agent_1"]
    finally:
        algorithm.stop()
    sampled = result["env_runners"]
    assert sampled["episode_len_mean"] == horizon
    assert -200 * horizon < sampled["episode_return_mean"] < -5 * horizon
    assert {"agent_0", "agent_1"} <= set(result["learners"])
    assert any((before[name] != after[name]).any() for name in before)
