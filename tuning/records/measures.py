"""By which figures of its reports and its progress a training is compared with others.

Trainings on states go by their PER, trainings on days by the gap to perfect foresight that they
close and by their validation return.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """How trainings on one kind of case are compared.

    Attributes:
        kind: "states" or "days".
        figure: Its name in the entries of ``report.json``; a fraction.
        title: Of that figure, a share of 1, in tables and pictures.
        validated: What is validated in training, by its name in ``progress.csv`` and in learning
            curves.
        what: That is, in words.
        unit: Of that as it is shown.
        factor: From the number to that unit.
        more_is_better: Whether greater validated values are better ones.
        violated: Name of the rate of violations in ``report.json``.
    """

    kind: str
    figure: str
    title: str
    validated: str
    what: str
    unit: str
    factor: float
    more_is_better: bool
    violated: str

    def text(self, value: float | None, digits: int | None = None) -> str:
        """Return a validated value as progress shows it.

        Args:
            value: Validated.
            digits: Decimals; as many as are of use if None.
        """
        if value is None or not math.isfinite(value):
            return "unknown"
        if self.unit == "%":
            return f"{value:.{2 if digits is None else digits}%}"
        return f"{value:,.{1 if digits is None else digits}f} {self.unit}"

    def order(self, value: float | None) -> float:
        """Return what validated values are sorted by: the best first, what is no number last."""
        if value is None or not math.isfinite(value):
            return math.inf
        return -value if self.more_is_better else value


PER = Measure(
    kind="states",
    figure="per_mean",
    title="PER",
    validated="validation_per",
    what="PER",
    unit="%",
    factor=100.0,
    more_is_better=False,
    violated="voltage_violation_rate",
)
GAP_CLOSED = Measure(
    kind="days",
    figure="gap_closed",
    title="gap closed",
    validated="validation_return",
    what="return",
    unit="EUR a day",
    factor=1.0,
    more_is_better=True,
    violated="step_violation_rate",
)


def measure_of(report: Mapping[str, Any]) -> Measure:
    """Return what the training goes by that a content of ``report.json`` is of."""
    return GAP_CLOSED if GAP_CLOSED.figure in report["stages"][-1] else PER


def measure_of_progress(row: Mapping[str, Any]) -> Measure:
    """Return what the training goes by that a row of ``progress.csv`` is of."""
    return PER if PER.validated in row else GAP_CLOSED
