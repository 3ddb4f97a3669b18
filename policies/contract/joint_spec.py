"""The shapes of a joint environment, as the learner sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

AgentID = Any  # as in RLlib: strings, or integers
Slices = dict[AgentID, slice]


@runtime_checkable
class JointEnv(Protocol):
    """What the runner asks of an environment: many copies, stepped at once, batch first.

    All arrays are float32 of shape (num_envs, width), actions lie in [-1, 1]. There is no
    autoreset: after a lane has terminated or been truncated, `reset` with a mask that names
    it starts its next trajectory. An environment that can also measure the effect of an
    action while the state is held offers `probe(action) -> observation`; without it only a
    single stage can be trained. One whose observations are to stay within bounds offers them as
    `obs_low` and `obs_high`, of shape (O,), infinite where there is none. One that scales actions
    back into circles names them as `action_circles`: (i, j, u, w) stands for
    |(u a_i, w a_j)| <= 1.
    """

    num_envs: int
    agents: tuple[AgentID, ...]
    state_slices: Slices
    action_slices: Slices
    obs_slices: Slices

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Start a new stream of random numbers."""

    def reset(self, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Start new trajectories in the lanes of `mask` (all if None); the joint state."""

    def step(self, action: NDArray[np.float32]) -> Any:
        """Apply a joint action: (reward, agent_reward, obs, next_state, terminated, truncated)."""


@dataclass(frozen=True)
class JointSpec:
    """Widths of every agent's part of the joint state, action and observation.

    Joint arrays are ordered agent by agent, so each agent's part is one slice.

    Attributes:
        agents: names, in joint order.
        state_dims: width of s_i per agent.
        action_dims: width of a_i per agent.
        obs_dims: width of o_i per agent (all 0 where the environment has no probe).
        full_state: whether every agent's actor sees the whole joint state in place of s_i: the
            yardstick of what the others' states are worth, not a decentralised controller.
        obs_low, obs_high: bounds on the joint observation under a rewarded action; empty where
            the environment names none.
        action_circles: (i, j, u, w) where two columns of the joint action are tied together by
            |(u a_i, w a_j)| <= 1; no column is in two of them.
    """

    agents: tuple[AgentID, ...]
    state_dims: tuple[int, ...]
    action_dims: tuple[int, ...]
    obs_dims: tuple[int, ...]
    full_state: bool = False
    obs_low: tuple[float, ...] = ()
    obs_high: tuple[float, ...] = ()
    action_circles: tuple[tuple[int, int, float, float], ...] = ()

    @classmethod
    def of(cls, env: JointEnv) -> JointSpec:
        """Read the widths off an environment.

        Raises:
            ValueError: if the slices are not in joint order or leave gaps.
        """
        dims = {}
        for name in ("state_slices", "action_slices", "obs_slices"):
            slices: Slices = getattr(env, name)
            stop, widths = 0, []
            for agent in env.agents:
                part = slices[agent]
                if part.start != stop:
                    raise ValueError(
                        f"{name}[{agent!r}] starts at {part.start}, must start at {stop}: "
                        "joint arrays are ordered agent by agent, without gaps"
                    )
                widths.append(part.stop - part.start)
                stop = part.stop
            dims[name] = tuple(widths)
        states, actions, observations = dims.values()
        low, high = (
            tuple(float(bound) for bound in getattr(env, name, ()))
            for name in ("obs_low", "obs_high")
        )
        return cls(
            tuple(env.agents),
            states,
            actions,
            observations,
            obs_low=low,
            obs_high=high,
            action_circles=tuple(getattr(env, "action_circles", ())),
        )

    @property
    def num_agents(self) -> int:
        """Number of agents m."""
        return len(self.agents)

    @property
    def state_dim(self) -> int:
        """Width of the joint state."""
        return sum(self.state_dims)

    @property
    def action_dim(self) -> int:
        """Width of the joint action."""
        return sum(self.action_dims)

    @property
    def obs_dim(self) -> int:
        """Width of the joint observation."""
        return sum(self.obs_dims)

    def actor_inputs(self, stage: int) -> list[NDArray[np.int64]]:
        """Columns of the actor input [s | a~ | o] that each agent sees at a stage.

        Stage 1 sees s_i alone; every later stage sees (s_i, a~_i, o_i) of the stage before. With
        `full_state` s_i is the whole joint state.

        Returns:
            One index array per agent.
        """
        parts = (
            [self.state_dims] if stage == 1 else [self.state_dims, self.action_dims, self.obs_dims]
        )
        columns: list[list[NDArray[np.int64]]] = [[] for _ in self.agents]
        start = 0
        for dims in parts:
            for i, width in enumerate(dims):
                columns[i].append(np.arange(start, start + width))
                start += width
        if self.full_state:
            whole = np.arange(self.state_dim)
            columns = [[whole, *own[1:]] for own in columns]
        return [np.concatenate(c) for c in columns]

    def input_dim(self, stage: int) -> int:
        """Width of the joint actor input [s | a~ | o] at a stage."""
        seen = self.action_dim + self.obs_dim if stage > 1 else 0
        return self.state_dim + seen

    def plain_signature(self, agent: AgentID) -> dict[str, Any]:
        """A controller signature in scaled units, for an environment that names no others."""
        i = self.agents.index(agent)
        one = {"offset": 0.0, "scale": 1.0}
        parts = {
            "state": self.state_dims[i],
            "observation": self.obs_dims[i],
            "action": self.action_dims[i],
        }
        signature = {
            part: [{"name": f"{part}[{k}]", **one} for k in range(width)]
            for part, width in parts.items()
        }
        for entry in signature["action"]:
            entry.update(low=-1.0, high=1.0)
        return signature

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "agents": list(self.agents),
            "state_dims": list(self.state_dims),
            "action_dims": list(self.action_dims),
            "obs_dims": list(self.obs_dims),
            "full_state": self.full_state,
            "obs_low": list(self.obs_low),
            "obs_high": list(self.obs_high),
            "action_circles": [list(circle) for circle in self.action_circles],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JointSpec:
        """The inverse of `to_dict`."""
        values = {key: tuple(value) for key, value in data.items() if key != "full_state"}
        values["action_circles"] = tuple(map(tuple, values["action_circles"]))
        return cls(**values, full_state=data["full_state"])
