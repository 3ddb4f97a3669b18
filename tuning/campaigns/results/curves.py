"""Learning curves: what a validated value does over the episodes, of one seed and of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning.campaigns.results.seeds import interquartile_mean

TOLERANCE = 0.05  # relative, of the final best validation PER


@dataclass(frozen=True)
class Point:
    """A point of a learning curve.

    Attributes:
        stage: In training, counted from 1.
        episodes: So far, all stages together.
        value: Validated: a PER (a fraction), or a return in EUR a day.
    """

    stage: int
    episodes: int
    value: float


@dataclass(frozen=True)
class BandPoint:
    """A point of the curves of several seeds.

    Attributes:
        stage: In training, counted from 1.
        episodes: So far, all stages together.
        middle: Interquartile mean over the seeds.
        low: Least of them.
        high: Greatest of them.
    """

    stage: int
    episodes: int
    middle: float
    low: float
    high: float


def curve_of(report: Mapping[str, Any], validated: str) -> list[Point]:
    """Return the learning curve of a report, points without a number left out.

    Args:
        report: Content of ``report.json``.
        validated: Name of the value, see `Measure`.
    """
    return [
        Point(int(point["stage"]), int(point["episodes"]), float(point[validated]))
        for point in report.get("learning_curve") or ()
        if point[validated] is not None
    ]


def episodes_to_optimised(curve: Sequence[Point]) -> int | None:
    """Return the first episode count within `TOLERANCE` of the best PER; None without a curve."""
    if not curve:
        return None
    best = min(point.value for point in curve)
    bound = best + TOLERANCE * abs(best)
    return next(point.episodes for point in curve if point.value <= bound)


def episodes_to_pass(curve: Sequence[Point], level: float) -> int | None:
    """Return the first episode count with a PER below ``level``; None if there is none."""
    return next((point.episodes for point in curve if point.value < level), None)


def band_of(curves: Sequence[Sequence[Point]]) -> tuple[BandPoint, ...]:
    """Join the learning curves of several seeds, stage by stage.

    A seed counts with its last value at or before each episode count, so what updates alone win
    after the last episode of a stage shows at that episode.
    """
    return tuple(_joined(curves))


def _joined(curves: Sequence[Sequence[Point]]) -> Iterator[BandPoint]:
    for stage in sorted({point.stage for curve in curves for point in curve}):
        held = [{p.episodes: p.value for p in curve if p.stage == stage} for curve in curves]
        held = [values for values in held if values]
        for episodes in sorted({e for values in held for e in values}):
            here = [
                values[max((e for e in values if e <= episodes), default=min(values))]
                for values in held
            ]
            middle = float(interquartile_mean(here))
            yield BandPoint(stage, episodes, middle, min(here), max(here))


def band_to_json(band: Sequence[BandPoint], name: str) -> dict[str, list[Any]]:
    """Return a band as columns of equal length; the middle is called ``name``."""
    return {
        "stage": [point.stage for point in band],
        "episodes": [point.episodes for point in band],
        name: [point.middle for point in band],
        "low": [point.low for point in band],
        "high": [point.high for point in band],
    }
