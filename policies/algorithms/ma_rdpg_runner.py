"""The RLlib env runner of MA-RDPG: whole trajectories of several rounds per time step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from policies.networks.recurrent import RecurrentActor
from policies.staged.modules import actor_id
from policies.staged.replay import Columns
from policies.staged.rollout import Rollout
from policies.staged.runner import Act, Floats, MADDPGEnvRunner


@dataclass
class SequenceRollout(Rollout):
    """Rows that hold whole trajectories of `time_steps` steps each."""

    time_steps: int = 1

    @property
    def env_steps(self) -> int:
        """Steps in the rows."""
        return self.time_steps * super().env_steps


class RecurrentAct:
    """The actors at work: call it once per round with the joint inputs (B, S + A + O).

    It counts its rounds as the agents do, and begins with a zero hidden state again when a
    trajectory's rounds are over.
    """

    def __init__(self, actor: RecurrentActor, rounds: int) -> None:
        self._actor, self._rounds = actor, rounds
        self._round = 0
        self._hidden: torch.Tensor | None = None

    def __call__(self, inputs: Floats) -> Floats:
        """The joint actions (B, A) of the next round."""
        with torch.no_grad():
            action, self._hidden = self._actor.steps(
                torch.from_numpy(inputs)[None], self._round, self._hidden
            )
        self._round += 1
        if self._round == self._rounds:
            self._round, self._hidden = 0, None
        played: Floats = action[0].numpy()
        return played


class MARDPGEnvRunner(MADDPGEnvRunner):
    """Collects whole trajectories, one per row.

    At every time step all agents act `num_rounds` times while the state is held. Each action but
    the last is followed by a probe; the last is rewarded, and what is measured under it is the
    last observation of the next time step.
    """

    def rollout(
        self,
        num_episodes: int,
        seed: np.random.SeedSequence,
        act: Act,
        on_reset: Callable[[NDArray[np.bool_]], None] | None = None,
        repeats: Any = None,
    ) -> Rollout:
        """Run exactly `num_episodes` trajectories; see `MADDPGEnvRunner.rollout`.

        All trajectories are equally long, so the lanes run in step, and a trajectory's row is:
        `inputs` (rounds of [s | last a | last o], with gamma > 0 one more than there were),
        `action` (of each round), `reward` and `terminated` (of each time step).

        Raises:
            ValueError: if a trajectory is longer or shorter than the configuration says.
        """
        lanes = min(self.num_envs, num_episodes)
        env: Any = self.lanes(lanes)
        env.reseed(seed)
        out = SequenceRollout({}, time_steps=self.config.time_steps)
        rows: list[Columns] = []
        while (left := num_episodes - len(out.returns)) > 0:
            if rows and on_reset is not None:
                on_reset(np.ones(lanes, np.bool_))
            row, returns = self._trajectories(env, act)
            rows.append({name: column[:left] for name, column in row.items()})
            out.returns.extend(returns[:left].tolist())
        out.columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        out.probes = num_episodes * self.config.time_steps * (self.config.num_rounds - 1)
        return out

    def _trajectories(self, env: Any, act: Act) -> tuple[Columns, NDArray[np.float64]]:
        """One trajectory in every lane: its columns and returns."""
        config, spec = self.config, self.spec
        inputs: list[Floats] = []
        actions, rewards, ends, seen = [], [], [], []
        state = env.reset()
        action = np.zeros((len(state), spec.action_dim), np.float32)
        measured = np.zeros((len(state), spec.obs_dim), np.float32)
        returns = np.zeros(len(state))
        for time in range(1, config.time_steps + 1):
            for round_ in range(1, config.num_rounds + 1):
                inputs.append(np.concatenate([state, action, measured], axis=1))
                action = act(inputs[-1])
                actions.append(action)
                if round_ < config.num_rounds:
                    measured = env.probe(action)
            step = env.step(action)
            over = step.terminated | step.truncated
            if (over != (time == config.time_steps)).any():
                raise ValueError(
                    f"time_steps is {config.time_steps}, but {int(over.sum())} of {len(over)} "
                    f"trajectories are over after {time} steps: all must be so long, set "
                    "recurrence(time_steps=...) to what the environment does"
                )
            rewards.append(
                step.agent_reward if config.critic == "separate" else step.reward[:, None]
            )
            ends.append(step.terminated[:, None].astype(np.float32))
            seen.append(step.obs)
            returns += step.reward
            state, measured = step.next_state, step.obs
        if config.gamma > 0.0:
            inputs.append(np.concatenate([state, action, measured], axis=1))
        columns: Columns = {
            "inputs": np.concatenate(inputs, axis=1),
            "action": np.concatenate(actions, axis=1),
            "reward": np.concatenate(rewards, axis=1) * np.float32(config.reward_scale),
        }
        if config.constraint != "none":
            columns["obs"] = np.concatenate(seen, axis=1)
        if config.gamma > 0.0:
            columns["terminated"] = np.concatenate(ends, axis=1)
        return columns, returns

    def _actor(self, stage: int) -> Act:
        actor = self.module[actor_id(stage)].unwrapped().actor
        return RecurrentAct(actor, self.config.num_rounds * self.config.time_steps)
