"""What the pictures of a comparison are drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from policies.algorithms.registry import ALGORITHMS, Algorithm, staged
from tuning.campaigns.results.seeds import Summary
from tuning.drawing.pictures import GREY, in_per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One algorithm in 1, 2, .. stages.
STEPS = tuple(name for name, a in ALGORITHMS.items() if a.title == staged(a.stages).title)


def colour_of(algorithm: str) -> str:
    """Return the colour of an algorithm, or that of all which the registry does not know."""
    return ALGORITHMS[algorithm].colour if algorithm in ALGORITHMS else Algorithm.colour


def with_interval(
    axes: Axes, x: Sequence[float], summaries: Sequence[Summary], *, color: str, label: str
) -> None:
    """Join interquartile means by a line, with bars for the intervals."""
    known = [(at, s.iqm, s) for at, s in zip(x, summaries, strict=True) if s.iqm is not None]
    if not known:
        return
    places, heights = [at for at, _, _ in known], [height for _, height, _ in known]
    axes.plot(places, heights, color=color, marker="o", markersize=5, linewidth=1.8, label=label)
    for at, _, s in known:
        if s.low is not None and s.high is not None:
            axes.plot([at, at], [s.low, s.high], color=color, marker="_", linewidth=1.2)


def level(
    axes: Axes, height: float | None, name: str, *, left: bool = False, below: bool = False
) -> None:
    """Draw a dotted line over the whole width, its name at one end."""
    if height is None:
        return
    axes.axhline(height, color=GREY, linewidth=0.9, linestyle=":")
    axes.text(
        0.0 if left else 1.0,
        height,
        f" {name} ",
        transform=axes.get_yaxis_transform(),
        ha="left" if left else "right",
        va="top" if below else "bottom",
        fontsize=8,
        color=GREY,
    )


def per_axis(axes: Axes) -> None:
    """Show PER in per cent, on a log scale where all that is drawn is positive."""
    heights = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()]
    if all(((values > 0) | np.isnan(values)).all() for values in heights):
        axes.set_yscale("log")
    in_per_cent(axes.yaxis)
    axes.set_ylabel("mean PER on the test states [%]")


def finish(axes: Axes, title: str) -> None:
    """Write title and legend."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
