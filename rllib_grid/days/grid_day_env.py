"""One feeder's days as an RLlib multi-agent environment.

Importing this module registers it with Ray under the name "grid-day".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.tune.registry import register_env

from rllib_grid.days.day_case import DayCase, make_day_case
from rllib_grid.days.day_env import JointDayEnv
from rllib_grid.errors import GridError

Float32 = NDArray[np.float32]
AgentArrays = dict[str, Float32]
Infos = dict[str, dict[str, Any]]


class GridDayEnv(MultiAgentEnv):  # type: ignore[misc]  # Ray ships no types for its environments
    """One feeder of a day case, with one agent per group of buses.

    The same numbers as a `JointDayEnv` of one lane, cut up by agent. An agent observes base demand
    and state of charge of its own buses, the price and the clock, scaled, and sets the controls of
    its own buses, scaled to [-1, 1]. Voltages come after an action: from `probe`, and in the infos
    of `step` (`v_pu` of the own buses, in p.u.), beside `global_reward` and `local_reward` in EUR.
    Where the case has heat pumps, it also observes the temperatures in its own buildings and
    outdoors, and sets their heating.

    Args:
        config: {"case": name, `DayCase` or `DayCase.to_dict()`, ...}; "seed" seeds the draws,
            "split" names the part of the year to draw days from ("train" by default), every other
            entry changes a field of the case. The case is "ieee13-day" by default.

    Raises:
        GridError: on an unknown case or field, or a bad value.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        overrides = dict(config or {})
        seed = overrides.pop("seed", None)
        self._split = overrides.pop("split", "train")
        self.case = _case(overrides.pop("case", "ieee13-day"), overrides)
        # One lane that splits the reward by agent; `step` makes the choice of the case.
        seed = np.random.SeedSequence() if seed is None else seed
        local = self.case.replace(agent_reward="local")
        self._joint = JointDayEnv(local, 1, seed, self._split)
        self.possible_agents = list(self.case.agents)
        self.agents = list(self.case.agents)
        self.observation_spaces = {
            agent: gym.spaces.Box(-np.inf, np.inf, (part.stop - part.start,), np.float32)
            for agent, part in self._joint.state_slices.items()
        }
        self.action_spaces = {
            agent: gym.spaces.Box(-1.0, 1.0, (part.stop - part.start,), np.float32)
            for agent, part in self._joint.action_slices.items()
        }

    def joint(self, num_envs: int, seed: int | np.random.SeedSequence) -> JointDayEnv:
        """A batch of feeders of this case."""
        return JointDayEnv(self.case, num_envs, seed, self._split)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[AgentArrays, Infos]:
        """Start a new day.

        Args:
            seed: starts a new random stream; the present one goes on if None.
            options: not used.

        Returns:
            Observations and (empty) infos, by agent.
        """
        if seed is not None:
            self._joint.reseed(seed)
        state = self._joint.reset()
        return _cut(state, self._joint.state_slices), {agent: {} for agent in self.agents}

    def probe(self, action_dict: Mapping[str, NDArray[Any]]) -> AgentArrays:
        """What every agent would measure under these actions, scaled; the state is held."""
        return _cut(self._joint.probe(self._join(action_dict)), self._joint.obs_slices)

    def step(
        self, action_dict: Mapping[str, NDArray[Any]]
    ) -> tuple[AgentArrays, dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Act for one time step.

        Args:
            action_dict: one action of every agent.

        Returns:
            Observations, rewards in EUR, terminateds, truncateds (with "__all__") and infos.
        """
        step = self._joint.step(self._join(action_dict))
        obs = _cut(step.obs, self._joint.obs_slices)
        shared, rewards, infos = float(step.reward[0]), {}, {}
        for i, agent in enumerate(self.agents):
            local = float(step.agent_reward[0, i])
            rewards[agent] = local if self.case.agent_reward == "local" else shared
            infos[agent] = {
                "global_reward": shared,
                "local_reward": local,
                "v_pu": self.case.v_head_pu + self.case.obs_scale_pu * np.float64(obs[agent]),
            }
        return (
            _cut(step.next_state, self._joint.state_slices),
            rewards,
            dict.fromkeys([*self.agents, "__all__"], bool(step.terminated[0])),
            dict.fromkeys([*self.agents, "__all__"], bool(step.truncated[0])),
            infos,
        )

    def _join(self, action_dict: Mapping[str, NDArray[Any]]) -> Float32:
        joint = np.empty((1, self.case.layout.action.width), np.float32)
        if set(action_dict) != set(self.agents):
            raise GridError(f"actions of {sorted(action_dict)}, must be of {self.agents}")
        for agent, part in self._joint.action_slices.items():
            shape = np.shape(action_dict[agent])
            if shape != (part.stop - part.start,):
                raise GridError(
                    f"action of {agent} has shape {shape}, must be ({part.stop - part.start},)"
                )
            joint[0, part] = action_dict[agent]
        return joint


def _cut(joint: Float32, slices: Mapping[str, slice]) -> AgentArrays:
    return {agent: joint[0, part] for agent, part in slices.items()}


def _case(case: str | DayCase | Mapping[str, Any], overrides: dict[str, Any]) -> DayCase:
    if isinstance(case, str):
        return make_day_case(case, **overrides)
    if isinstance(case, Mapping):
        return DayCase.from_dict({**case, **overrides})
    if isinstance(case, DayCase):
        return case.replace(**overrides)
    raise GridError(f"case is {case!r}, must be a name, a DayCase or its to_dict()")


register_env("grid-day", GridDayEnv)
