"""PER histograms of several algorithms over one another, as the paper's Figure 3a."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuning.campaigns.pictures.marks import colour_of, finish
from tuning.campaigns.results.comparison import Row
from tuning.campaigns.results.states import Histogram
from tuning.drawing.pictures import GREY, in_per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BINS = 120
_SHOWN_SHARE = 1e-3  # bins with fewer of the states are left out
_ZOOM = 0.05  # PER, of the inset


def draw_histograms(name: str, rows: Mapping[str, Row], axes: Axes) -> None:
    """Draw the PER of the test states by algorithm.

    Args:
        name: Of the case.
        rows: By algorithm; those with a histogram are drawn.
        axes: To draw on.
    """
    drawn = {a: (row, row.histogram) for a, row in rows.items() if row.histogram is not None}
    histograms = [histogram for _, histogram in drawn.values()]
    edges, step = histograms[0].edges, _bin_step(histograms)
    starts = range(0, len(edges) - 1, step)
    wide_edges = [*(edges[i] for i in starts), edges[-1]]
    filled = []
    for algorithm, (row, histogram) in drawn.items():
        joined = [_share(histogram, i, step) for i in starts]
        filled += [i for i, height in enumerate(joined) if height > _SHOWN_SHARE]
        colour = colour_of(algorithm)
        number = f", round {row.round}" if row.round is not None else ""
        label = f"{row.title}{number}, mean {_per(row.compared.iqm)}"
        axes.stairs(joined, wide_edges, fill=True, color=colour, alpha=0.1)
        axes.stairs(joined, wide_edges, color=colour, linewidth=1.6, label=label)
    axes.set_yscale("log")
    axes.set_ylim(_SHOWN_SHARE, 1.5)
    if filled:
        axes.set_xlim(min(wide_edges[min(filled)], 0.0), max(wide_edges[max(filled) + 1], 0.05))
    in_per_cent(axes.xaxis)
    in_per_cent(axes.yaxis)
    if any(map(_nearly_all_left, histograms)):
        _zoom({algorithm: histogram for algorithm, (_, histogram) in drawn.items()}, axes)
    width = 100 * (wide_edges[1] - wide_edges[0])
    axes.set_xlabel("PER: reward error against the optimal dispatch [%]")
    axes.set_ylabel(f"share of test states per {width:g} % of PER [%]")
    finish(axes, f"{name}: PER of the test states, all seeds together")


def _share(histogram: Histogram, start: int, step: int) -> float:
    return sum(histogram.counts[start : start + step]) / max(1, histogram.states)


def _shares(histogram: Histogram) -> list[float]:
    return [count / max(1, histogram.states) for count in histogram.counts]


def _nearly_all_left(histogram: Histogram) -> bool:
    left = sum(
        count
        for count, edge in zip(histogram.counts, histogram.edges[1:], strict=True)
        if edge <= _ZOOM
    )
    return left > sum(histogram.counts) / 2


def _zoom(histograms: Mapping[str, Histogram], axes: Axes) -> None:
    """Show the left end of the histograms again, in their finest bins and without logarithm."""
    inset = axes.inset_axes((0.32, 0.54, 0.32, 0.42))
    for algorithm, histogram in histograms.items():
        colour = colour_of(algorithm)
        inset.stairs(_shares(histogram), histogram.edges, color=colour, linewidth=1.4)
    inset.set_xlim(0.0, _ZOOM)
    inset.tick_params(labelsize=8)
    in_per_cent(inset.xaxis)
    in_per_cent(inset.yaxis)
    edges = next(iter(histograms.values())).edges
    place: dict[str, Any] = {"transform": inset.transAxes, "ha": "right", "va": "top"}
    text = f"the same up to {100 * _ZOOM:g} %, per {100 * (edges[1] - edges[0]):g} %"
    inset.text(0.97, 0.94, text, fontsize=8, color=GREY, **place)


def _bin_step(histograms: Sequence[Histogram]) -> int:
    """Return how many bins to join, so that those with a share worth showing are not too many."""
    highest = map(max, zip(*map(_shares, histograms), strict=True))
    used = [i for i, share in enumerate(highest) if share > _SHOWN_SHARE] or [0]
    return next((step for step in (1, 2, 5) if used[-1] - used[0] < step * _MOST_BINS), 10)


def _per(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.3g} %"
