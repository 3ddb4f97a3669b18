"""A joint environment of one lane as an RLlib multi-agent environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from rllib_grid.cases.case import Case
from rllib_grid.cases.day_case import DayCase
from rllib_grid.envs.lanes import JointStep
from rllib_grid.errors import GridError

Float32 = NDArray[np.float32]
AgentArrays = dict[str, Float32]
Infos = dict[str, dict[str, Any]]


C = TypeVar("C", Case, DayCase)


def configured_case(
    config: Mapping[str, Any], default: str, kind: type[C], by_name: Callable[..., C]
) -> C:
    """The case that the configuration of an environment asks for.

    Args:
        config: {"case": name, case or its `to_dict()`, ...}; every other entry changes a field.
        default: name of the case where none is given.
        kind: of the case.
        by_name: makes a case from its name and changed fields.

    Raises:
        GridError: on an unknown case or field, or a bad value.
    """
    changes = {name: value for name, value in config.items() if name != "case"}
    case = config.get("case", default)
    if isinstance(case, str):
        return by_name(case, **changes)
    if isinstance(case, Mapping):
        return kind.from_dict({**case, **changes})
    if isinstance(case, kind):
        return case.replace(**changes)
    raise GridError(f"case is {case!r}, must be a name, a {kind.__name__} or its to_dict()")


class Joint(Protocol):
    """What is asked of a joint environment, see `JointGridEnv`."""

    agents: tuple[str, ...]
    state_slices: dict[str, slice]
    action_slices: dict[str, slice]
    obs_slices: dict[str, slice]

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Start a new stream of random numbers."""

    def reset(self) -> Float32:
        """Start a new trajectory in the lane."""

    def probe(self, action: NDArray[Any]) -> Float32:
        """What is measured under an action."""

    def step(self, action: NDArray[Any]) -> JointStep:
        """Act for one time step."""


class OneLaneEnv(MultiAgentEnv):  # type: ignore[misc]  # Ray ships no types for its environments
    """One lane of a joint environment, cut up by agent; its rows are the same numbers.

    `step` rewards every agent by `agent_reward`; its infos hold, per agent, `global_reward`,
    `local_reward` and `v_pu` (own buses) in p.u.

    Args:
        joint: one lane that splits the reward by agent.
        agent_reward: "shared" or "local".
        v_head_pu, obs_scale_pu: v_pu = v_head_pu + obs_scale_pu * observation.
    """

    def __init__(
        self, joint: Joint, agent_reward: str, v_head_pu: float, obs_scale_pu: float
    ) -> None:
        super().__init__()
        self._joint = joint
        self._local = agent_reward == "local"
        self._v_head_pu, self._obs_scale_pu = v_head_pu, obs_scale_pu
        self.possible_agents = list(joint.agents)
        self.agents = list(joint.agents)
        self.observation_spaces = {
            agent: gym.spaces.Box(-np.inf, np.inf, (part.stop - part.start,), np.float32)
            for agent, part in self._joint.state_slices.items()
        }
        self.action_spaces = {
            agent: gym.spaces.Box(-1.0, 1.0, (part.stop - part.start,), np.float32)
            for agent, part in self._joint.action_slices.items()
        }

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
            Observations, rewards, terminateds, truncateds (with "__all__") and infos.
        """
        step = self._joint.step(self._join(action_dict))
        obs = self._cut(step.obs, self._joint.obs_slices)
        shared, rewards, infos = float(step.reward[0]), {}, {}
        for i, agent in enumerate(self.agents):
            local = float(step.agent_reward[0, i])
            rewards[agent] = local if self._local else shared
            infos[agent] = {
                "global_reward": shared,
                "local_reward": local,
                "v_pu": self._v_head_pu + self._obs_scale_pu * np.float64(obs[agent]),
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
        width = max(part.stop for part in self._joint.action_slices.values())
        joint = np.empty((1, width), np.float32)
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
