"""The joint interface over copies of a plain `MultiAgentEnv`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from policies.contract.joint_spec import AgentID, JointEnv, JointSpec, Slices

Flags = Mapping[Any, bool]  # by agent, and by "__all__"


class JointStep(NamedTuple):
    """One step of all lanes; float32 (or bool) arrays, batch first."""

    reward: NDArray[np.float32]  # (B,)
    agent_reward: NDArray[np.float32]  # (B, m)
    obs: NDArray[np.float32]  # (B, O)
    next_state: NDArray[np.float32]  # (B, S)
    terminated: NDArray[np.bool_]  # (B,)
    truncated: NDArray[np.bool_]  # (B,)


def joint_env(envs: list[Any], make_env: Callable[[], Any], num_envs: int, seed: int) -> JointEnv:
    """The joint form of an environment: its own where it has one, else copies side by side.

    Args:
        envs: instances of the user's environment, at least one. Where copies are needed these
            are taken first and what is made is added, so that joint forms for other numbers of
            lanes share them and their owner can close them all. A joint form is to be reset
            before it is used after another one.
        make_env: makes one more such instance.
        num_envs: lanes.
        seed: of the environment's random stream.
    """
    if hasattr(envs[0], "joint"):
        joint: JointEnv = envs[0].joint(num_envs, seed)
        return joint
    envs.extend(make_env() for _ in range(num_envs - len(envs)))
    return CopiesEnv(envs[:num_envs], seed)


class CopiesEnv:
    """Copies of a `MultiAgentEnv`, stepped one after another.

    The joint state is the agents' observations side by side; the shared reward is the mean
    of the agents' rewards. All agents must act at every step, with bounded `Box` actions,
    which are scaled from [-1, 1]. There is no probe.

    Args:
        envs: the copies, one per lane.
        seed: of the copies' random streams.

    Raises:
        ValueError: if no agents are named, an agent's observations or actions are not flat
            boxes, or its action range is not bounded.
    """

    def __init__(self, envs: Sequence[Any], seed: int) -> None:
        self.num_envs = len(envs)
        self._envs = tuple(envs)
        first = envs[0]
        self.agents = _agents(first)
        self.state_slices: Slices = {}
        self.action_slices: Slices = {}
        self.obs_slices: Slices = {agent: slice(0, 0) for agent in self.agents}
        lows, highs = [], []
        s = a = 0
        for agent in self.agents:
            observation, action = _flat_boxes(first, agent)
            self.state_slices[agent] = slice(s, s := s + observation.shape[0])
            self.action_slices[agent] = slice(a, a := a + action.shape[0])
            lows.append(action.low)
            highs.append(action.high)
        self._low, self._high = np.concatenate(lows), np.concatenate(highs)
        self._state = np.zeros((self.num_envs, s), np.float32)
        self._steps = np.zeros(self.num_envs, np.int64)  # of each copy since its reset
        self._seeds: list[int | None] = []
        self.reseed(seed)

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Seed every copy at its next reset."""
        sequence = (
            seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        )
        self._seeds = [int(word) for word in sequence.generate_state(self.num_envs)]

    def reset(self, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Reset the copies of `mask` (all if None); the joint state (B, S)."""
        lanes = range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist()
        for lane in lanes:
            observations, _ = self._envs[lane].reset(seed=self._seeds[lane])
            self._seeds[lane] = None
            self._steps[lane] = 0
            self._write(lane, observations)
        return self._state.copy()

    def step(self, action: NDArray[np.float32]) -> JointStep:
        """Step every copy with its row of the joint action (B, A) in [-1, 1]."""
        scaled = self._low + (action + 1.0) * 0.5 * (self._high - self._low)
        scaled = np.clip(scaled, self._low, self._high)  # rounding may leave the box
        agent_reward = np.zeros((self.num_envs, len(self.agents)), np.float32)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        self._steps += 1
        for lane, env in enumerate(self._envs):
            row = {agent: scaled[lane, part] for agent, part in self.action_slices.items()}
            observations, rewards, terminateds, truncateds, _ = env.step(row)
            terminated[lane], truncated[lane] = self._ends(lane, terminateds, truncateds)
            self._write(lane, observations, terminated=terminated[lane])
            agent_reward[lane] = [rewards.get(agent, 0.0) for agent in self.agents]
        none = np.zeros((self.num_envs, 0), np.float32)
        reward = agent_reward.mean(axis=1)
        return JointStep(reward, agent_reward, none, self._state.copy(), terminated, truncated)

    def signature(self, agent: AgentID) -> dict[str, Any]:
        """What a controller of the agent takes and gives, in the units of the copies' spaces."""
        signature = JointSpec.of(self).plain_signature(agent)
        part = self.action_slices[agent]
        limits = zip(self._low[part].tolist(), self._high[part].tolist(), strict=True)
        for entry, (low, high) in zip(signature["action"], limits, strict=True):
            entry.update(offset=(low + high) / 2, scale=(high - low) / 2, low=low, high=high)
        return signature

    def _ends(self, lane: int, terminateds: Flags, truncateds: Flags) -> tuple[bool, bool]:
        """Whether the trajectory has been terminated, and whether it has been truncated.

        As in RLlib "__all__" must be among the terminateds, and not among the truncateds means
        not truncated.
        """
        if "__all__" not in terminateds:
            raise ValueError(
                f"terminateds are {dict(terminateds)} {self._when(lane)}, must have the key "
                '"__all__": True once the trajectory has ended for all agents, else False'
            )
        terminated, truncated = bool(terminateds["__all__"]), bool(truncateds.get("__all__"))
        if not terminated and not truncated:
            for agent in self.agents:
                if terminateds.get(agent) or truncateds.get(agent):
                    raise ValueError(
                        f"agent {agent!r} has ended alone {self._when(lane)}, must act until the "
                        'trajectory ends for all: set "__all__", or let it go on without effect'
                    )
        return terminated, truncated

    def _write(
        self, lane: int, observations: Mapping[AgentID, Any], terminated: bool = False
    ) -> None:
        for agent, part in self.state_slices.items():
            if agent in observations:
                self._state[lane, part] = observations[agent]
            elif not terminated:  # after which nobody acts, nor is the state valued
                raise ValueError(
                    f"agent {agent!r} has no observation {self._when(lane)}, must have one at "
                    "every step: agents cannot come and go; give it zeros while it is away"
                )

    def _when(self, lane: int) -> str:
        return f"at step {self._steps[lane]} of lane {lane}"


def _agents(env: Any) -> tuple[AgentID, ...]:
    agents = getattr(env, "possible_agents", None) or getattr(env, "agents", None)
    if not agents:
        raise ValueError(
            f"environment {type(env).__name__} has no agents: possible_agents is "
            f"{getattr(env, 'possible_agents', None)}, must list the ids of all agents once the "
            "environment is made"
        )
    return tuple(agents)


def _flat_boxes(env: Any, agent: AgentID) -> tuple[gym.spaces.Box, gym.spaces.Box]:
    try:
        observation, action = env.get_observation_space(agent), env.get_action_space(agent)
    except KeyError:
        raise ValueError(
            f"agent {agent!r} has no spaces, must be a key of observation_spaces and action_spaces"
        ) from None
    for kind, space in (("observation", observation), ("action", action)):
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            raise ValueError(f"agent {agent!r}: {kind} space is {space}, must be a flat Box")
    if not action.is_bounded():
        raise ValueError(f"agent {agent!r}: action space {action} must be bounded on both sides")
    return observation, action
