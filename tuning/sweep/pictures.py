"""Pictures of a sweep: what was validated over the episodes, and against each searched value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuning.drawing.pictures import GREY, in_per_cent
from tuning.options.search_space import Range, Space
from tuning.records.measures import PER, Measure
from tuning.sweep.results import TrialResult, best_of, has_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

AXES_PER_ROW = 3
_FAR_APART = 5.0
_BEST, _FINISHED = "#d55e00", "#0072b2"


def drawn_curve(trial: TrialResult) -> tuple[list[int], list[float]]:
    """Return episodes and what was validated, of what can be drawn: a PER axis is logarithmic."""
    points = zip(*trial.curve(), strict=True)
    shown = [(at, value) for at, value in points if value > 0 or trial.measure is not PER]
    return [at for at, _ in shown], [value for _, value in shown]


def draw_curves(trials: Sequence[TrialResult], axes: Axes) -> None:
    """Draw what was validated over episodes, all trials, the best one on top.

    Args:
        trials: At least one.
        axes: To draw on.
    """
    best, measure = best_of(trials), trials[0].measure
    for trial in reversed(trials):
        top = trial is best
        label = f"best: trial {trial.number}, {measure.text(trial.validated)}" if top else None
        axes.plot(
            *drawn_curve(trial),
            color=_colour(trial, best),
            alpha=1.0 if top else 0.45,
            linewidth=1.8 if top else 0.9,
            zorder=3 if top else 2,
            label=label,
        )
    _value_axis(axes.yaxis, measure, [value for trial in trials for value in drawn_curve(trial)[1]])
    axes.set_xlabel("episodes" if measure is PER else "days")
    axes.set_ylabel(f"mean {measure.what} on the validation {measure.kind} [{measure.unit}]")
    axes.set_title("all trials; grey ones were not trained to the end", loc="left", fontsize=10)
    if best is not None:
        axes.legend(frameon=False)


def draw_axes(space: Space, trials: Sequence[TrialResult], axes: Axes) -> None:
    """Draw a pair of axes for each searched value, against what was validated last.

    Args:
        space: What was searched.
        trials: At least one.
        axes: Whose figure is drawn on.
    """
    figure = axes.figure
    axes.remove()
    columns = min(AXES_PER_ROW, len(space.searched))
    rows = math.ceil(len(space.searched) / columns)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    best, measure = best_of(trials), trials[0].measure
    shown = [
        (trial, trial.validated)
        for trial in trials
        if trial.validated is not None
        and has_number(trial)
        and (trial.validated > 0 or measure is not PER)
    ]
    for dimension, panel in zip(space.searched, panels, strict=False):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#e3e5e8", linewidth=0.8)
        panel.set_axisbelow(True)
        _value_axis(panel.yaxis, measure, [value for _, value in shown])
        panel.set_xlabel(dimension.key)
        tried = [trial.values[dimension.key] for trial, _ in shown]
        if isinstance(dimension, Range):
            _range_axis(panel.xaxis, dimension)
        else:
            panel.set_xticks(range(len(dimension.values)), dimension.values)
            panel.set_xlim(-0.5, len(dimension.values) - 0.5)
            tried = [dimension.values.index(str(value)) for value in tried]
        for (trial, value), at in zip(shown, tried, strict=True):
            panel.plot(
                [at],
                [value],
                "*" if trial is best else "o",
                color=_colour(trial, best),
                alpha=1.0 if trial is best else 0.5,
                markersize=11 if trial is best else 5,
                zorder=3 if trial is best else 2,
                clip_on=False,
            )
    for panel in panels:  # what zip has left
        panel.set_visible(False)
    figure.supylabel(f"validation {measure.what} [{measure.unit}]", fontsize=10)


def _colour(trial: TrialResult, best: TrialResult | None) -> str:
    if trial is best:
        return _BEST
    return _FINISHED if trial.state == "finished" else GREY


def _value_axis(axis: Axis, measure: Measure, values: Sequence[float]) -> None:
    """PER in per cent, on a log scale where the values are far apart; a return as it is."""
    if measure is not PER:
        return
    if max(values) > _FAR_APART * min(values):
        axis.axes.set_yscale("log")
    in_per_cent(axis)


def _range_axis(axis: Axis, dimension: Range) -> None:
    """Bounds of a range, and labels at 1, 2 and 5 of each decade where it is logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    panel = axis.axes
    panel.set_xlim(dimension.low, dimension.high)
    if dimension.log:
        panel.set_xscale("log")
        panel.set_xlim(dimension.low, dimension.high)
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(
            FuncFormatter(
                lambda value, _: (
                    f"{value:.0e}".replace("e-0", "e-") if value < 0.01 else f"{value:g}"
                )
            )
        )
