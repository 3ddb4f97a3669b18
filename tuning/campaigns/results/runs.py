"""The finished runs below the folder of a campaign, as their files have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning.records.cells import find_cells
from tuning.records.measures import Measure, measure_of


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        case: Name of the case.
        algorithm: As ``--algorithm`` names it; in an ablation, the change.
        seed: Of the training.
        report: Content of ``report.json``.
        config: Content of ``config.json``.
    """

    case: str
    algorithm: str
    seed: int
    report: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def measure(self) -> Measure:
        """What it is compared by."""
        return measure_of(self.report)


def finished_runs(out: Path) -> list[Run]:
    """Read the finished runs below a folder, by case, algorithm and seed."""
    return [
        Run(cell.case, cell.algorithm, cell.seed, cell.run.report(), cell.run.config())
        for cell in find_cells(out)
        if cell.finished
    ]
