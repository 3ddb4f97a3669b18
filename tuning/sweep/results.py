"""What the trials of a sweep come to: the content of ``trials.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.commands.sweep import SweepArgs, training
from tuning.errors import CommandError
from tuning.options.search_space import Value
from tuning.records.files import read_json, write_json
from tuning.records.measures import Measure

if TYPE_CHECKING:
    from tuning.sweep.watch import Watch

TRIALS_JSON = "trials.json"
_ORDER = ("finished", "unfinished", "stopped", "failed")


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        number: Counted from 1.
        state: "finished", "unfinished", "stopped" or "failed".
        folder: Of Tune, below that of the sweep.
        error: Why it has failed, one line; None if it has not.
        values: What it tried, by the keys of the search space.
        arguments: Of its recipe, as `train` takes them from a file.
        rows: What it has reported, one row per iteration.
        measure: What it is compared by.
    """

    number: int
    state: str
    folder: str
    error: str | None
    values: Mapping[str, Value]
    arguments: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    measure: Measure

    @property
    def last(self) -> Mapping[str, Any] | None:
        """Its last row; None if it has reported nothing."""
        return self.rows[-1] if self.rows else None

    @property
    def case(self) -> str:
        """Name of its case."""
        return str(self.arguments["case"])

    @property
    def validated(self) -> float | None:
        """What was validated last; None where it is no number."""
        return self.last[self.measure.validated] if self.last else None

    @property
    def order(self) -> float:
        """What trials are sorted by: the best first, without a number last."""
        return self.measure.order(self.validated)

    def curve(self) -> tuple[list[int], list[float]]:
        """Return episodes and what was validated, of all rows that have a number."""
        name = self.measure.validated
        rows = [row for row in self.rows if row[name] is not None]
        return [row["episodes_total"] for row in rows], [row[name] for row in rows]

    def to_json(self) -> dict[str, Any]:
        """Return its entry of ``trials.json``."""
        return {
            "trial": self.number,
            "state": self.state,
            "folder": self.folder,
            "error": self.error,
            "values": self.values,
            "last": self.last,
            "arguments": self.arguments,
            "rows": self.rows,
        }


def write_results(args: SweepArgs, watch: Watch) -> None:
    """Write ``trials.json``.

    Args:
        args: Of the sweep.
        watch: What was kept of its trials.
    """
    trials = [
        TrialResult(
            number=number,
            state=(state := watch.ended.get(trial.trial_id, "unfinished")),
            folder=str(Path(trial.path).relative_to(watch.folder.resolve())),
            error=_reason(trial) if state == "failed" else None,
            values=dict(trial.config),
            arguments=training(args, trial.config).to_json(),
            rows=watch.rows.get(trial.trial_id, []),
            measure=args.measure,
        ).to_json()
        for number, trial in enumerate(watch.trials, start=1)
    ]
    left = args.wanted - len(watch.ended)
    write_json(watch.folder / TRIALS_JSON, {"left": left, "trials": trials})


def read_results(folder: Path, measure: Measure) -> list[TrialResult]:
    """Read ``trials.json``: finished trials first, the best of each case on top.

    Raises:
        CommandError: The sweep has no results yet, or they cannot be read.
    """
    if not (folder / TRIALS_JSON).is_file():
        raise CommandError(f"{folder} holds no results yet: go on with sweep --resume {folder}")
    trials = [
        TrialResult(
            number=entry["trial"],
            measure=measure,
            **{k: v for k, v in entry.items() if k not in ("trial", "last")},
        )
        for entry in read_json(folder / TRIALS_JSON)["trials"]
    ]
    return sorted(trials, key=lambda t: (_ORDER.index(t.state), t.case, t.order, t.number))


def is_complete(folder: Path) -> bool:
    """Whether every trial has come to its end, and none by failing."""
    if not (folder / TRIALS_JSON).is_file():
        return False
    content = read_json(folder / TRIALS_JSON)
    states = [trial["state"] for trial in content["trials"]]
    return content["left"] == 0 and "failed" not in states


def best_of(trials: Sequence[TrialResult]) -> TrialResult | None:
    """Return the best of the finished trials; None if there is none."""
    finished = [trial for trial in trials if trial.state == "finished"]
    return min(finished, key=lambda trial: trial.order, default=None)


def has_number(trial: TrialResult) -> bool:
    """Whether what was validated last is a number."""
    return trial.order < math.inf


def _reason(trial: Any) -> str:
    """The last line of what a trial failed with."""
    lines = str(trial.get_error() or "unknown").strip().splitlines()
    return lines[-1].strip()
