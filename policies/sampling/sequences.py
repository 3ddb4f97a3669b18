"""Rows that hold whole trajectories of several rounds per time step, for recurrent algorithms."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from policies.contract.joint_spec import JointEnv
from policies.contract.walk import Turns, walk
from policies.networks.recurrent_actors import RecurrentActor
from policies.sampling.collector import Collector, Ints, Tally
from policies.sampling.exploration import Explorer, Floats
from policies.sampling.rollout import Columns, Rollout, stacked


class RecurrentAct:
    """The actors at work: call it once per round with the joint inputs (B, S + A + O).

    It counts its rounds as the agents do, and begins with a zero hidden state again when a
    trajectory's rounds are over.

    Args:
        actor: of all agents.
        rounds: of a whole trajectory.
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


class SequenceCollector(Collector):
    """Collects whole trajectories, one per row.

    At every time step all agents act `num_rounds` times while the state is held. Each action but
    the last is followed by a probe; the last is rewarded, and what is measured under it is the
    last observation of the next time step.
    """

    def run(
        self,
        env: JointEnv,
        num_episodes: int,
        seed: np.random.SeedSequence,
        explorer: Explorer,
        repeats: Ints | None = None,
    ) -> Rollout:
        """Run exactly `num_episodes` trajectories; see `Collector.run`.

        All trajectories are equally long, so the lanes run in step, and a trajectory's row is:
        `inputs` (rounds of [s | last a | last o], with gamma > 0 one more than there were),
        `action` (of each round), `reward` and `terminated` (of each time step).

        Raises:
            ValueError: if a trajectory is longer or shorter than the configuration says.
        """
        config, lanes = self.config, env.num_envs
        env.reseed(seed)
        tally = Tally(lanes, num_episodes, self.spec.num_agents)
        steps: list[Columns] = []
        live = []
        while tally.live.any():
            if steps:
                explorer.reset(np.ones(lanes, np.bool_))
            live.append(tally.live.copy())
            steps.append(self._trajectories(env, explorer, tally))
        return Rollout(
            stacked(steps),
            np.stack(live),
            np.ones((len(steps), lanes), np.bool_),
            tally.returns,
            tally.agent_returns,
            tally.ended,
            probes=num_episodes * config.time_steps * (config.num_rounds - 1),
            time_steps=config.time_steps,
        )

    def _trajectories(self, env: Any, explorer: Explorer, tally: Tally) -> Columns:
        """One trajectory in every lane, as columns of one row each."""
        config, spec = self.config, self.spec
        seen: list[Floats] = []
        actions, rewards, ends, measured = [], [], [], []
        state = env.reset()
        self._check("observation", state, self._parts, tally.lengths)
        self._tell("reset", state, tally.live)
        last = np.zeros((len(state), spec.action_dim), np.float32)
        obs = np.zeros((len(state), spec.obs_dim), np.float32)
        turns, probe = Turns(rounds=config.num_rounds), self._probing(env, tally)

        def act(turn: int, inputs: Floats) -> Floats:
            action, _ = explorer(inputs)
            seen.append(inputs)
            actions.append(action)
            return action

        for time in range(1, config.time_steps + 1):
            begun = state

            def see(
                turn: int, before: Floats, action: Floats, obs: Floats, begun: Floats = begun
            ) -> Floats:
                return np.concatenate([begun, action, obs], axis=1)

            first = np.concatenate([state, last, obs], axis=1)
            last = act(turns.last, walk(turns, first, act, probe, see))
            self._note(last)
            step = env.step(last)
            tally.step(step)
            self._check_step(step, tally.lengths)
            over = step.terminated | step.truncated
            if (over != (time == config.time_steps)).any():
                raise ValueError(
                    f"time_steps is {config.time_steps}, but {int(over.sum())} of {len(over)} "
                    f"trajectories are over after {time} steps: all must be so long, set "
                    "recurrence(time_steps=...) to what the environment does"
                )
            self._tell("step", last, step, tally.live)
            rewards.append(self._reward(step))
            ends.append(step.terminated[:, None].astype(np.float32))
            measured.append(step.obs)
            state, obs = step.next_state, step.obs
        tally.end(over)
        if config.gamma > 0.0:
            seen.append(np.concatenate([state, last, obs], axis=1))
        columns: Columns = {
            "inputs": np.concatenate(seen, axis=1),
            "action": np.concatenate(actions, axis=1),
            "reward": np.concatenate(rewards, axis=1),
        }
        if "obs" in config.columns:
            columns["obs"] = np.concatenate(measured, axis=1)
        if config.gamma > 0.0:
            columns["terminated"] = np.concatenate(ends, axis=1)
        return columns
