"""MADDPG, TS-MADDPG and multi-stage MADDPG as one RLlib algorithm of K stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayError
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE
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

from policies.contract.joint_spec import JointSpec
from policies.controllers.agent import AgentController
from policies.controllers.files import save_controllers
from policies.controllers.staged import Controller
from policies.staged.config import MADDPGConfig
from policies.staged.exploration import LinearSchedule
from policies.staged.modules import CONSTRAINT, CRITIC, actor_id
from policies.staged.replay import JointReplay
from policies.staged.requests import Request, shares
from policies.staged.rollout import Rollout
from policies.staged.stages import StagePlan, fresh_progress

VALIDATION_TIMER = "validation_timer"
MINIBATCHES_PER_CALL = 50  # stacked in one call of the learner, whose fixed cost they share
RUNNERS_WAIT_S = 300.0  # for remote runners that died to be restarted, where none is left
RUNNERS_POLL_S = 0.1


class RunnersLostError(RuntimeError):
    """No remote runner has answered for `RUNNERS_WAIT_S`."""


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
        self._progress: dict[str, Any] = fresh_progress(1)
        self._history: list[dict[str, Any]] = []  # one entry per stage that has ended
        self._finished = False
        self.replay = self._make_replay(1)

    def _make_replay(self, stage: int) -> JointReplay:
        inputs = self.spec.input_dim(stage)
        widths = {
            "inputs": inputs,
            "action": self.spec.action_dim,
            "reward": 1 if self.config.critic == "shared" else self.spec.num_agents,
            "next_inputs": inputs,
            "terminated": 1,
            "obs": self.spec.obs_dim,
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
        answered = time.monotonic()
        while (due := plan.episodes_due(progress["updates"]) - progress["episodes"]) > 0:
            first = progress["stage"] == 1 and progress["episodes"] < plan.warmup
            if progress["episodes"] < plan.warmup:
                due = min(due, plan.warmup - progress["episodes"])
            sigma = LinearSchedule(config.sigma[0], config.sigma[-1])
            rollouts = self._request(
                due, sigma=sigma(progress["episodes"] / plan.episodes), random_actions=first
            )
            if not rollouts:
                self._await_runners(answered)
                continue
            answered = time.monotonic()
            for rollout in rollouts:
                self.replay.add(rollout.columns)
                progress["episodes"] += len(rollout.returns)
                progress["env_steps"] += rollout.env_steps
                progress["probes"] += rollout.probes
        progress["replay_rows"] = len(self.replay)

    def _await_runners(self, answered: float) -> None:
        """Ask once whether Ray has restarted a runner, and bring those back that it has.

        Args:
            answered: when a runner answered last, by `time.monotonic`.

        Raises:
            RunnersLostError: that was too long ago.
        """
        if time.monotonic() - answered > RUNNERS_WAIT_S:
            raise RunnersLostError(
                f"none of {self.config.num_env_runners} runners has answered for "
                f"{RUNNERS_WAIT_S:.0f} s"
            )
        if not self.restore_env_runners(self.env_runner_group):
            time.sleep(RUNNERS_POLL_S)

    def _request(self, episodes: int, **request: Any) -> list[Rollout]:
        """Ask the runners for trajectories; what a failed runner owed stays due."""
        progress, group = self._progress, self.env_runner_group
        seed = (self.config.seed or 0, progress["stage"], progress["requests"])
        progress["requests"] += 1
        if not self.config.num_env_runners:
            results = [Request(episodes, seed, request).serve(group.local_env_runner)]
        else:
            healthy = group.healthy_worker_ids()[:episodes]
            if not healthy:
                return []
            calls = [
                Request(share, (*seed, i), request)
                for i, share in enumerate(shares(episodes, len(healthy)))
            ]
            results = group.foreach_env_runner(
                calls, remote_worker_ids=healthy, local_env_runner=False
            )
            if None in results:  # a runner was restarted before anybody saw that it had died
                self._sync([actor_id(k + 1) for k in range(self.config.num_stages)])
                results = [result for result in results if result is not None]
        self.metrics.aggregate([metrics for _, metrics in results], key=ENV_RUNNER_RESULTS)
        return [rollout for rollout, _ in results]

    def _update(self, plan: StagePlan) -> None:
        """The next `updates_per_iteration` updates, or what the stage has left of them."""
        progress, config = self._progress, self.config
        if not len(self.replay):
            return
        if config.whiten_inputs and progress["updates"] == 0:
            sample = self.replay.column("inputs").copy()
            self._on_learners(lambda learner: learner.fit_inputs(sample))
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
        try:
            results = self.learner_group.update(batch=batch)
        except RayError:  # of those that waited for one that has died
            self.check_learners()
            raise
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        progress["updates"] += count

    def _on_learners(self, work: Callable[[Any], Any]) -> None:
        """Have every learner do something; raise what became of one that did not."""
        for result in self.learner_group.foreach_learner(work, healthy_only=False):
            if not result.ok:
                raise result.get()

    def check_learners(self) -> None:
        """See that all learner processes are alive.

        Raises:
            RayActorError: one has died.
        """
        self._on_learners(lambda learner: None)

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
            self._on_learners(lambda learner: learner.freeze(stage, best))
            self._sync([actor_id(stage)])
            self._finished = True
            return
        self._on_learners(lambda learner: learner.begin_stage(stage + 1, best))
        self._sync([actor_id(stage), actor_id(stage + 1)])
        self._progress = fresh_progress(stage + 1)
        self.replay = self._make_replay(stage + 1)

    def build_on(self, earlier: MADDPG) -> None:
        """Take over the ended stages of another training, frozen, and begin the one behind them.

        What follows is what a training of all these stages in one go would do, to the last bit if
        seed and settings are the same.

        Args:
            earlier: with as many ended stages as this one has before its last, or fewer; of more,
                the first are taken.

        Raises:
            ValueError: no stage of it has ended, or its networks have other shapes.
        """
        stages = min(len(earlier._history), self.config.num_stages - 1)
        if stages < 1:
            raise ValueError("no stage to build on: none has ended, or num_stages is 1")
        modules = [*map(actor_id, range(1, stages + 1))]
        modules += [CRITIC] if self.config.carry_critic else []
        modules += [CONSTRAINT] if self._constrained and earlier._constrained else []
        states = {name: earlier._module_state(name) for name in modules}
        for name, state in states.items():
            own = self._module_state(name)
            if _shapes(own) != _shapes(state):
                raise ValueError(f"the networks of {name} have other shapes in the earlier run")
        best = {
            k.removeprefix("actor."): v
            for k, v in states[actor_id(stages)].items()
            if k.startswith("actor.")
        }

        def take(learner: Any) -> None:
            for name, state in states.items():
                learner.module[name].set_state(state)
            learner.begin_stage(stages + 1, best)

        self._on_learners(take)
        self._sync([actor_id(stage) for stage in range(1, stages + 2)])
        self._history = [dict(entry) for entry in earlier._history[:stages]]
        self._progress = fresh_progress(stages + 1)
        self.replay = self._make_replay(stages + 1)

    @property
    def _constrained(self) -> bool:
        return bool(self.config.constraint != "none")

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

    def controllers(self, stages: int | None = None) -> dict[str, AgentController]:
        """What each agent runs, as `files.load_controllers` would give it.

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
        signatures = {agent: dict(signature(agent)) for agent in self.spec.agents}
        if self.spec.full_state:
            whole = [entry for agent in self.spec.agents for entry in signature(agent)["state"]]
            for entries in signatures.values():
                entries["state"] = whole
        rounds = self.config.rounds if len(actors) == self.config.num_stages else 1
        return {
            agent: Controller(
                agent,
                signatures[agent],
                [actor.kind for actor in actors],
                [actor.agent_layers(i) for actor in actors],
                rounds,
            )
            for i, agent in enumerate(self.spec.agents)
        }

    def export_controllers(self, folder: str | Path, stages: int | None = None) -> None:
        """Write what each agent runs, one pair of files per agent (see `controllers.files`).

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


def _shapes(state: StateDict) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(value) for name, value in state.items()}
