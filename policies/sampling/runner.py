"""The RLlib runner of algorithms in stages: many lanes of a joint environment, stepped at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from ray.rllib.utils.metrics import NUM_ENV_STEPS_SAMPLED_LIFETIME, WEIGHTS_SEQ_NO
from ray.rllib.utils.typing import StateDict

from policies.contract.joint_spec import JointEnv, JointSpec
from policies.learning.modules import ROWS, active_stage, actor_id
from policies.sampling.collector import Collector
from policies.sampling.environments import make_environment
from policies.sampling.episodes import Callbacks, Watch, log_rollout
from policies.sampling.exploration import Act, Floats, Steady
from policies.sampling.lanes import Lanes
from policies.sampling.rollout import Rollout

VALIDATION = "validation"  # where trajectories come from, see `drawn_from`


@dataclass(frozen=True)
class Validated:
    """What a validation has found.

    Attributes:
        score: The configuration's `score` of the trajectories.
        probes: Their number.
        worst: (O,) how far observations lay out of their bounds at most; None where none are held.
    """

    score: float
    probes: int
    worst: NDArray[np.float32] | None = None


class StagedRunner(EnvRunner, Checkpointable):
    """Collects joint rows for the active stage, and validates it.

    A call of `collect` starts and ends with whole trajectories and brings its own seed, so a runner
    carries no random state: what a request returns does not depend on who serves it, or when.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        EnvRunner.__init__(self, config=config, **kwargs)
        Checkpointable.__init__(self)
        self.num_envs: int = self.config.num_envs_per_env_runner
        self._weights_seq_no = 0
        self._given: set[str] = set()  # modules whose weights have come from outside
        self._calls = 0
        torch.set_num_threads(1)
        self.make_env()
        spec = JointSpec.of(self.lanes(1))
        self.spec = replace(spec, full_state=self.config.full_state)
        self.make_module()
        self._callbacks = Callbacks(self.config, self)
        self._callbacks.call("on_environment_created", env=self.env, env_context=self._context())

    def make_env(self) -> None:
        """Make one environment of the user's; its joint form is asked of this instance."""
        self.lanes = Lanes(self._make_one, self.num_envs)
        self.env = self.lanes.env

    def _context(self) -> EnvContext:
        return EnvContext(
            self.config.env_config,
            worker_index=self.worker_index or 0,
            num_workers=self.config.num_env_runners,
        )

    def _make_one(self) -> Any:
        return make_environment(self.config, self._context())

    def make_module(self) -> None:
        """Build the actors of all stages (no central networks, no target networks)."""
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

    @property
    def signature(self) -> Any:
        """The environment's `signature(agent)`, or one in scaled units."""
        return getattr(self.lanes(1), "signature", self.spec.plain_signature)

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
            Batches of joint rows under one module id.
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
            rows = SampleBatch(rollout.rows())
            batches.append(MultiAgentBatch({ROWS: rows}, env_steps=rollout.env_steps))
        self._callbacks.call("on_sample_end", samples=batches)
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
        env: JointEnv = self.lanes(min(self.num_envs, num_episodes))
        shape = (env.num_envs, self.spec.action_dim)
        collector = self._collector(watched=True)
        if random_actions:
            explorer = self.config.random_explorer(shape, rng, self.spec)
        else:
            explorer = self.config.explorer(collector.act, shape, rng, sigma, self.spec)
        repeats = collector.draw_repeats(env.num_envs, rng)
        with drawn_from(env, VALIDATION if self.config.in_evaluation else None):
            rollout = collector.run(env, num_episodes, env_seed, explorer, repeats)
        self.num_env_steps_sampled_lifetime += rollout.env_steps
        self._log_env_steps(self._metrics_num_env_steps_sampled, rollout.env_steps)
        log_rollout(self.metrics, rollout, self.spec)
        return rollout

    def validate(self, weights: StateDict, num_episodes: int, seed: int) -> Validated:
        """Score the active stage without noise.

        Args:
            weights: of the active stage's actors, by parameter name.
            num_episodes: trajectories, the same ones at every call with the same seed.
            seed: of the validation stream.

        Returns:
            What was found.
        """
        actor = self.module[actor_id(self.stage)].unwrapped().actor
        held = {name: value.clone() for name, value in actor.state_dict().items()}
        env = self.lanes(self.lanes.at_most(num_episodes))
        try:
            actor.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
            collector = self._collector(watched=False)
            explorer, sequence = Steady(collector.act), np.random.SeedSequence(seed)
            repeats = collector.most_repeats(env.num_envs)
            with drawn_from(env, VALIDATION):
                rollout = collector.run(env, num_episodes, sequence, explorer, repeats)
        finally:
            actor.load_state_dict(held)
        outside = self.config.outside(rollout, self.spec)
        return Validated(
            score=self.config.score(rollout, self.spec, self.stage),
            probes=rollout.probes,
            worst=None if outside is None else outside.amax(0).numpy(),
        )

    def _collector(self, *, watched: bool) -> Collector:
        watch = None
        if watched and self._callbacks.on_episodes():
            watch = Watch(self._callbacks, self.spec, self.env, self.module)
        made: Collector = self.config.collector_class(
            self.config, self.spec, self.stage, self._actor, watch
        )
        return made

    def _actor(self, stage: int) -> Act:
        act: Act = self.config.act_of(self.module[actor_id(stage)].unwrapped().actor)
        return act

    # --- metrics and state --------------------------------------------------------------

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
        """Close all environments."""
        self.lanes.close()


@contextmanager
def drawn_from(env: Any, split: str | None) -> Iterator[None]:
    """Have an environment draw its trajectories from elsewhere for a while.

    Args:
        env: One that has several sets of trajectories offers `draw_from(split)`, and names the one
            that it draws from as `split`; all others stay as they are.
        split: Which; as it is if None.
    """
    if split is None or not hasattr(env, "draw_from"):
        yield
        return
    usual = env.split
    env.draw_from(split)
    try:
        yield
    finally:
        env.draw_from(usual)


def act_with(actor: torch.nn.Module) -> Act:
    """A network of actors as a function on numpy arrays."""

    def act(inputs: Floats) -> Floats:
        with torch.no_grad():
            action: Floats = actor(torch.from_numpy(inputs)).numpy()
        return action

    return act
