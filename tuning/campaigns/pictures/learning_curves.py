"""Learning curves of several algorithms: what is validated, over the episodes."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tuning.campaigns.pictures.marks import colour_of, finish, level
from tuning.campaigns.results.comparison import ComparedCase, Row
from tuning.campaigns.results.states import StateYardsticks, limit_name
from tuning.drawing.pictures import in_per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CROWDED = 1.6  # levels within this factor leave no room for a name between them


def draw_learning_curves(name: str, case: ComparedCase, axes: Axes) -> None:
    """Draw a curve for each algorithm; band over seeds, broken where a stage begins.

    Args:
        name: Of the case.
        case: What is drawn.
        axes: To draw on.
    """
    from matplotlib.ticker import StrMethodFormatter

    for algorithm, row in case.rows.items():
        _draw_curve(row, colour_of(algorithm), axes)
    if isinstance(case.yardsticks, StateYardsticks):
        _per_axis(case, case.yardsticks, axes)
        axes.set_xlabel("training episodes, all stages")
    else:
        axes.set_xlabel("training days, all stages")
        axes.set_ylabel("mean return on the validation days [EUR a day]")
    most = max((p.episodes for row in case.rows.values() for p in row.curve), default=0)
    axes.set_xlim(0, most * 1.02 if most else 1)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    finish(axes, f"{name}: interquartile mean over seeds, band from least to greatest")


def _draw_curve(row: Row, colour: str, axes: Axes) -> None:
    last: tuple[int, float] | None = None
    for stage, grouped in groupby(row.curve, key=lambda point: point.stage):
        points = list(grouped)
        episodes = [point.episodes for point in points]
        middle = [point.middle for point in points]
        low, high = [point.low for point in points], [point.high for point in points]
        axes.fill_between(episodes, low, high, color=colour, alpha=0.18, linewidth=0)
        label = row.title if stage == 1 else None
        axes.plot(episodes, middle, color=colour, linewidth=1.8, label=label)
        if last is not None:  # from the end of one stage to what the next begins with
            ends = zip(last, (episodes[0], middle[0]), strict=True)
            axes.plot(*ends, color=colour, linewidth=0.8, alpha=0.5)
        last = episodes[-1], middle[-1]


def _per_axis(case: ComparedCase, yardsticks: StateYardsticks, axes: Axes) -> None:
    """PER in per cent, with the limits as levels."""
    positive = all(point.low > 0 for row in case.rows.values() for point in row.curve)
    above = float("inf")
    for stages, per in sorted(yardsticks.information_limit.items(), key=lambda limit: -limit[1]):
        one = stages == 1  # curves fall through the left end of its line
        below = one or above < _CROWDED * per  # where the name of the line above would be
        level(axes, per, f"information limit, {limit_name(stages)}", left=not one, below=below)
        above = per
        positive = positive and per > 0
    if not yardsticks.information_limit:
        level(axes, yardsticks.team_rule.per_mean, "team-optimal rule, 1 stage", below=True)
    if positive:
        axes.set_yscale("log")
    in_per_cent(axes.yaxis)
    axes.set_ylabel("mean PER on the validation states [%]")
