"""The RLlib runner of MADDPG: many lanes of a joint environment, stepped at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.checkpoints import Checkpointable
from ray.rllib.utils.metrics import (
    EPISODE_RETURN_MEAN,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES,
    NUM_EPISODES_LIFETIME,
    WEIGHTS_SEQ_NO,
)
from ray.rllib.utils.typing import StateDict
from ray.tune.registry import ENV_CREATOR, _global_registry

from policies.contract.action_circles import scale_back
from policies.contract.copies import joint_env
from policies.contract.joint_spec import JointEnv, JointSpec
from policies.staged.constraints import charge_at
from policies.staged.exploration import NOISES
from policies.staged.modules import CRITIC, active_stage, actor_id
from policies.staged.replay import Columns
from policies.staged.rollout import Rollout

NUM_PROBES = "num_probes"

Floats = NDArray[np.float32]
Act = Callable[[Floats], Floats]


class MADDPGEnvRunner(EnvRunner, Checkpointable):
    """Collects joint rows for the active stage.

    At every time step the frozen stages act one after another while the state is held, each
    followed by a probe; then the active stage acts and is rewarded. A call of `collect` starts
    and ends with whole trajectories and brings its own seed, so a runner carries no random
    state: what a request returns does not depend on who serves it, or when.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        EnvRunner.__init__(self, config=config, **kwargs)
        Checkpointable.__init__(self)
        self.num_envs: int = self.config.num_envs_per_env_runner
        self._lanes: dict[int, JointEnv] = {}
        self._weights_seq_no = 0
        self._given: set[str] = set()  # modules whose weights have come from outside
        self._calls = 0
        torch.set_num_threads(1)
        self.make_env()
        spec = JointSpec.of(self.lanes(1))
        self.spec = replace(spec, full_state=self.config.full_state)
        self._circles = np.array(spec.action_circles, np.float32).reshape(-1, 4)
        self.make_module()

    def make_env(self) -> None:
        """Make one environment of the user's; its joint form is asked of this instance."""
        self.env = self._make_one()
        self._envs = [self.env]  # and copies of it, shared by all numbers of lanes

    def _make_one(self) -> Any:
        if self.config.env is None:
            raise ValueError("no environment: name one with .environment(...) before building")
        context = EnvContext(
            self.config.env_config,
            worker_index=self.worker_index or 0,
            num_workers=self.config.num_env_runners,
        )
        if isinstance(self.config.env, str):
            if not _global_registry.contains(ENV_CREATOR, self.config.env):
                raise ValueError(
                    f"environment {self.config.env!r} is not registered; import the module that "
                    "registers it, or call ray.tune.register_env"
                )
            return _global_registry.get(ENV_CREATOR, self.config.env)(context)
        return self.config.env(context)

    def lanes(self, count: int) -> JointEnv:
        """The joint form of the environment with so many lanes."""
        if count not in self._lanes:
            self._lanes[count] = joint_env(self._envs, self._make_one, count, seed=0)
        return self._lanes[count]

    def make_module(self) -> None:
        """Build the actors of all stages (no critics, no target networks)."""
        spec = self.config.get_multi_rl_module_spec(spaces=self.get_spaces(), inference_only=True)
        self.module = spec.build()

    def get_spaces(self) -> dict[str, tuple[Any, Any]]:
        """Per module id: the joint input and the joint action as boxes, and the joint spec."""
        has_probe = hasattr(self.lanes(1), "probe")
        spaces: dict[str, tuple[Any, Any]] = self.config.module_spaces(self.spec, has_probe)
        return spaces

    def assert_healthy(self) -> None:
        """There is an environment and a module."""
        assert self.env is not None and self.module is not None

    @property
    def has_weights(self) -> bool:
        """Whether all actors have been set; not so in a runner that Ray has restarted unseen."""
        return self._given >= set(self.module.keys())

    @property
    def stage(self) -> int:
        """The stage in training, counted from 1."""
        return active_stage(self.module)

    # --- sampling -----------------------------------------------------------------------

    def sample(
        self,
        *,
        num_timesteps: int | None = None,
        num_episodes: int | None = None,
        explore: bool | None = None,
        **kwargs: Any,
    ) -> list[MultiAgentBatch]:
        """RLlib's way to sample: whole trajectories under the active stage.

        Args:
            num_timesteps: collect at least so many steps (in whole trajectories).
            num_episodes: collect exactly so many trajectories.
            explore: whether to add noise; None takes the configuration's word.
            **kwargs: RLlib's further options have no meaning here.

        Returns:
            Batches of joint rows under the critic's module id.
        """
        explore = self.config.explore if explore is None else explore
        sigma = self.config.sigma[-1] if explore else 0.0
        batches: list[MultiAgentBatch] = []
        steps = 0
        while not batches or steps < (num_timesteps or 0):
            seed = (self._seed or 0, 0, self._calls)  # training's requests name stages from 1
            self._calls += 1
            rollout = self.collect(num_episodes or self.num_envs, seed, sigma)
            steps += rollout.env_steps
            rows = SampleBatch(rollout.columns)
            batches.append(MultiAgentBatch({CRITIC: rows}, env_steps=rollout.env_steps))
        return batches

    def collect(
        self, num_episodes: int, seed: Sequence[int], sigma: float, random_actions: bool = False
    ) -> Rollout:
        """Collect exactly `num_episodes` trajectories under the active stage with noise.

        Args:
            num_episodes: how many.
            seed: of this request; the same request has the same answer.
            sigma: scale of the noise, in units of the scaled action.
            random_actions: act uniformly at random in place of the active stage.
        """
        env_seed, noise_seed = np.random.SeedSequence(seed).spawn(2)
        rng = np.random.default_rng(noise_seed)
        shape = (min(self.num_envs, num_episodes), self.spec.action_dim)
        noise = NOISES[self.config.noise](shape, rng)
        actor = self._actor(self.stage)

        def act(inputs: Floats) -> Floats:
            if random_actions:
                return scale_back(rng.uniform(-1.0, 1.0, shape).astype(np.float32), self._circles)
            action = actor(inputs)
            if sigma > 0.0:
                np.clip(action + noise.sample(sigma), -1.0, 1.0, out=action)
                return scale_back(action, self._circles)
            return action

        repeats = None
        if self.config.rounds > 1 and self.stage == self.config.num_stages:
            repeats = rng.integers(self.config.rounds, size=shape[0])
        rollout = self.rollout(num_episodes, env_seed, act, noise.reset, repeats)
        self._log(rollout)
        return rollout

    def rollout(
        self,
        num_episodes: int,
        seed: np.random.SeedSequence,
        act: Act,
        on_reset: Callable[[NDArray[np.bool_]], None] | None = None,
        repeats: NDArray[np.int64] | None = None,
    ) -> Rollout:
        """Run trajectories until exactly `num_episodes` are complete.

        Every trajectory needs a ticket. A lane that finds none left runs idle: its rows are
        neither kept nor counted.

        Args:
            num_episodes: how many.
            seed: of the environment.
            act: the rewarded joint action from joint inputs.
            on_reset: told which lanes begin anew.
            repeats: (lanes,) how often the active stage refines its own prototype before it acts;
                never if None.
        """
        lanes = min(self.num_envs, num_episodes)
        env = self.lanes(lanes)
        env.reseed(seed)
        keep_next, keep_obs = self.config.gamma > 0.0, self.config.constraint != "none"
        literal = self.config.target_input == "literal" and self.stage > 1
        reuse = keep_next and not literal  # next inputs are the next row's inputs
        out = Rollout({})
        rows: list[Columns] = []
        live = np.ones(lanes, np.bool_)
        tickets = num_episodes - lanes
        returns = np.zeros(lanes)
        repeats = np.zeros(lanes, np.int64) if repeats is None else repeats
        probes = repeats + self.stage - 1  # of each lane in a time step
        inputs = self._inputs(env, env.reset(), repeats)
        out.probes += int(probes.sum())
        while True:
            action = act(inputs)
            step = env.step(action)
            reward = step.agent_reward if self.config.critic == "separate" else step.reward[:, None]
            row = {
                "inputs": inputs,
                "action": action,
                "reward": reward * np.float32(self.config.reward_scale),
            }
            if keep_obs:
                row["obs"] = step.obs
            if keep_next:
                # The final state of a trajectory is probed too, before its lane is reset.
                if literal:
                    next_inputs = np.concatenate([step.next_state, action, step.obs], axis=1)
                else:
                    next_inputs = self._inputs(env, step.next_state, repeats)
                    out.probes += int(probes[live].sum())
                row["next_inputs"] = next_inputs
                row["terminated"] = step.terminated[:, None].astype(np.float32)
            rows.append(row if live.all() else {name: a[live] for name, a in row.items()})
            returns += step.reward
            done = step.terminated | step.truncated
            finished = np.flatnonzero(done & live)
            out.returns.extend(returns[finished].tolist())
            returns[done] = 0.0
            restarted = min(tickets, len(finished))
            tickets -= restarted
            live[finished[restarted:]] = False
            if not live.any():
                break
            if done.any():
                if on_reset is not None:
                    on_reset(done)
                inputs = self._inputs(env, env.reset(done), repeats)
                if reuse:
                    inputs = np.where(done[:, None], inputs, next_inputs)
                out.probes += int(probes[finished[:restarted] if reuse else live].sum())
            elif reuse:
                inputs = next_inputs
            else:
                inputs = self._inputs(env, step.next_state, repeats)
                out.probes += int(probes[live].sum())
        out.columns = {
            name: rows[0][name] if len(rows) == 1 else np.concatenate([row[name] for row in rows])
            for name in rows[0]
        }
        return out

    def validate(self, weights: StateDict, num_episodes: int, seed: int) -> tuple[float, int]:
        """The mean return of the active stage without noise.

        Args:
            weights: of the active stage's actors, by parameter name.
            num_episodes: trajectories, the same ones at every call with the same seed.
            seed: of the validation stream.

        Returns:
            The mean return over the trajectories, less what they pay for observations out of
            bounds where those are constrained, and the number of probes.
        """
        actor = self.module[actor_id(self.stage)].unwrapped().actor
        held = {name: value.clone() for name, value in actor.state_dict().items()}
        num_envs, self.num_envs = self.num_envs, num_episodes
        try:
            actor.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
            last = self.stage == self.config.num_stages
            repeats = np.full(num_episodes, self.config.rounds - 1 if last else 0)
            act, sequence = self._actor(self.stage), np.random.SeedSequence(seed)
            rollout = self.rollout(num_episodes, sequence, act, repeats=repeats)
        finally:
            self.num_envs = num_envs
            actor.load_state_dict(held)
        return float(np.mean(rollout.returns)) - self._charge(rollout), rollout.probes

    def _charge(self, rollout: Rollout) -> float:
        """What trajectories pay on average for observations outside the tightened bounds.

        At the price that a stage begins with, so that scores of one stage can be compared.
        """
        if self.config.constraint == "none":
            return 0.0
        how = self.config.constraint_of(self.stage)
        obs = torch.from_numpy(rollout.columns["obs"])
        paid = charge_at(obs, self.spec, how["price"], how["margin"], how["curvature"])
        return float(paid.sum()) / len(rollout.returns)

    def _inputs(self, env: Any, state: Floats, repeats: NDArray[np.int64]) -> Floats:
        """What the active stage sees: forward and probe of every stage before it.

        Behind them the active stage itself acts as a prototype, `repeats` times by lane.
        """
        inputs = state
        earlier = self.stage - 1
        for turn in range(1, earlier + 1 + int(repeats.max())):
            action = self._actor(min(turn, self.stage))(inputs)
            refined = np.concatenate([state, action, env.probe(action)], axis=1)
            again = turn <= earlier + repeats
            inputs = refined if again.all() else np.where(again[:, None], refined, inputs)
        return inputs

    def _actor(self, stage: int) -> Act:
        actor = self.module[actor_id(stage)].unwrapped().actor

        def act(inputs: Floats) -> Floats:
            with torch.no_grad():
                action: Floats = actor(torch.from_numpy(inputs)).numpy()
            return action

        return act

    # --- metrics and state --------------------------------------------------------------

    def _log(self, rollout: Rollout) -> None:
        steps, episodes = rollout.env_steps, len(rollout.returns)
        self.num_env_steps_sampled_lifetime += steps
        self._log_env_steps(self._metrics_num_env_steps_sampled, steps)
        for name, value in (
            (NUM_ENV_STEPS_SAMPLED, steps),
            (NUM_EPISODES, episodes),
            (NUM_PROBES, rollout.probes),
        ):
            self.metrics.log_value(name, value, reduce="sum")
        lifetime = {"reduce": "lifetime_sum"}
        self.metrics.log_value(NUM_ENV_STEPS_SAMPLED_LIFETIME, steps, **lifetime)
        self.metrics.log_value(NUM_EPISODES_LIFETIME, episodes, **lifetime)
        self.metrics.log_value(EPISODE_RETURN_MEAN, float(np.mean(rollout.returns)), window=10)

    def get_metrics(self) -> Any:
        """What has been logged since the last call."""
        return self.metrics.reduce()

    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> StateDict:
        """Weights of the actors; a runner has no other state."""
        state: StateDict = {
            NUM_ENV_STEPS_SAMPLED_LIFETIME: self.num_env_steps_sampled_lifetime,
            "calls": self._calls,
        }
        if self._check_component(COMPONENT_RL_MODULE, components, not_components):
            state[COMPONENT_RL_MODULE] = self.module.get_state(
                components=self._get_subcomponents(COMPONENT_RL_MODULE, components),
                not_components=self._get_subcomponents(COMPONENT_RL_MODULE, not_components),
                **kwargs,
            )
            state[WEIGHTS_SEQ_NO] = self._weights_seq_no
        return state

    def set_state(self, state: StateDict) -> None:
        """Take over weights and counts.

        RLlib numbers the weights, so that asynchronous runners can leave out old ones. Here
        every sync is waited for, a new stage brings weights under the same number, and an older
        checkpoint under a lower one.
        """
        if COMPONENT_RL_MODULE in state:
            weights = state[COMPONENT_RL_MODULE]
            # RLlib puts the weights for many runners into the object store once.
            weights = ray.get(weights) if isinstance(weights, ray.ObjectRef) else weights
            self.module.set_state(weights)
            self._weights_seq_no = state.get(WEIGHTS_SEQ_NO, self._weights_seq_no)
            self._given |= weights.keys()
        if NUM_ENV_STEPS_SAMPLED_LIFETIME in state:
            self.num_env_steps_sampled_lifetime = state[NUM_ENV_STEPS_SAMPLED_LIFETIME]
        self._calls = state.get("calls", self._calls)

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What another runner of this kind is made from."""
        return (), {"config": self.config}

    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """The actors."""
        return [(COMPONENT_RL_MODULE, self.module)]

    def stop(self) -> None:
        """Close the environment and its copies."""
        for env in self._envs:
            if hasattr(env, "close"):
                env.close()
