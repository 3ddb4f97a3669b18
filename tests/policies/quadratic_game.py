"""A small team game with a known optimum, to hold the learner against.

Two agents (or more) see one number s_i each and set one number a_i; the shared reward is
-|a - G s|^2 with every row of G summing over all agents' states. The probe shows each agent
the sum of all actions, from which it can infer the others' states. One step ends a trajectory
(horizon 1), or the state is drawn anew at every step and the trajectory is cut after `horizon`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.tune.registry import register_env


class Step(NamedTuple):
    reward: np.ndarray
    agent_reward: np.ndarray
    obs: np.ndarray
    next_state: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class JointGame:
    def __init__(self, num_envs: int, seed: Any, gains: np.ndarray, horizon: int) -> None:
        m = len(gains)
        self.num_envs, self.gains, self.horizon = num_envs, gains, horizon
        self.agents = tuple(f"agent_{i}" for i in range(m))
        self.state_slices = {a: slice(i, i + 1) for i, a in enumerate(self.agents)}
        self.action_slices = dict(self.state_slices)
        self.obs_slices = dict(self.state_slices)
        self.reseed(seed)
        self.state = np.zeros((num_envs, m), np.float32)
        self.time = np.zeros(num_envs, int)
        self.probes = 0

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
        self.probes += 1
        return np.repeat(action.sum(1, keepdims=True), len(self.agents), axis=1)

    def step(self, action: np.ndarray) -> Step:
        error = action - self.state @ self.gains.T
        reward = -np.square(error).sum(1)
        self.time += 1
        over = self.time >= self.horizon
        obs = self.probe(action)
        if self.horizon > 1:
            self.state = self._draw(self.num_envs)
        none = np.zeros(self.num_envs, bool)
        return Step(
            reward,
            -np.square(error),
            obs,
            self.state,
            over if self.horizon == 1 else none,
            none if self.horizon == 1 else over,
        )


class Game(MultiAgentEnv):
    """The game as a plain `MultiAgentEnv`; with `joint=True` it also offers its joint form."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        config = dict(config or {})
        self.gains = np.asarray(config.get("gains", [[0.4, 0.3], [0.3, 0.4]]), np.float32)
        self.horizon = config.get("horizon", 1)
        self.agents = self.possible_agents = [f"agent_{i}" for i in range(len(self.gains))]
        box = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_spaces = dict.fromkeys(self.agents, box)
        self.action_spaces = dict.fromkeys(self.agents, box)
        self._game = JointGame(1, 0, self.gains, self.horizon)
        if config.get("joint", True):
            self.joint = lambda num_envs, seed: JointGame(num_envs, seed, self.gains, self.horizon)

    def _row(self, values: np.ndarray) -> dict[str, np.ndarray]:
        return {agent: values[0, i : i + 1] for i, agent in enumerate(self.agents)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self._game.reseed(seed)
        return self._row(self._game.reset()), {}

    def step(self, action_dict: dict[str, np.ndarray]) -> Any:
        action = np.concatenate([action_dict[a] for a in self.agents])[None].astype(np.float32)
        step = self._game.step(action)
        rewards = dict.fromkeys(self.agents, float(step.reward[0]))
        over = {"__all__": bool(step.terminated[0])}
        cut = {"__all__": bool(step.truncated[0])}
        return self._row(step.next_state), rewards, over, cut, {}


register_env("quadratic_game", lambda config: Game(config))
