"""A small team game with a known optimum, to hold the learner against.

Every agent sees one number s_i, uniform in [-1, 1], and sets one number a_i; the shared reward
is -|a - G s|^2, and the agents' own rewards, whose mean it is, are -m (a_i - (G s)_i)^2. The
probe shows every agent the sum of all actions, from which two agents can infer the other's
state. One step ends a trajectory (horizon 1), or the state is drawn anew at every step and the
trajectory is cut after `horizon` steps.

The best decentralised rule of a single stage is a_i = G_ii s_i, as E[s_j | s_i] = 0; it leaves
the other agents' part, whose mean square is 1/3 per unit of gain.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.tune.registry import register_env

GAINS = ((0.4, 0.3), (0.3, 0.4))


def decentralised_value(gains: Any = GAINS) -> float:
    """The mean reward of a_i = G_ii s_i, the best that one stage can do."""
    gains = np.asarray(gains)
    others = gains - np.diag(np.diag(gains))
    return -float(np.square(others).sum()) / 3.0


class Step(NamedTuple):
    """As the joint interface asks for it."""

    reward: np.ndarray
    agent_reward: np.ndarray
    obs: np.ndarray
    next_state: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class JointGame:
    """The game in many lanes."""

    def __init__(self, num_envs: int, seed: Any, gains: Any = GAINS, horizon: int = 1) -> None:
        self.gains = np.asarray(gains, np.float32)
        m = len(self.gains)
        self.num_envs, self.horizon = num_envs, horizon
        self.agents = tuple(f"agent_{i}" for i in range(m))
        self.state_slices = {a: slice(i, i + 1) for i, a in enumerate(self.agents)}
        self.action_slices = dict(self.state_slices)
        self.obs_slices = dict(self.state_slices)
        self.reseed(seed)
        self.state = np.zeros((num_envs, m), np.float32)
        self.time = np.zeros(num_envs, int)

    def reseed(self, seed: Any) -> None:
        self.rng = np.random.default_rng(seed)

    def _draw(self, n: int) -> np.ndarray:
        return self.rng.uniform(-1, 1, (n, len(self.agents))).astype(np.float32)

    def reset(self, mask: np.ndarray | None = None) -> np.ndarray:
        mask = np.ones(self.num_envs, bool) if mask is None else mask
        self.state = self.state.copy()
        self.state[mask] = self._draw(int(mask.sum()))
        self.time[mask] = 0
        return self.state

    def probe(self, action: np.ndarray) -> np.ndarray:
        return np.repeat(action.sum(1, keepdims=True), len(self.agents), axis=1)

    def step(self, action: np.ndarray) -> Step:
        square = np.square(action - self.state @ self.gains.T)
        self.time += 1
        over = self.time >= self.horizon
        obs = self.probe(action)
        if self.horizon > 1:
            self.state = self._draw(self.num_envs)
        none = np.zeros(self.num_envs, bool)
        ends = (over, none) if self.horizon == 1 else (none, over)
        agent_reward = -np.float32(len(self.agents)) * square
        return Step(-square.sum(1), agent_reward, obs, self.state.copy(), *ends)

    def signature(self, agent: str) -> dict[str, Any]:
        """Physical units that differ from the scaled ones, in which controllers speak."""
        i = self.agents.index(agent)
        return {
            "state": [{"name": f"load[{i}]", "offset": 10.0, "scale": 4.0}],
            "observation": [{"name": f"meter[{i}]", "offset": 1.0, "scale": 0.05}],
            "action": [
                {"name": f"power[{i}]", "offset": 2.0, "scale": 8.0, "low": -6.0, "high": 10.0}
            ],
        }


class Game(MultiAgentEnv):
    """The game as a plain `MultiAgentEnv`; with `joint=True` it also offers its joint form.

    Actions lie in [low, high] and are mapped to the game's [-1, 1].
    """

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        config = dict(config or {})
        gains, horizon = config.get("gains", GAINS), config.get("horizon", 1)
        self._game = JointGame(1, 0, gains, horizon)
        self.low, self.high = config.get("low", -1.0), config.get("high", 1.0)
        self.agents = self.possible_agents = list(self._game.agents)
        self.observation_spaces = dict.fromkeys(self.agents, gym.spaces.Box(-1.0, 1.0, (1,)))
        action = gym.spaces.Box(self.low, self.high, (1,))
        self.action_spaces = dict.fromkeys(self.agents, action)
        if config.get("joint", True):
            self.joint = lambda num_envs, seed: JointGame(num_envs, seed, gains, horizon)

    def _row(self, values: np.ndarray) -> dict[str, np.ndarray]:
        return {agent: values[0, i : i + 1] for i, agent in enumerate(self.agents)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self._game.reseed(seed)
        return self._row(self._game.reset()), {}

    def step(self, action_dict: dict[str, np.ndarray]) -> Any:
        for agent, action in action_dict.items():
            if not self.action_spaces[agent].contains(action):
                raise ValueError(f"{agent} acts {action}, outside {self.action_spaces[agent]}")
        given = np.concatenate([action_dict[agent] for agent in self.agents])[None]
        step = self._game.step(2.0 * (given - self.low) / (self.high - self.low) - 1.0)
        rewards = {agent: float(step.agent_reward[0, i]) for i, agent in enumerate(self.agents)}
        over = {"__all__": bool(step.terminated[0])}
        cut = {"__all__": bool(step.truncated[0])}
        return self._row(step.next_state), rewards, over, cut, {}


register_env("quadratic_game", lambda config: Game(config))
