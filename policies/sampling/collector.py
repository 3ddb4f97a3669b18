"""How trajectories of many lanes become rows: the loop that steps a joint environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.contract.finite import check_finite
from policies.contract.joint_spec import JointEnv, JointSpec
from policies.contract.walk import Turns, walk
from policies.sampling.exploration import Act, Explorer, Floats
from policies.sampling.rollout import Columns, Rollout, stacked

Ints = NDArray[np.int64]


class Collector:
    """Runs the active stage in many lanes at once.

    At every time step the frozen stages act one after another while the state is held, each
    followed by a probe; then the active stage acts and is rewarded.

    Args:
        config: the algorithm's configuration.
        spec: widths of the joint arrays.
        stage: the active stage, counted from 1.
        actor: the actors of a stage, without noise.
        watch: told of every step, for callbacks; None where nobody asked.
    """

    def __init__(
        self,
        config: Any,
        spec: JointSpec,
        stage: int,
        actor: Callable[[int], Act],
        watch: Any = None,
    ) -> None:
        self.config, self.spec, self.stage = config, spec, stage
        self.watch = watch
        self._actors = {k: actor(k) for k in range(1, stage + 1)}
        self._parts = dict(zip(spec.agents, _parts(spec.state_dims), strict=True))
        self._obs_parts = dict(zip(spec.agents, _parts(spec.obs_dims), strict=True))
        self._agents = dict(zip(spec.agents, _parts((1,) * spec.num_agents), strict=True))
        self._sound = True  # no action has been anything but a number

    @property
    def act(self) -> Act:
        """The active stage's actors, without noise."""
        return self._actors[self.stage]

    def draw_repeats(self, lanes: int, rng: np.random.Generator) -> Ints | None:
        """How often the active stage refines its own prototype in each lane; None: never."""
        if self.config.rounds == 1 or self.stage < self.config.num_stages:
            return None
        return rng.integers(self.config.rounds, size=lanes)

    def most_repeats(self, lanes: int) -> Ints | None:
        """The same where every lane takes all rounds, as in validation."""
        if self.config.rounds == 1 or self.stage < self.config.num_stages:
            return None
        return np.full(lanes, self.config.rounds - 1)

    def run(
        self,
        env: JointEnv,
        num_episodes: int,
        seed: np.random.SeedSequence,
        explorer: Explorer,
        repeats: Ints | None = None,
    ) -> Rollout:
        """Run trajectories until exactly `num_episodes` are complete.

        Every trajectory needs a ticket. A lane that finds none left runs idle: its rows are
        neither kept nor counted.

        Args:
            env: with at most `num_episodes` lanes.
            num_episodes: how many.
            seed: of the environment.
            explorer: acts for the active stage.
            repeats: (lanes,) see `draw_repeats`.

        Raises:
            ValueError: an observation or a reward is no finite number, or a trajectory does not
                end in `max_episode_steps`.
        """
        config, lanes = self.config, env.num_envs
        env.reseed(seed)
        keep_next = "next_inputs" in config.columns
        literal = config.target_input == "literal" and self.stage > 1
        reuse = keep_next and not literal  # next inputs are the next row's inputs
        tally = Tally(lanes, num_episodes, self.spec.num_agents)
        repeats = np.zeros(lanes, np.int64) if repeats is None else repeats
        probes = repeats + self.stage - 1  # of each lane in a time step
        steps: list[Columns] = []
        live, over = [], []
        state = env.reset()
        self._check("observation", state, self._parts, tally.lengths)
        self._tell("reset", state, np.ones(lanes, np.bool_))
        probe = self._probing(env, tally)
        inputs = self._inputs(probe, state, repeats)
        count = int(probes.sum())
        while True:
            action, extras = explorer(inputs)
            self._note(action)
            step = env.step(action)
            tally.step(step)
            self._check_step(step, tally.lengths)
            row = {"inputs": inputs, "action": action, "reward": self._reward(step), **extras}
            if "obs" in config.columns:
                row["obs"] = step.obs
            if keep_next:
                # The final state of a trajectory is probed too, before its lane is reset.
                if literal:
                    next_inputs = np.concatenate([step.next_state, action, step.obs], axis=1)
                else:
                    next_inputs = self._inputs(probe, step.next_state, repeats)
                    count += int(probes[tally.live].sum())
                row["next_inputs"] = next_inputs
                row["terminated"] = step.terminated[:, None].astype(np.float32)
            done = step.terminated | step.truncated
            steps.append(row)
            live.append(tally.live.copy())
            over.append(done)
            self._tell("step", action, step, tally.live)
            finished, restarted = tally.end(done)
            if not tally.live.any():
                break
            self._check_lengths(tally)
            if done.any():
                explorer.reset(done)
                state = env.reset(done)
                self._check("observation", state, self._parts, tally.lengths)
                self._tell("reset", state, done & tally.live)
                inputs = self._inputs(probe, state, repeats)
                if reuse:
                    inputs = np.where(done[:, None], inputs, next_inputs)
                count += int(probes[finished[:restarted] if reuse else tally.live].sum())
            elif reuse:
                inputs = next_inputs
            else:
                inputs = self._inputs(probe, step.next_state, repeats)
                count += int(probes[tally.live].sum())
        return Rollout(
            stacked(steps),
            np.stack(live),
            np.stack(over),
            tally.returns,
            tally.agent_returns,
            tally.ended,
            count,
        )

    def _reward(self, step: Any) -> Floats:
        reward = step.agent_reward if self.config.rewards_by_agent else step.reward[:, None]
        scaled: Floats = reward * np.float32(self.config.reward_scale)
        return scaled

    def _inputs(self, probe: Act, state: Floats, repeats: Ints) -> Floats:
        """What the active stage sees, behind those before it and behind itself `repeats` times."""

        def act(turn: int, seen: Floats) -> Floats:
            return self._actors[min(turn, self.stage)](seen)

        def see(turn: int, before: Floats, action: Floats, obs: Floats) -> Floats:
            refined = np.concatenate([state, action, obs], axis=1)
            again = turn <= self.stage + repeats
            return refined if again.all() else np.where(again[:, None], refined, before)

        rounds = 1 + int(repeats.max())
        if self.stage == 1 and rounds == 1:
            return state
        return walk(Turns(self.stage, rounds), state, act, probe, see)

    # --- what comes from outside ------------------------------------------------------------

    def _probing(self, env: Any, tally: Tally) -> Act:
        """The environment's probe, what is measured being checked."""

        def probe(action: Floats) -> Floats:
            self._note(action)
            obs: Floats = env.probe(action)
            self._check("measurement", obs, self._obs_parts, tally.lengths)
            return obs

        return probe

    def _note(self, action: Floats) -> None:
        """Whether what comes back is the environment's: actors that have diverged do anything."""
        self._sound = self._sound and bool(np.isfinite(action).all())

    def _check_step(self, step: Any, lengths: Ints) -> None:
        self._check("reward", step.agent_reward, self._agents, lengths)
        self._check("reward", step.reward[:, None], {}, lengths)
        self._check("observation", step.next_state, self._parts, lengths)
        self._check("measurement", step.obs, self._obs_parts, lengths)

    def _check(self, kind: str, values: Floats, parts: dict[Any, slice], lengths: Ints) -> None:
        if self._sound and values.shape[1]:
            check_finite(kind, values, parts, lengths)

    def _check_lengths(self, tally: Tally) -> None:
        longest = int(tally.lengths[tally.live].max())
        if longest >= self.config.max_episode_steps:
            raise ValueError(
                f"a trajectory has not ended after {longest} steps: let the environment terminate "
                "or truncate it, or raise max_episode_steps"
            )

    def _tell(self, what: str, *told: Any) -> None:
        if self.watch is not None:
            getattr(self.watch, what)(*told)


