"""One trial of a sweep: a whole training of K stages in one process of Tune's."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ray.tune import PlacementGroupFactory, Trainable
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from policies.staged.config import StagedConfig
from policies.staged.sizes import sized
from tuning.cluster.local_ray import quiet_rllib
from tuning.commands.sweep import SweepArgs, training
from tuning.records.checkpoints import CheckpointRule, parse_interval
from tuning.subjects.kinds import subject_of
from tuning.training.configuration import make_config
from tuning.training.loop import iterate, validate_with
from tuning.training.metrics import TrainingMetrics

SHARE = "share"  # of the training's updates that is done, in per cent
TRAINED = 100.0


class SweepTrial(Trainable):  # type: ignore[misc]
    """A training as `train` does it, an iteration at a time; it never sees the test states.

    With PBT a trial is built anew with perturbed rates and the checkpoint of another trial: rates
    and noise are read from the configuration before every update and every request, and a
    checkpoint holds none of them.

    Attributes:
        sweep: Of all trials.
        memory_bytes: That Ray sets aside for a trial, see `make_trainable`.
    """

    sweep: ClassVar[SweepArgs]
    memory_bytes: ClassVar[int] = 0

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory:
        """One core, and a trial's share of memory."""
        memory = {"memory": cls.memory_bytes} if cls.memory_bytes else {}
        return PlacementGroupFactory([{"CPU": 1, **memory}])

    def setup(self, config: dict[str, Any]) -> None:
        """Build the algorithm that the configuration asks for."""
        quiet_rllib()
        recipe = training(self.sweep, config)
        subject = subject_of(recipe.make_case())
        self.algo = make_config(recipe, subject).build_algo()
        self.validate = validate_with(subject, self.algo)
        self.metrics = TrainingMetrics(
            subject.metrics,
            run=str(self.sweep.out),
            case=subject.case.name,
            algorithm=recipe.named().title,
            seed=recipe.seed,
            trial=self.trial_id,
        )
        self.rule = CheckpointRule(parse_interval(self.sweep.checkpoint_every))
        self.episodes = 0

    def step(self) -> dict[str, Any]:
        """One iteration of the training; its line of ``progress.csv``."""
        row = iterate(self.algo, self.validate)
        columns = row.columns()
        self.metrics.update(columns)
        self.episodes = row.episodes_total
        due = self.rule.due(self.episodes)
        updates = _planned(self.algo.config)
        done = sum(updates[: row.stage - 1]) + row.updates
        figures = {"updates_total": done, SHARE: TRAINED * done / max(1, sum(updates))}
        return {**columns, **figures, DONE: self.algo.finished, SHOULD_CHECKPOINT: due}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write all that the training is."""
        self.algo.save_to_path(checkpoint_dir)
        self.rule.saved(self.episodes)

    def load_checkpoint(self, checkpoint: str) -> None:
        """Go on with what was written, under this trial's own rates and noise."""
        self.algo.restore_from_path(checkpoint)
        stages = [*self.algo.ended, *([] if self.algo.finished else [self.algo.counts])]
        self.episodes = sum(counts.episodes for counts in stages)
        self.rule.saved(self.episodes)

    def cleanup(self) -> None:
        """End the algorithm."""
        self.algo.stop()


def make_trainable(sweep: SweepArgs, memory_bytes: int) -> type[SweepTrial]:
    """Return the class that Tune makes trials of.

    Args:
        sweep: What the trials belong to.
        memory_bytes: That Ray sets aside for a trial, so that there are never more than
            ``sweep.workers`` at a time: Tune's own limit counts trials that PBT has paused.
    """
    attributes = {"sweep": sweep, "memory_bytes": memory_bytes, "__module__": __name__}
    return type(SweepTrial.__name__, (SweepTrial,), attributes)


def iterations(config: StagedConfig) -> int:
    """Return how many iterations a training has."""
    counts = _planned(config)
    return sum(max(1, math.ceil(count / config.updates_per_iteration)) for count in counts)


def _planned(config: StagedConfig) -> list[int]:
    """Updates of each stage."""
    config = sized(config)
    return [config.plan(stage).updates for stage in range(1, config.num_stages + 1)]
