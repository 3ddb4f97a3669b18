"""One feeder as an RLlib multi-agent environment.

Importing this module registers it with Ray under the name "grid".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.tune.registry import register_env

from rllib_grid.case import Case, make_case
from rllib_grid.errors import GridError
from rllib_grid.joint_env import JointGridEnv

Float32 = NDArray[np.float32]
AgentArrays = dict[str, Float32]
Infos = dict[str, dict[str, Any]]


class GridEnv(MultiAgentEnv):  # type: ignore[misc]  # Ray ships no types for its environments
    """One feeder of a case, with one agent per group of buses.

    The same numbers as a `JointGridEnv` of one lane, cut up by agent. An agent observes the base
    demand of its own buses, scaled (its part of the joint state), and sets the controls of its own
    buses, scaled to [-1, 1]. The observations of all agents, side by side, are the joint state.
    Voltages come after an action: from `probe`, and in the infos of `step`.

    `step` rewards every agent by `Case.agent_reward`; its infos hold, per agent,
    `global_reward` and `local_reward` in kW and `v_pu` (own buses) in p.u.

    Args:
        config: {"case": name, `Case` or `Case.to_dict()`, ...}; "seed" seeds the demand, every
            other entry changes a field of the case. The case is "ieee13" by default.

    Raises:
        GridError: on an unknown case or field, or a bad value.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        overrides = dict(config or {})
        seed = overrides.pop("seed", None)
        self.case = _case(overrides.pop("case", "ieee13"), overrides)
        # One lane that splits the reward by agent; `step` makes the choice of the case.
        seed = np.random.SeedSequence() if seed is None else seed
        self._joint = JointGridEnv(self.case.replace(agent_reward="local"), 1, seed)
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

    def joint(self, num_envs: int, seed: int | np.random.SeedSequence) -> JointGridEnv:
        """A batch of feeders of this case."""
        return JointGridEnv(self.case, num_envs, seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[AgentArrays, Infos]:
        """Start a new trajectory.

        Args:
            seed: starts a new random stream; the present one goes on if None.
            options: not used.

        Returns:
            Observations and (empty) infos, by agent.
        """
        if seed is not None:
            self._joint.reseed(seed)
        state = self._joint.reset()
        return self._cut(state, self._joint.state_slices), {agent: {} for agent in self.agents}

    def probe(self, action_dict: Mapping[str, NDArray[Any]]) -> AgentArrays:
        """What every agent would measure under these actions, scaled; the state is held.

        Args:
            action_dict: one action of every agent.

        Returns:
            Per agent its part of the joint observation.
        """
        return self._cut(self._joint.probe(self._join(action_dict)), self._joint.obs_slices)

    def step(
        self, action_dict: Mapping[str, NDArray[Any]]
    ) -> tuple[AgentArrays, dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Act for one time step.

        Args:
            action_dict: one action of every agent.

        Returns:
            Observations, rewards in kW, terminateds, truncateds (with "__all__") and infos.
        """
        step = self._joint.step(self._join(action_dict))
        obs = self._cut(step.obs, self._joint.obs_slices)
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
            self._cut(step.next_state, self._joint.state_slices),
            rewards,
            dict.fromkeys([*self.agents, "__all__"], bool(step.terminated[0])),
            dict.fromkeys([*self.agents, "__all__"], bool(step.truncated[0])),
            infos,
        )

    def _cut(self, joint: Float32, slices: Mapping[str, slice]) -> AgentArrays:
        return {agent: joint[0, part] for agent, part in slices.items()}

    def _join(self, action_dict: Mapping[str, NDArray[Any]]) -> Float32:
        joint = np.empty((1, 2 * self.case.num_buses), np.float32)
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


def _case(case: str | Case | Mapping[str, Any], overrides: dict[str, Any]) -> Case:
    if isinstance(case, str):
        return make_case(case, **overrides)
    if isinstance(case, Mapping):
        return Case.from_dict({**case, **overrides})
    if isinstance(case, Case):
        return case.replace(**overrides)
    raise GridError(f"case is {case!r}, must be a name, a Case or its to_dict()")


register_env("grid", GridEnv)
