"""MADDPG, TS-MADDPG and multi-stage MADDPG as one RLlib algorithm of K stages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    SYNCH_WORKER_WEIGHTS_TIMER,
    TIMERS,
)
from ray.rllib.utils.typing import ResultDict, StateDict
from ray.tune.result import DONE

from policies.controller import Controller, save_controllers
from policies.env_runner import MADDPGEnvRunner, Rollout
from policies.exploration import NOISES, LinearSchedule
from policies.joint_spec import JointSpec
from policies.learner import MADDPGLearner
from policies.networks import ACTORS, CRITICS
from policies.replay import JointReplay
from policies.rl_modules import CRITIC, ActorModule, actor_id, actor_spec, critic_spec
from policies.stages import StagePlan

VALIDATION_TIMER = "validation_timer"
MINIBATCHES_PER_CALL = 50  # stacked in one call of the learner, whose fixed cost they share


class MADDPGConfig(AlgorithmConfig):
    """Configuration of MADDPG in K stages (K = 1: MADDPG, 2: TS-MADDPG, more: multi-stage).

    Example:
        >>> config = (
        ...     MADDPGConfig()
        ...     .environment("grid", env_config={"case": "ieee13"})
        ...     .stages(num_stages=2, episodes=[10_000, 10_000])
        ... )
        >>> algo = config.build_algo()
        >>> algo.train()
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or MADDPG)
        # RLlib's own settings.
        self.gamma = 0.0
        self.minibatch_size = 256
        self.num_env_runners = 0
        self.num_envs_per_env_runner = 250
        self.env_runner_cls = MADDPGEnvRunner
        # Stages.
        self.num_stages = 1
        self.episodes: list[int] = [10_000]
        self.updates_per_episode = 1.0
        self.warmup_episodes = 1_000
        self.collect_share = 0.5
        self.updates_per_iteration = 250
        self.validation_episodes = 2_000
        self.validation_seed = 0
        # Networks.
        self.critic = "shared"
        self.critic_net = "quadratic-residual"
        self.critic_width = 64
        self.critic_rows = 48
        self.actor_net = "plain"
        self.actor_width = 64
        self.whiten_inputs = True
        self.whiten_floor = 1e-3
        # Learning.
        self.actor_lr: list[float] = [2e-3]
        self.critic_lr: list[float] = [3e-3, 1e-3]
        self.lr_decay = "cosine"
        self.tau = 0.002
        self.actor_step = "joint"
        self.target_input = "probe"
        self.reward_scale = 0.5
        self.replay_capacity = 100_000
        # Exploration.
        self.noise = "gaussian"
        self.sigma: list[float] = [0.3]

    def training(
        self,
        *,
        critic: str = NotProvided,
        critic_net: str = NotProvided,
        critic_width: int = NotProvided,
        critic_rows: int = NotProvided,
        actor_net: str = NotProvided,
        actor_width: int = NotProvided,
        whiten_inputs: bool = NotProvided,
        whiten_floor: float = NotProvided,
        actor_lr: float | Sequence[float] = NotProvided,
        critic_lr: float | Sequence[float] = NotProvided,
        lr_decay: str = NotProvided,
        tau: float = NotProvided,
        actor_step: str = NotProvided,
        target_input: str = NotProvided,
        reward_scale: float = NotProvided,
        replay_capacity: int = NotProvided,
        **kwargs: Any,
    ) -> MADDPGConfig:
        """Networks and learning.

        Args:
            critic: "shared" (one for all agents, on the shared reward; MADDPG-1) or "separate"
                (one per agent, on the agents' rewards; MADDPG-2).
            critic_net: "quadratic-residual" or "paper", see `networks.Critics`.
            critic_width: units of the critics' hidden layers.
            critic_rows: rows of the quadratic part.
            actor_net: "plain" or "paper", see `networks.TeamActor`.
            actor_width: units of the actors' hidden layers.
            whiten_inputs: whether each stage begins by fixing an affine map of the actors'
                inputs that whitens what the warm-up has shown.
            whiten_floor: see `networks.TeamActor.fit_inputs`.
            actor_lr: Adam's rate; a sequence gives one per stage, the last for all later ones.
            critic_lr: the same for the critics.
            lr_decay: "cosine" (to zero at the end of each stage) or "constant".
            tau: step of the target networks, in (0, 1]. The target actors are also what is
                validated and frozen, beside the current ones: an average over recent weights.
            actor_step: "joint" (all agents act as their current actors do) or "own" (the
                paper's: the others' actions are those of the minibatch).
            target_input: for gamma > 0, what the target actors of a stage > 1 see at s':
                "probe" (s', a~', o') as when acting, or "literal" (s', a, o'), Algorithm 1 as
                printed.
            reward_scale: factor on rewards before they are learnt.
            replay_capacity: rows of the replay buffer.
            **kwargs: RLlib's own, such as `gamma` and `minibatch_size` (rows per update).

        Returns:
            This configuration.
        """
        super().training(**kwargs)
        given = {
            "critic": critic,
            "critic_net": critic_net,
            "critic_width": critic_width,
            "critic_rows": critic_rows,
            "actor_net": actor_net,
            "actor_width": actor_width,
            "whiten_inputs": whiten_inputs,
            "whiten_floor": whiten_floor,
            "actor_lr": _listed(actor_lr),
            "critic_lr": _listed(critic_lr),
            "lr_decay": lr_decay,
            "tau": tau,
            "actor_step": actor_step,
            "target_input": target_input,
            "reward_scale": reward_scale,
            "replay_capacity": replay_capacity,
        }
        return self._take(given)

    def stages(
        self,
        *,
        num_stages: int = NotProvided,
        episodes: int | Sequence[int] = NotProvided,
        updates_per_episode: float = NotProvided,
        warmup_episodes: int = NotProvided,
        collect_share: float = NotProvided,
        updates_per_iteration: int = NotProvided,
        validation_episodes: int = NotProvided,
        validation_seed: int = NotProvided,
    ) -> MADDPGConfig:
        """The stages and the work of each.

        Args:
            num_stages: K.
            episodes: rewarded trajectories per stage, warm-up included; one number serves all.
            updates_per_episode: updates of critic and actors per episode.
            warmup_episodes: episodes before the first update of a stage (at most half of the
                stage); with random actions in stage 1, by the fresh actors with noise later.
            collect_share: share of a stage's updates over which its episodes are collected.
            updates_per_iteration: updates per call of `train`; validation follows each.
            validation_episodes: trajectories that only select which actors are frozen.
            validation_seed: of their stream, which no training stream meets.

        Returns:
            This configuration.
        """
        given = {
            "num_stages": num_stages,
            "episodes": _listed(episodes),
            "updates_per_episode": updates_per_episode,
            "warmup_episodes": warmup_episodes,
            "collect_share": collect_share,
            "updates_per_iteration": updates_per_iteration,
            "validation_episodes": validation_episodes,
            "validation_seed": validation_seed,
        }
        return self._take(given)

    def exploration(
        self, *, noise: str = NotProvided, sigma: float | Sequence[float] = NotProvided
    ) -> MADDPGConfig:
        """Exploration noise.

        Args:
            noise: "gaussian" or "ornstein-uhlenbeck".
            sigma: standard deviation in units of the scaled action [-1, 1]; two numbers run
                linearly from the first to the second over each stage's episodes.

        Returns:
            This configuration.
        """
        return self._take({"noise": noise, "sigma": _listed(sigma)})

    def _take(self, given: dict[str, Any]) -> MADDPGConfig:
        for name, value in given.items():
            if value is not NotProvided:
                setattr(self, name, value)
        return self

    def validate(self) -> None:
        """Check all settings.

        Raises:
            ValueError: naming the setting, its value and what it must be.
        """
        self.multi_agent(
            policies={*(actor_id(k + 1) for k in range(self.num_stages)), CRITIC},
            policy_mapping_fn=_own_mapping,
        )
        super().validate()
        choices = {
            "critic": ("shared", "separate"),
            "critic_net": CRITICS,
            "actor_net": ACTORS,
            "lr_decay": ("cosine", "constant"),
            "actor_step": ("joint", "own"),
            "target_input": ("probe", "literal"),
            "noise": tuple(NOISES),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, must be one of {allowed}")
        checks = {
            "num_stages": self.num_stages >= 1,
            "episodes": len(self.episodes) in (1, self.num_stages)
            and min(self.episodes, default=0) > 0,
            "updates_per_episode": self.updates_per_episode >= 0,
            "warmup_episodes": self.warmup_episodes >= 1,
            "collect_share": 0 < self.collect_share <= 1,
            "updates_per_iteration": self.updates_per_iteration >= 1,
            "validation_episodes": self.validation_episodes >= 1,
            "gamma": 0 <= self.gamma < 1,
            "tau": 0 < self.tau <= 1,
            "actor_width": self.actor_width >= 1,
            "critic_width": self.critic_width >= 1,
            "critic_rows": self.critic_rows >= 1,
            "whiten_floor": self.whiten_floor > 0,
            "actor_lr": min(self.actor_lr, default=0) > 0,
            "critic_lr": min(self.critic_lr, default=0) > 0,
            "reward_scale": self.reward_scale > 0,
            "sigma": len(self.sigma) in (1, 2) and min(self.sigma) >= 0,
            "minibatch_size": self.minibatch_size >= 1
            and self.minibatch_size % max(1, self.num_learners) == 0,
            "replay_capacity": self.replay_capacity >= 1,
            "seed": (self.seed or 0) >= 0,
        }
        for name, fine in checks.items():
            if not fine:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, out of range (num_stages is "
                    f"{self.num_stages}, num_learners {self.num_learners})"
                )

    # --- what the parts of the algorithm ask --------------------------------------------

    def plan(self, stage: int) -> StagePlan:
        """The work of a stage, counted from 1."""
        episodes = self.episodes[min(stage, len(self.episodes)) - 1]
        return StagePlan(
            episodes=episodes,
            updates=round(episodes * self.updates_per_episode),
            warmup=min(self.warmup_episodes, max(1, episodes // 2)),
            collect_share=self.collect_share,
        )

    def replay_columns(self) -> tuple[str, ...]:
        """The columns of a joint row."""
        columns = ("inputs", "action", "reward")
        return (*columns, "next_inputs", "terminated") if self.gamma > 0.0 else columns

    def module_spaces(self, spec: JointSpec, has_probe: bool) -> dict[str, tuple[Any, Any]]:
        """Spaces per module id, of joint arrays; the actors' carry the joint spec.

        Raises:
            ValueError: if several stages are asked of an environment without a probe.
        """
        if self.num_stages > 1 and not has_probe:
            raise ValueError(
                f"num_stages is {self.num_stages}, but the environment has no probe(action): "
                "only one stage can be trained on it"
            )
        action = Box(-1.0, 1.0, (spec.action_dim,))
        spaces = {}
        for stage in range(1, self.num_stages + 1):
            width = sum(map(len, spec.actor_inputs(stage)))
            spaces[actor_id(stage)] = (JointBox(width, spec), action)
        spaces[CRITIC] = (JointBox(spec.state_dim, spec), action)
        return spaces

    def get_default_learner_class(self) -> type:
        """`MADDPGLearner`."""
        return MADDPGLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The class of the actors' modules; `get_multi_rl_module_spec` fills in the rest."""
        return RLModuleSpec(module_class=ActorModule)

    def build_learner_connector(self, *args: Any, **kwargs: Any) -> None:
        """None: learners are given joint rows, not episodes."""

    def get_multi_rl_module_spec(
        self, *, spaces: Any = None, inference_only: bool = False, **kwargs: Any
    ) -> MultiRLModuleSpec:
        """One module per stage with its actors and, on learners, one with the critics."""
        seed = (self.seed or 0) % 2**32 * 1_000
        spec: JointSpec = spaces[CRITIC][0].spec
        shared = {"joint_spec": spec.to_dict()}
        specs = {}
        for stage in range(1, self.num_stages + 1):
            model = {"stage": stage, "kind": self.actor_net, "width": self.actor_width}
            specs[actor_id(stage)] = actor_spec(
                {**shared, **model, "seed": seed + stage}, spaces[actor_id(stage)]
            )
            specs[actor_id(stage)].inference_only = inference_only
        if not inference_only:
            model = {
                "num_critics": 1 if self.critic == "shared" else spec.num_agents,
                "kind": self.critic_net,
                "width": self.critic_width,
                "rows": self.critic_rows,
            }
            specs[CRITIC] = critic_spec({**shared, **model, "seed": seed}, spaces[CRITIC])
        return MultiRLModuleSpec(rl_module_specs=specs)


class JointBox(Box):
    """The space of a joint input; knows how it is divided among the agents."""

    def __init__(self, width: int, spec: JointSpec) -> None:
        super().__init__(-np.inf, np.inf, (width,))
        self.spec = spec


def _own_mapping(agent_id: str, episode: Any = None, **kwargs: Any) -> str:
    return actor_id(1)


def _listed(value: Any) -> Any:
    if value is NotProvided:
        return value
    return list(value) if isinstance(value, Sequence) else [value]


class MADDPG(Algorithm):
    """Trains K stages one after another; `train()` reports `done` after the last.

    Each call of `train` collects the episodes that are due, does the next
    `updates_per_iteration` updates from replay, and validates. The current and the averaged
    actors with the best validation return so far are kept; at the end of a stage they are
    frozen and the next stage begins: fresh actors and optimizers, the critic carried over, an
    empty replay, schedules from their start.
    """

    config: MADDPGConfig

    @classmethod
    def get_default_config(cls) -> MADDPGConfig:
        """One stage, with the defaults of `MADDPGConfig`."""
        return MADDPGConfig()

    def setup(self, config: Any) -> None:
        """Build runners and learners, and an empty replay."""
        super().setup(config)
        spec: JointSpec = self.spaces[CRITIC][0].spec
        self.spec = spec
        self._progress: dict[str, Any] = _fresh_stage(1)
        self._history: list[dict[str, Any]] = []  # one entry per stage that has ended
        self._finished = False
        self.replay = self._make_replay(1)

    def _make_replay(self, stage: int) -> JointReplay:
        inputs = sum(map(len, self.spec.actor_inputs(stage)))
        widths = {
            "inputs": inputs,
            "action": self.spec.action_dim,
            "reward": 1 if self.config.critic == "shared" else self.spec.num_agents,
            "next_inputs": inputs,
            "terminated": 1,
        }
        columns = {name: widths[name] for name in self.config.replay_columns()}
        return JointReplay(self.config.replay_capacity, columns)

    # --- one iteration ------------------------------------------------------------------

    def training_step(self) -> None:
        """Collect, update, validate; at the end of a stage, go on to the next."""
        if self._finished:
            return
        progress = self._progress
        plan = self.config.plan(progress["stage"])
        with self._timed(ENV_RUNNER_SAMPLING_TIMER, "sample_s"):
            self._collect(plan)
        with self._timed(LEARNER_UPDATE_TIMER, "update_s"):
            self._update(plan)
        with self._timed(SYNCH_WORKER_WEIGHTS_TIMER):
            self._sync([actor_id(progress["stage"])])
        with self._timed(VALIDATION_TIMER):
            self._validate()
        if progress["updates"] >= plan.updates and progress["episodes"] >= plan.episodes:
            self._end_stage()

    @contextmanager
    def _timed(self, timer: str, share: str | None = None) -> Iterator[None]:
        """Add the time spent to RLlib's timer and to the stage's seconds."""
        started = time.perf_counter()
        with self.metrics.log_time((TIMERS, timer)):
            yield
        seconds = time.perf_counter() - started
        self._progress["wall_s"] += seconds
        if share is not None:
            self._progress[share] += seconds

    def _collect(self, plan: StagePlan) -> None:
        """Bring the episodes up to what is due before the next update."""
        progress, config = self._progress, self.config
        while (due := plan.episodes_due(progress["updates"]) - progress["episodes"]) > 0:
            first = progress["stage"] == 1 and progress["episodes"] < plan.warmup
            if progress["episodes"] < plan.warmup:
                due = min(due, plan.warmup - progress["episodes"])
            sigma = LinearSchedule(config.sigma[0], config.sigma[-1])
            rollouts = self._request(
                due, sigma=sigma(progress["episodes"] / plan.episodes), random_actions=first
            )
            if not rollouts:
                break  # every remote runner failed; RLlib restarts them before the next step
            for rollout in rollouts:
                self.replay.add(rollout.columns)
                progress["episodes"] += len(rollout.returns)
                progress["env_steps"] += len(rollout.columns["action"])
                progress["probes"] += rollout.probes

    def _request(self, episodes: int, **request: Any) -> list[Rollout]:
        """Ask the runners for trajectories; what a failed runner owed stays due."""
        progress, group = self._progress, self.env_runner_group
        seed = (self.config.seed or 0, progress["stage"], progress["requests"])
        progress["requests"] += 1
        if not self.config.num_env_runners:
            results = [_Request(episodes, seed, request)(group.local_env_runner)]
        else:
            healthy = group.healthy_worker_ids()[:episodes]
            if not healthy:
                return []
            calls = [
                _Request(share, (*seed, i), request)
                for i, share in enumerate(_split(episodes, len(healthy)))
            ]
            results = group.foreach_env_runner(
                calls, remote_worker_ids=healthy, local_env_runner=False
            )
        self.metrics.aggregate([metrics for _, metrics in results], key=ENV_RUNNER_RESULTS)
        return [rollout for rollout, _ in results]

    def _update(self, plan: StagePlan) -> None:
        """The next `updates_per_iteration` updates, or what the stage has left of them."""
        progress, config = self._progress, self.config
        if not len(self.replay):
            return
        if config.whiten_inputs and progress["updates"] == 0:
            sample = self.replay.column("inputs").copy()
            self.learner_group.foreach_learner(lambda learner: learner.fit_inputs(sample))
        left = min(config.updates_per_iteration, plan.updates - progress["updates"])
        while left > 0:
            count = min(left, MINIBATCHES_PER_CALL)
            self.update(count)
            left -= count

    def update(self, count: int) -> None:
        """Do `count` updates of the active stage in one call of the learners."""
        progress, config = self._progress, self.config
        rng = np.random.default_rng((config.seed or 0, progress["stage"], progress["updates"], 1))
        rows = self.replay.sample(rng, count * config.minibatch_size)
        batch = MultiAgentBatch({CRITIC: SampleBatch(rows)}, env_steps=len(rows["action"]))
        results = self.learner_group.update(batch=batch)
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        progress["updates"] += count

    def _sync(self, modules: list[str]) -> None:
        """Bring weights of these modules to all runners."""
        group = self.env_runner_group
        if self.config.num_env_runners:
            group.sync_weights(
                policies=modules,
                from_worker_or_learner_group=self.learner_group,
                inference_only=True,
                timeout_seconds=None,
            )
        else:
            state = {m: self._module_state(m, inference_only=True) for m in modules}
            group.local_env_runner.set_state({COMPONENT_RL_MODULE: state})

    def _module_state(self, module_id: str, inference_only: bool = False) -> StateDict:
        state = self.learner_group.get_state(
            components=f"{COMPONENT_LEARNER}/{COMPONENT_RL_MODULE}/{module_id}",
            inference_only=inference_only,
        )
        module_state: StateDict = state[COMPONENT_LEARNER][COMPONENT_RL_MODULE][module_id]
        return module_state

    def _validate(self) -> None:
        """Score the current and the averaged actors; keep the best so far."""
        progress, config = self._progress, self.config
        runner = self.env_runner_group.local_env_runner
        state = self._module_state(actor_id(progress["stage"]))
        scores = {}
        for name in ("actor", "target"):
            prefix = name + "."
            weights = {
                key.removeprefix(prefix): np.array(value)
                for key, value in state.items()
                if key.startswith(prefix)
            }
            scores[name], probes = runner.validate(
                weights, config.validation_episodes, config.validation_seed
            )
            progress["validation_probes"] += probes
            if scores[name] > progress["best_return"]:
                progress["best_return"], progress["best"] = scores[name], weights
        progress["validation_return"] = max(scores.values())

    def _end_stage(self) -> None:
        """Freeze the best actors of this stage and begin the next, if there is one."""
        ended = self._progress
        stage = ended["stage"]
        self._history.append({k: v for k, v in ended.items() if k != "best"})
        best = ended["best"]
        if best is None:
            raise RuntimeError(
                f"stage {stage} ends without actors to freeze: no validation return was a number; "
                "training diverged, so lower actor_lr and critic_lr, or reward_scale"
            )
        if stage == self.config.num_stages:
            self.learner_group.foreach_learner(lambda learner: learner.freeze(stage, best))
            self._sync([actor_id(stage)])
            self._finished = True
            return
        self.learner_group.foreach_learner(lambda learner: learner.begin_stage(stage + 1, best))
        self._sync([actor_id(stage), actor_id(stage + 1)])
        self._progress = _fresh_stage(stage + 1)
        self.replay = self._make_replay(stage + 1)

    def step(self) -> ResultDict:
        """One iteration; RLlib's results, and where the stages stand."""
        results = super().step()
        results["maddpg"] = self.progress()
        results[DONE] = self._finished
        return results

    @property
    def finished(self) -> bool:
        """Whether the last stage has ended."""
        return self._finished

    def progress(self) -> dict[str, Any]:
        """Where the stages stand: the active one's counts, and a list of those that ended."""
        now = {k: v for k, v in self._progress.items() if k != "best"}
        return {**now, "num_stages": self.config.num_stages, "ended": list(self._history)}

    # --- what comes out ------------------------------------------------------------------

    def actor_weights(self, stage: int) -> dict[str, NDArray[np.float32]]:
        """Weights of a stage's actors: frozen ones, or the best so far of the active stage."""
        if stage == self._progress["stage"] and self._progress["best"] is not None:
            weights: dict[str, NDArray[np.float32]] = self._progress["best"]
            return weights
        state = self._module_state(actor_id(stage))
        return {k.removeprefix("actor."): v for k, v in state.items() if k.startswith("actor.")}

    def controllers(self, stages: int | None = None) -> dict[str, Controller]:
        """What each agent runs, as `controller.load_controllers` would give it.

        Args:
            stages: how many stages; all that have begun if None.
        """
        runner = self.env_runner_group.local_env_runner
        joint = runner.lanes(1)
        actors = [
            runner.module[actor_id(stage)].unwrapped().actor.with_weights(self.actor_weights(stage))
            for stage in range(1, (stages or self._progress["stage"]) + 1)
        ]
        signature = getattr(joint, "signature", self.spec.plain_signature)
        return {
            agent: Controller(
                agent,
                signature(agent),
                [actor.kind for actor in actors],
                [actor.agent_layers(i) for actor in actors],
            )
            for i, agent in enumerate(self.spec.agents)
        }

    def export_controllers(self, folder: str | Path, stages: int | None = None) -> None:
        """Write what each agent runs, one pair of files per agent (see `controller`).

        Args:
            folder: where to; made if missing.
            stages: how many stages; all that have begun if None.
        """
        save_controllers(folder, self.controllers(stages))

    # --- checkpoints ---------------------------------------------------------------------

    def get_state(self, *args: Any, **kwargs: Any) -> StateDict:
        """RLlib's state, and stages, counters, best actors and replay."""
        state = super().get_state(*args, **kwargs)
        state["maddpg"] = {
            "progress": dict(self._progress),
            "history": list(self._history),
            "finished": self._finished,
            "replay": self.replay.get_state(),
        }
        return state

    def set_state(self, state: StateDict) -> None:
        """The inverse of `get_state`."""
        super().set_state(state)
        if "maddpg" in state:
            own = state["maddpg"]
            self._progress = dict(own["progress"])
            self._history = list(own["history"])
            self._finished = own["finished"]
            self.replay = self._make_replay(self._progress["stage"])
            self.replay.set_state(own["replay"])


class _Request:
    """A call of `collect` for one runner, with the metrics it leaves."""

    def __init__(self, episodes: int, seed: tuple[int, ...], request: dict[str, Any]) -> None:
        self.episodes, self.seed, self.request = episodes, seed, request

    def __call__(self, runner: MADDPGEnvRunner) -> tuple[Rollout, Any]:
        return runner.collect(self.episodes, self.seed, **self.request), runner.get_metrics()


def _split(total: int, parts: int) -> list[int]:
    """`total` in `parts` nearly equal shares."""
    return [total // parts + (i < total % parts) for i in range(parts)]


def _fresh_stage(stage: int) -> dict[str, Any]:
    return {
        "stage": stage,
        "episodes": 0,
        "updates": 0,
        "probes": 0,
        "validation_probes": 0,
        "requests": 0,
        "env_steps": 0,
        "wall_s": 0.0,
        "sample_s": 0.0,
        "update_s": 0.0,
        "validation_return": float("nan"),
        "best_return": -float("inf"),
        "best": None,
    }