class Tally:
    """Tickets, returns and lengths of the trajectories of a rollout.

    Args:
        lanes: B.
        num_episodes: trajectories wanted, >= B.
        num_agents: m.
    """

    def __init__(self, lanes: int, num_episodes: int, num_agents: int) -> None:
        self.live = np.ones(lanes, np.bool_)
        self.lengths = np.zeros(lanes, np.int64)  # steps since the reset
        self.returns: list[float] = []
        self._ended: list[tuple[NDArray[np.float64], Ints]] = []  # their agents' returns, lengths
        self._tickets = num_episodes - lanes
        self._returns = np.zeros(lanes)
        self._agent_returns = np.zeros((lanes, num_agents))

    def step(self, step: Any) -> None:
        """Add a step's rewards."""
        self._returns += step.reward
        self._agent_returns += step.agent_reward
        self.lengths += 1

    @property
    def agent_returns(self) -> NDArray[np.float64]:
        """Of the trajectories that have ended, (N, m)."""
        return np.concatenate([returns for returns, _ in self._ended])

    @property
    def ended(self) -> Ints:
        """Lengths of the trajectories that have ended, (N,)."""
        return np.concatenate([lengths for _, lengths in self._ended])

    def end(self, done: NDArray[np.bool_]) -> tuple[Ints, int]:
        """End the trajectories of the lanes in `done`.

        Returns:
            The live lanes among them, and how many of these, the first ones, go on with another.
        """
        finished = np.flatnonzero(done & self.live)
        self.returns.extend(self._returns[finished].tolist())
        self._ended.append((self._agent_returns[finished], self.lengths[finished]))
        self._returns[done] = 0.0
        self._agent_returns[done] = 0.0
        self.lengths[done] = 0
        restarted = min(self._tickets, len(finished))
        self._tickets -= restarted
        self.live[finished[restarted:]] = False
        return finished, restarted


def _parts(widths: Sequence[int]) -> list[slice]:
    stops = np.cumsum([0, *widths]).tolist()
    return [slice(start, stop) for start, stop in pairwise(stops)]
