"""K stages of any algorithm, one after another, as one RLlib algorithm."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayError
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    SYNCH_WORKER_WEIGHTS_TIMER,
    TIMERS,
)
from ray.rllib.utils.typing import ResultDict, StateDict
from ray.tune.result import DONE

from policies.contract.joint_spec import JointSpec
from policies.controllers.files import save_controllers
from policies.learning.modules import CONSTRAINT, ROWS, actor_id
from policies.learning.schedule import StageCounts, StagePlan
from policies.sampling.rollout import Columns, Rollout
from policies.staged.config import StagedConfig
from policies.staged.crew import Crew
from policies.staged.export import controllers_of
from policies.staged.selection import Selection
from policies.staged.sizes import sized
from policies.staged.weights import Courier, Weights, part, shapes

VALIDATION_TIMER = "validation_timer"
STAGES = "stages"  # in RLlib's results and in checkpoints
MINIBATCHES_PER_CALL = 50  # stacked in one call of the learner, whose fixed cost they share

TIGHTENED_FROM = 0.2  # share of the last stage from which margins follow what validation shows
TIGHTENED = 0.3  # of what is outside at most, by which a margin grows
MOST_TIGHTENED = 0.01  # of the spread of what is measured, that counts as outside
RELAXED = 0.95  # factor on what they were
GROWTH = 1.5  # of the memory, after which what is fitted is fitted anew

Which = Literal["frozen", "last"]


class StagedAlgorithm(Algorithm):
    """Trains K stages one after another; `train()` reports `done` after the last.

    Each call of `train` collects the episodes that are due, does the next
    `updates_per_iteration` updates from memory, and validates. At the end of a stage its best
    actors (or its last) are frozen and the next stage begins: fresh actors and optimizers, central
    networks carried over, an empty memory, schedules from their start. What the networks of a
    stage were when its training ended is kept beside what was frozen.

    Attributes:
        counts: Where the active stage stands.
        ended: Where each stage stood when it ended.
        finished: Whether the last stage has ended.
        memory: What updates are made from.
        earlier: Of ended stages, the rows that fits still use.
        fitted: Rows in the memory when the last fit was made.
        exact: Whether it left nothing to learn.
    """

    config: StagedConfig

    def setup(self, config: Any) -> None:
        """Choose what the settings leave to the case; build runners and learners."""
        if isinstance(config, StagedConfig):
            made = config
        else:  # RLlib's way to be built from a dictionary
            made = self.get_default_config().update_from_dict(config)
            made.env = self._env_id
        chosen = sized(made)
        if chosen is not made:
            chosen.validate()
            chosen.freeze()
        self.config = chosen
        super().setup(chosen)
        spec: JointSpec = self.spaces[ROWS][0].spec
        self.spec = spec
        self.courier = Courier(self.config, self.learner_group, self.env_runner_group)
        self.crew = Crew(
            self.config,
            self.env_runner_group,
            self.metrics,
            sync=lambda: self.courier.sync([*map(actor_id, self._stages)]),
            restore=lambda: self.restore_env_runners(self.env_runner_group),
        )
        self.selection = Selection(self.config)
        self.counts = self._begun()
        self.ended: list[StageCounts] = []
        self.finished = False
        self.memory = self.config.make_memory(self.spec, 1)
        self.earlier: Columns | None = None
        self.fitted, self.exact = 0, False

    def _begun(self) -> StageCounts:
        """The first stage, which has what the survey has collected behind it."""
        found = self.config.survey
        if found is None:
            return StageCounts(1)
        return StageCounts(1, episodes=found.episodes, env_steps=found.env_steps)

    @property
    def _stages(self) -> range:
        return range(1, self.config.num_stages + 1)

    # --- one iteration ------------------------------------------------------------------

    def training_step(self) -> None:
        """Collect, update, validate; at the end of a stage, go on to the next."""
        if self.finished:
            return
        counts, config = self.counts, self.config
        plan = self._plan()
        # What is on-policy collects anew before each update.
        turn = 1 if self.memory.whole else config.updates_per_iteration
        last = min(counts.updates + config.updates_per_iteration, plan.updates)
        while True:
            with self._timed(ENV_RUNNER_SAMPLING_TIMER, "sample_s"):
                self.crew.collect_due(counts, plan, self.memory)
            with self._timed(LEARNER_UPDATE_TIMER, "update_s"):
                self._update(min(turn, last - counts.updates))
            with self._timed(SYNCH_WORKER_WEIGHTS_TIMER):
                self.courier.sync([actor_id(counts.stage)])
            if counts.updates >= last:
                break
        with self._timed(VALIDATION_TIMER):
            runner = self.env_runner_group.local_env_runner
            state = self.courier.state(actor_id(counts.stage))
            worst = self.selection.validate(runner, state, counts)
            self._tighten(worst, plan)
        if self._has_ended(plan):
            self._end_stage()

    def _tighten(self, worst: NDArray[np.float32] | None, plan: StagePlan) -> None:
        """Move the margins of bounds that are held, in the last stage, once actors are near."""
        counts, config = self.counts, self.config
        if worst is None or config.survey is None or config.constraint_margin is not None:
            return
        if counts.stage == config.num_stages and plan.progress(counts.updates) >= TIGHTENED_FROM:
            most = MOST_TIGHTENED * np.array(config.survey.obs_spread, np.float32)
            more = TIGHTENED * np.minimum(worst, most)
            self.courier.on_learners(lambda learner: learner.tighten(more, RELAXED))

    def _plan(self) -> StagePlan:
        """The work of the stage; where what is fitted is exact already, episodes wait no longer."""
        plan = self.config.plan(self.counts.stage)
        return replace(plan, warmup=plan.episodes) if self.exact else plan

    def _has_ended(self, plan: StagePlan) -> bool:
        return self.counts.updates >= plan.updates and self.counts.episodes >= plan.episodes

    @contextmanager
    def _timed(self, timer: str, share: str | None = None) -> Iterator[None]:
        """Add the time spent to RLlib's timer and to the stage's seconds."""
        started = time.perf_counter()
        with self.metrics.log_time((TIMERS, timer)):
            yield
        seconds = time.perf_counter() - started
        self.counts.wall_s += seconds
        if share is not None:
            setattr(self.counts, share, getattr(self.counts, share) + seconds)

    def _update(self, count: int) -> None:
        """The next `count` updates of the active stage."""
        if self.config.whiten_inputs and self.counts.updates == 0 and len(self.memory):
            sample = self.memory.column("inputs").copy()
            self.courier.on_learners(lambda learner: learner.fit_inputs(sample))
        if self.config.chosen_update.fits and self._fit_is_due():
            self._fit()
        while count > 0:
            stack = min(count, MINIBATCHES_PER_CALL)
            self.update(stack)
            count -= stack

    def _fit_is_due(self) -> bool:
        """Whether rows have grown enough, or all are there."""
        rows = len(self.memory)
        complete = self.counts.episodes >= self.config.plan(self.counts.stage).episodes
        return rows >= GROWTH * self.fitted if not complete else rows > self.fitted

    def _fit(self) -> None:
        """Have the learners fit what they fit, on all rows that serve."""
        counts = self.counts
        rows = self.rows_to_fit()
        random = 0
        if counts.stage == 1 and self.config.random_warmup:
            random = self.config.plan(1).warmup - (counts.episodes - len(self.memory))
        near = np.arange(len(self.memory)) >= random
        near = np.concatenate([np.zeros(len(rows["state"]) - len(near), np.bool_), near])
        inputs = self.memory.column("inputs").copy()
        figures = self.courier.on_learners(lambda learner: learner.fit(rows, near, inputs))
        self.fitted, self.exact = len(self.memory), figures["exact"]

    def rows_to_fit(self) -> Columns:
        """All rows that fits of the next stage would use."""
        return joined(self.earlier, self._fit_columns())

    def _fit_columns(self) -> Columns:
        """What fits read of the memory's rows: the state in place of what actors see."""
        state = self.memory.column("inputs")[:, : self.spec.state_dim].copy()
        names = [name for name in self.config.columns if "inputs" not in name]
        return {"state": state, **{name: self.memory.column(name).copy() for name in names}}

    def update(self, count: int) -> None:
        """Do `count` updates of the active stage in one call of the learners."""
        counts, config = self.counts, self.config
        rng = np.random.default_rng((config.seed or 0, counts.stage, counts.updates, 1))
        rows = self.memory.batches(rng, count, config.minibatch_size)
        batch = MultiAgentBatch({ROWS: SampleBatch(rows)}, env_steps=len(rows["action"]))
        try:
            results = self.learner_group.update(batch=batch)
        except RayError:  # of those that waited for one that has died
            self.check_learners()
            raise
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        counts.updates += count

    def collect(self, episodes: int, sigma: float) -> list[Rollout]:
        """Collect trajectories of the active stage, without taking them into memory.

        Args:
            episodes: how many.
            sigma: scale of the noise.
        """
        return self.crew.collect(self.counts, episodes, sigma=sigma)

    def check_learners(self) -> None:
        """See that all learner processes are alive.

        Raises:
            RayActorError: one has died.
        """
        self.courier.on_learners(lambda learner: None)

    # --- from stage to stage --------------------------------------------------------------

    def _end_stage(self) -> None:
        """Freeze actors of this stage and begin the next, if there is one."""
        counts = self.counts
        stage = counts.stage
        frozen = self.selection.end_stage(self.courier.state(actor_id(stage)), counts)
        self.ended.append(counts)
        if stage == self.config.num_stages:
            self.courier.on_learners(lambda learner: learner.freeze(stage, frozen))
            self.courier.sync([actor_id(stage)])
            self.finished = True
            return
        self.courier.on_learners(lambda learner: learner.begin_stage(stage + 1, frozen))
        self.courier.sync([actor_id(stage), actor_id(stage + 1)])
        self._begin(stage + 1)

    def _begin(self, stage: int) -> None:
        self.counts = StageCounts(stage)
        if self.config.chosen_update.fits and len(self.memory):
            self.earlier = self.rows_to_fit()
        self.memory = self.config.make_memory(self.spec, stage)
        self.fitted = 0

    def build_on(self, earlier: StagedAlgorithm) -> None:
        """Take over the ended stages of another training, frozen, and begin the one behind them.

        What follows is what a training of all these stages in one go would do, to the last bit if
        seed and settings are the same.

        Args:
            earlier: with as many ended stages as this one has before its last, or fewer; of more,
                the first are taken.

        Raises:
            ValueError: no stage of it has ended, or its networks have other shapes.
        """
        stages = min(len(earlier.ended), self.config.num_stages - 1)
        if stages < 1:
            raise ValueError("no stage to build on: none has ended, or num_stages is 1")
        actors = [actor_id(stage) for stage in range(1, stages + 1)]
        central = set(self.config.module_ids) - {actor_id(stage) for stage in self._stages}
        if not self.config.carry_critic:
            central &= {CONSTRAINT}  # which no stage begins afresh
        shared = sorted(central & set(earlier.config.module_ids))
        states = {name: earlier.courier.state(name) for name in (*actors, *shared)}
        for name, state in states.items():
            if shapes(self.courier.state(name)) != shapes(state):
                raise ValueError(f"the networks of {name} have other shapes in the earlier run")
        frozen = part(states[actors[-1]], "actor")

        def take(learner: Any) -> None:
            for name, state in states.items():
                learner.module[name].set_state(state)
            learner.begin_stage(stages + 1, frozen)

        self.courier.on_learners(take)
        self.courier.sync([actor_id(stage) for stage in range(1, stages + 2)])
        self.ended = list(earlier.ended[:stages])
        self.selection.trained = list(earlier.selection.trained[:stages])
        if self.config.chosen_update.fits and earlier.config.chosen_update.fits:
            self.earlier, self.exact = earlier.rows_to_fit(), earlier.exact
        self._begin(stages + 1)

    def step(self) -> ResultDict:
        """One iteration; RLlib's results, and where the stages stand."""
        results = super().step()
        results[STAGES] = {**self.counts.to_dict(), "num_stages": self.num_stages}
        results[DONE] = self.finished
        return results

    @property
    def num_stages(self) -> int:
        """Number of stages K."""
        return int(self.config.num_stages)

    # --- what comes out ------------------------------------------------------------------

    def actor_weights(self, stage: int, which: Which = "frozen") -> Weights:
        """Weights of a stage's actors, by parameter name.

        Args:
            stage: counted from 1.
            which: "frozen": what an ended stage keeps, and what the active one would keep now;
                "last": what training has come to, whatever was frozen.
        """
        if which == "last" and stage <= len(self.selection.trained):
            return self.selection.trained[stage - 1][self.config.candidates[0]]
        state = self.courier.state(actor_id(stage))
        if which == "frozen" and stage == self.counts.stage and not self.finished:
            chosen = self.selection.chosen(state)
            if chosen is not None:
                return chosen
        return part(state, "actor")

    def controllers(self, stages: int | None = None, which: Which = "frozen") -> dict[Any, Any]:
        """What each agent runs, as `load_controllers` would give it.

        Args:
            stages: how many stages; all that have begun if None.
            which: see `actor_weights`; of the last of these stages, those before are frozen.
        """
        runner = self.env_runner_group.local_env_runner
        count = stages or self.counts.stage
        actors = [
            runner.module[actor_id(stage)]
            .unwrapped()
            .actor.with_weights(self.actor_weights(stage, which if stage == count else "frozen"))
            for stage in range(1, count + 1)
        ]
        return controllers_of(self.config, self.spec, runner.signature, actors)

    def export_controllers(
        self, folder: str | Path, stages: int | None = None, which: Which = "frozen"
    ) -> None:
        """Write what each agent runs, one pair of files per agent.

        Args:
            folder: where to; made if missing.
            stages: how many stages; all that have begun if None.
            which: see `controllers`.
        """
        save_controllers(folder, self.controllers(stages, which))

    # --- checkpoints ---------------------------------------------------------------------

    def get_state(self, *args: Any, **kwargs: Any) -> StateDict:
        """RLlib's state, and stages, counters, selection and memory."""
        state = super().get_state(*args, **kwargs)
        state[STAGES] = {
            "counts": self.counts.to_dict(),
            "ended": [counts.to_dict() for counts in self.ended],
            "finished": self.finished,
            "selection": self.selection.get_state(),
            "memory": self.memory.get_state(),
            "earlier": self.earlier,
            "fitted": self.fitted,
            "exact": self.exact,
        }
        return state

    def set_state(self, state: StateDict) -> None:
        """The inverse of `get_state`."""
        super().set_state(state)
        if STAGES in state:
            own = state[STAGES]
            self.ended = [StageCounts(**counts) for counts in own["ended"]]
            self._begin(own["counts"]["stage"])
            self.counts = StageCounts(**own["counts"])
            self.finished = own["finished"]
            self.selection.set_state(own["selection"])
            self.memory.set_state(own["memory"])
            self.earlier, self.fitted, self.exact = (
                own[name] for name in ("earlier", "fitted", "exact")
            )

    @classmethod
    def from_checkpoint(cls, path: Any, *args: Any, **kwargs: Any) -> Self:
        """As RLlib's, from a relative path as well.

        Raises:
            ValueError: It was written by another version, whose classes stood elsewhere.
        """
        path = absolute(path, *args, **kwargs)
        check_version(path)
        made: Self = super().from_checkpoint(path, *args, **kwargs)
        return made

    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """As RLlib's, from a relative path as well; raises as `from_checkpoint`."""
        path = absolute(path, *args, **kwargs)
        check_version(path)
        super().restore_from_path(path, *args, **kwargs)

    def save_to_path(self, path: Any = None, *args: Any, **kwargs: Any) -> str:
        """As RLlib's, to a relative path as well."""
        wanted = None if path is None else absolute(path, *args, **kwargs)
        saved: str = super().save_to_path(wanted, *args, **kwargs)
        return saved


def joined(first: Columns | None, more: Columns) -> Columns:
    """Rows behind others."""
    if first is None:
        return more
    return {name: np.concatenate([first[name], more[name]]) for name in more}


def absolute(path: Any, *args: Any, filesystem: Any = None, **kwargs: Any) -> Any:
    """A path on this machine made absolute, as Ray wants it; one on another file system as it is.

    Args:
        path: As RLlib takes it.
        *args: What RLlib takes behind it, the file system first.
        filesystem: The same by name.
        **kwargs: Of no account.
    """
    local = filesystem is None and not any(arg is not None for arg in args[:1])
    if local and isinstance(path, (str, Path)) and "://" not in str(path):
        return str(Path(path).resolve())
    return path


def check_version(path: Any) -> None:
    """Refuse a checkpoint whose classes stood elsewhere; one on another file system is not seen.

    Args:
        path: Of the checkpoint.

    Raises:
        ValueError: It was written by another version.
    """
    file = Path(str(path)) / "class_and_ctor_args.pkl"  # RLlib's own name
    if not file.is_file():
        return
    try:
        pickle.loads(file.read_bytes())
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(
            f"{path} was written by another version ({error}): train anew; controllers that were "
            "exported still load"
        ) from error
