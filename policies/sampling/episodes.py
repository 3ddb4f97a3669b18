"""Trajectories as RLlib's users know episodes: their metrics, and the callbacks on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from ray.rllib.utils.metrics import (
    EPISODE_LEN_MAX,
    EPISODE_LEN_MEAN,
    EPISODE_LEN_MIN,
    EPISODE_RETURN_MAX,
    EPISODE_RETURN_MEAN,
    EPISODE_RETURN_MIN,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES,
    NUM_EPISODES_LIFETIME,
)

from policies.contract.joint_spec import JointSpec
from policies.sampling.rollout import Rollout

NUM_PROBES = "num_probes"
AGENT_RETURNS = "agent_episode_returns_mean"
ON_EPISODES = tuple(f"on_episode_{what}" for what in ("created", "start", "step", "end"))


def log_rollout(metrics: Any, rollout: Rollout, spec: JointSpec) -> None:
    """Log what RLlib's own runners do of their episodes, and the probes.

    Args:
        metrics: A runner's `MetricsLogger`.
        rollout: Collected while training.
        spec: Names the agents.
    """
    sums: dict[str, float] = {
        NUM_ENV_STEPS_SAMPLED: rollout.env_steps,
        NUM_EPISODES: len(rollout.returns),
        NUM_PROBES: rollout.probes,
    }
    for name, value in sums.items():
        metrics.log_value(name, value, reduce="sum")
    lifetime = {
        NUM_ENV_STEPS_SAMPLED_LIFETIME: rollout.env_steps,
        NUM_EPISODES_LIFETIME: len(rollout.returns),
    }
    for name, value in lifetime.items():
        metrics.log_value(name, value, reduce="lifetime_sum")
    returns, lengths = np.array(rollout.returns), rollout.lengths
    metrics.log_value(EPISODE_RETURN_MEAN, float(returns.mean()), window=10)
    metrics.log_value(EPISODE_LEN_MEAN, float(lengths.mean()), window=10)
    extremes: dict[str, tuple[float, str]] = {
        EPISODE_RETURN_MIN: (float(returns.min()), "min"),
        EPISODE_RETURN_MAX: (float(returns.max()), "max"),
        EPISODE_LEN_MIN: (float(lengths.min()), "min"),
        EPISODE_LEN_MAX: (float(lengths.max()), "max"),
    }
    for name, (value, reduce) in extremes.items():
        metrics.log_value(name, value, reduce=reduce, window=10)
    means = rollout.agent_returns.mean(axis=0)
    for agent, value in zip(spec.agents, means.tolist(), strict=True):
        metrics.log_value((AGENT_RETURNS, str(agent)), value, window=10)


class Callbacks:
    """The callbacks that a configuration names, for one runner.

    Args:
        config: the algorithm's configuration.
        runner: whose callbacks they are.
    """

    def __init__(self, config: Any, runner: Any) -> None:
        classes = config.callbacks_class
        listed = classes if isinstance(classes, (list, tuple)) else [classes]
        self._objects = [made() for made in listed]
        self._config, self._runner = config, runner

    def on_episodes(self) -> bool:
        """Whether anybody wants to know of single episodes."""
        own = any(
            getattr(type(found), name) is not getattr(RLlibCallback, name)
            for found in self._objects
            for name in ON_EPISODES
        )
        return own or any(getattr(self._config, f"callbacks_{name}") for name in ON_EPISODES)

    def call(self, name: str, **more: Any) -> None:
        """Call one, with the runner and its metrics beside what is given."""
        make_callback(
            name,
            callbacks_objects=self._objects,
            callbacks_functions=getattr(self._config, f"callbacks_{name}"),
            kwargs={"env_runner": self._runner, "metrics_logger": self._runner.metrics, **more},
        )


class Watch:
    """Makes an RLlib episode of every trajectory, and calls back on it.

    Observations, actions (scaled, in [-1, 1]) and rewards are the agents' parts of the joint
    arrays. It costs far more than collecting does, so it is there only where callbacks ask for it.

    Args:
        callbacks: Who is called.
        spec: Divides joint arrays among the agents.
        env: The user's environment, for the callbacks.
        module: The actors, for the callbacks.
    """

    def __init__(self, callbacks: Callbacks, spec: JointSpec, env: Any, module: Any) -> None:
        self._callbacks, self._spec = callbacks, spec
        self._told = {"env": env, "rl_module": module}
        self._episodes: dict[int, MultiAgentEpisode] = {}

    def reset(self, state: NDArray[np.float32], lanes: NDArray[np.bool_]) -> None:
        """The lanes of `lanes` begin with their rows of the joint state (B, S)."""
        for lane in np.flatnonzero(lanes).tolist():
            episode = self._episodes[lane] = MultiAgentEpisode()
            self._call("created", lane)
            episode.add_env_reset(
                observations=self._cut(state[lane], self._spec.state_dims),
                infos={agent: {} for agent in self._spec.agents},
            )
            self._call("start", lane)

    def step(self, action: NDArray[np.float32], step: Any, live: NDArray[np.bool_]) -> None:
        """All lanes have taken a step under the joint action (B, A); those of `live` count."""
        for lane in np.flatnonzero(live).tolist():
            self._episodes[lane].add_env_step(
                observations=self._cut(step.next_state[lane], self._spec.state_dims),
                actions=self._cut(action[lane], self._spec.action_dims),
                rewards=dict(zip(self._spec.agents, step.agent_reward[lane].tolist(), strict=True)),
                infos={agent: {} for agent in self._spec.agents},
                # Of all at once: flags of each agent RLlib would take for a termination.
                terminateds={"__all__": bool(step.terminated[lane])},
                truncateds={"__all__": bool(step.truncated[lane])},
            )
            self._call("step", lane)
            if step.terminated[lane] or step.truncated[lane]:
                self._call("end", lane)

    def _call(self, what: str, lane: int) -> None:
        self._callbacks.call(
            f"on_episode_{what}", episode=self._episodes[lane], env_index=lane, **self._told
        )

    def _cut(self, row: NDArray[np.float32], dims: tuple[int, ...]) -> dict[Any, Any]:
        stops = np.cumsum(dims)
        parts = np.split(row, stops[:-1])
        return dict(zip(self._spec.agents, parts, strict=True))
