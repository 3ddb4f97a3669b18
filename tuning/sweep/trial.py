"""One trial of a sweep: a whole training of K stages in one process of Tune's."""

from __future__ import annotations

import math
import time
from typing import Any, ClassVar

from ray.tune import PlacementGroupFactory, Trainable
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from policies.staged.config import MADDPGConfig
from rllib_grid import make_case
from tuning.cluster.local_ray import quiet_rllib
from tuning.commands.sweep import SweepArgs, training
from tuning.options.presets import make_config
from tuning.records.checkpoints import parse_interval
from tuning.training.metrics import TrainingMetrics
from tuning.training.train import progress_row, validation_judge

METRIC = "validation_per"
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
        args = training(self.sweep, config)
        case = make_case(args.case, meter_error_pu=args.meter_error)
        self.algo = make_config(args).build_algo()
        self.judge = validation_judge(self.algo, case)
        self.metrics = TrainingMetrics(
            run=str(self.sweep.out),
            case=case.name,
            algorithm=args.named().title,
            seed=args.seed,
            trial=self.trial_id,
        )
        self.every = parse_interval(self.sweep.checkpoint_every)
        self.saved_at, self.saved_episodes, self.episodes = time.monotonic(), 0, 0

    def step(self) -> dict[str, Any]:
        """One iteration of the training; its line of ``progress.csv``."""
        row = progress_row(self.algo.train(), self.judge, self.algo)
        self.metrics.update(row)
        self.episodes = row["episodes_total"]
        passed = time.monotonic() - self.saved_at, self.episodes - self.saved_episodes
        due = self.every.passed(*passed)
        updates = _planned(self.algo.config)
        done = sum(updates[: row["stage"] - 1]) + row["updates"]
        figures = {"updates_total": done, SHARE: TRAINED * done / max(1, sum(updates))}
        return {**row, **figures, DONE: self.algo.finished, SHOULD_CHECKPOINT: due}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write all that the training is."""
        self.algo.save_to_path(checkpoint_dir)
        self.saved_at, self.saved_episodes = time.monotonic(), self.episodes

    def load_checkpoint(self, checkpoint: str) -> None:
        """Go on with what was written, under this trial's own rates and noise."""
        self.algo.restore_from_path(checkpoint)
        progress = self.algo.progress()
        stages = [*progress["ended"], *([] if self.algo.finished else [progress])]
        self.episodes = self.saved_episodes = sum(stage["episodes"] for stage in stages)

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


def iterations(config: MADDPGConfig) -> int:
    """Return how many iterations a training has."""
    counts = _planned(config)
    return sum(max(1, math.ceil(count / config.updates_per_iteration)) for count in counts)


def _planned(config: MADDPGConfig) -> list[int]:
    """Updates of each stage."""
    return [config.plan(stage).updates for stage in range(1, config.num_stages + 1)]
