"""Figures of a comparison, from the content of ``comparison.json`` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuning.drawing.pictures import GREY, in_per_cent, save_picture
from tuning.judging.paper import MADDPG_1, TS_MADDPG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Entry = Mapping[str, Any]
Drawing = Callable[["Axes"], None]

_COLOURS = {
    "maddpg-1": "#8a8f98",
    "maddpg-2": "#3d4148",
    "ma-rdpg": "#56b4e9",
    "full-state": "#e69f00",
    "ts-maddpg": "#0072b2",
    "ms-maddpg-3": "#d55e00",
    "ms-maddpg-4": "#009e73",
    "iterated": "#cc79a7",
}
_OTHER_COLOUR = "#7a5230"
_WIDE = (8.4, 4.8)
_MOST_BINS = 120
_SHOWN_SHARE = 1e-3  # bins with fewer of the states are left out
_FULL_STATE = "0"  # its place among the information limits
_ZOOM = 0.05  # PER, of the inset in histograms
_CROWDED = 1.6  # levels within this factor leave no room for a name between them
_MANY_CASES = 4  # more have their names in small print
_STEPS = ("maddpg-1", "ts-maddpg", "ms-maddpg-3", "ms-maddpg-4")  # one algorithm in 1, 2, .. stages


def draw_comparison(content: Entry, out: Path) -> list[Path]:
    """Draw all figures of a comparison.

    Args:
        content: Of ``comparison.json``.
        out: Folder to write to.

    Returns:
        The files: per case histograms, learning curves, PER against stages (and against rounds
        where an actor was iterated); with several cases, agents against PER.
    """
    drawings: dict[str, Drawing] = {}
    for name, case in content["cases"].items():
        edges = content["histogram_edges"]
        drawings[f"{name}-histograms.png"] = partial(_histograms, name, case, edges)
        drawings[f"{name}-learning-curves.png"] = partial(_learning_curves, name, case)
        drawings[f"{name}-stages.png"] = partial(_stages, name, case)
        if any(row["round_per_mean"] for row in case["algorithms"].values()):
            drawings[f"{name}-rounds.png"] = partial(_rounds, name, case)
    if len(content["cases"]) > 1:
        drawings["agents.png"] = partial(_agents, content["cases"])
    files = []
    for file_name, drawing in drawings.items():
        save_picture(out / file_name, drawing, _WIDE)
        files.append(out / file_name)
    return files


def _histograms(name: str, case: Entry, edges: Sequence[float], axes: Axes) -> None:
    """PER histograms over one another, as the paper's Figure 3a."""
    counts = [row["histogram"]["counts"] for row in case["algorithms"].values()]
    totals = [max(1, row["histogram"]["states"]) for row in case["algorithms"].values()]
    step = _bin_step(counts, totals)
    starts = range(0, len(edges) - 1, step)
    wide_edges = [*(edges[i] for i in starts), edges[-1]]
    filled = []
    rows = case["algorithms"].items()
    for (algorithm, row), bins, total in zip(rows, counts, totals, strict=True):
        share = [sum(bins[i : i + step]) / total for i in starts]
        filled += [i for i, height in enumerate(share) if height > _SHOWN_SHARE]
        colour = _colour(algorithm)
        number = f", round {row['round']}" if row["round"] is not None else ""
        label = f"{row['name']}{number}, mean {_per(row['figures']['per_mean']['iqm'])}"
        axes.stairs(share, wide_edges, fill=True, color=colour, alpha=0.1)
        axes.stairs(share, wide_edges, color=colour, linewidth=1.6, label=label)
    axes.set_yscale("log")
    axes.set_ylim(_SHOWN_SHARE, 1.5)
    if filled:
        axes.set_xlim(min(wide_edges[min(filled)], 0.0), max(wide_edges[max(filled) + 1], 0.05))
    in_per_cent(axes.xaxis)
    in_per_cent(axes.yaxis)
    if any(_nearly_all_left(bins, edges) for bins in counts):
        _zoom(case, edges, axes)
    width = 100 * (wide_edges[1] - wide_edges[0])
    axes.set_xlabel("PER: reward error against the optimal dispatch [%]")
    axes.set_ylabel(f"share of test states per {width:g} % of PER [%]")
    _finish(axes, f"{name}: PER of the test states, all seeds together")


def limit_name(stages: str) -> str:
    """Return the name of an information limit, as ``comparison.json`` counts its stages."""
    if stages == _FULL_STATE:
        return "full state"
    return f"{stages} stage{'s' if stages != '1' else ''}"


def _nearly_all_left(bins: Sequence[int], edges: Sequence[float]) -> bool:
    return sum(n for n, edge in zip(bins, edges[1:], strict=True) if edge <= _ZOOM) > sum(bins) / 2


def _zoom(case: Entry, edges: Sequence[float], axes: Axes) -> None:
    """Show the left end of the histograms again, in their finest bins and without logarithm."""
    inset = axes.inset_axes((0.32, 0.54, 0.32, 0.42))
    for algorithm, row in case["algorithms"].items():
        total = max(1, row["histogram"]["states"])
        share = [n / total for n in row["histogram"]["counts"]]
        inset.stairs(share, edges, color=_colour(algorithm), linewidth=1.4)
    inset.set_xlim(0.0, _ZOOM)
    inset.tick_params(labelsize=8)
    in_per_cent(inset.xaxis)
    in_per_cent(inset.yaxis)
    place: dict[str, Any] = {"transform": inset.transAxes, "ha": "right", "va": "top"}
    text = f"the same up to {100 * _ZOOM:g} %, per {100 * (edges[1] - edges[0]):g} %"
    inset.text(0.97, 0.94, text, fontsize=8, color=GREY, **place)


def _bin_step(counts: Sequence[Sequence[int]], totals: Sequence[int]) -> int:
    """Return how many bins to join, so that those with a share worth showing are not too many."""
    bins_shares = [
        max(n / total for n, total in zip(bins, totals, strict=True))
        for bins in zip(*counts, strict=True)
    ]
    used = [i for i, share in enumerate(bins_shares) if share > _SHOWN_SHARE] or [0]
    return next((step for step in (1, 2, 5) if used[-1] - used[0] < step * _MOST_BINS), 10)


def _learning_curves(name: str, case: Entry, axes: Axes) -> None:
    """Validation PER over all episodes; band over seeds, broken where a stage begins."""
    from matplotlib.ticker import StrMethodFormatter

    most = 0
    positive = True
    for algorithm, row in case["algorithms"].items():
        colour, label = _colour(algorithm), row["name"]
        last: tuple[int, float] | None = None
        for stage, episodes, per, low, high in _by_stage(row["curve"]):
            axes.fill_between(episodes, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(
                episodes, per, color=colour, linewidth=1.8, label=label if stage == 1 else None
            )
            if last is not None:  # from the end of one stage to what the next begins with
                ends = zip(last, (episodes[0], per[0]), strict=True)
                axes.plot(*ends, color=colour, linewidth=0.8, alpha=0.5)
            last = (episodes[-1], per[-1])
            most = max(most, *episodes)
            positive = positive and min(low) > 0
    above = float("inf")
    for stages, per in sorted(case["information_limit"].items(), key=lambda limit: -limit[1]):
        one = stages == "1"  # curves fall through the left end of its line
        below = one or above < _CROWDED * per  # where the name of the line above would be
        _level(axes, per, f"information limit, {limit_name(stages)}", left=not one, below=below)
        above = per
        positive = positive and per > 0
    if not case["information_limit"] and case["team_rule"]["per_mean"] is not None:
        _level(axes, case["team_rule"]["per_mean"], "team-optimal rule, 1 stage", below=True)
    if positive:
        axes.set_yscale("log")
    axes.set_xlim(0, most * 1.02 if most else 1)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    in_per_cent(axes.yaxis)
    axes.set_xlabel("training episodes, all stages")
    axes.set_ylabel("mean PER on the validation states [%]")
    _finish(axes, f"{name}: interquartile mean over seeds, band from least to greatest")


def _by_stage(
    curve: Entry,
) -> Iterator[tuple[int, list[int], list[float], list[float], list[float]]]:
    columns = list(
        zip(*(curve[n] for n in ("stage", "episodes", "per", "low", "high")), strict=True)
    )
    for stage in sorted(set(curve["stage"])):
        _, episodes, per, low, high = zip(*(row for row in columns if row[0] == stage), strict=True)
        yield stage, list(episodes), list(per), list(low), list(high)


def _stages(name: str, case: Entry, axes: Axes) -> None:
    """PER against the number of stages K, with the limits and the paper's two points."""
    rows = case["algorithms"]
    staged = [row for algorithm, row in rows.items() if algorithm in _STEPS]
    _with_interval(
        axes,
        [row["stages"] for row in staged],
        [row["figures"]["per_mean"] for row in staged],
        color=_COLOURS["ts-maddpg"],
        label="MADDPG in K stages, same episodes in all",
    )
    for algorithm, row in rows.items():
        if algorithm in _STEPS and row["stages"] > 1:
            inner = row["stage_per_mean"]
            axes.plot(
                range(1, len(inner) + 1),
                [summary["iqm"] for summary in inner],
                color=_colour(algorithm),
                linewidth=1.0,
                linestyle=":",
                marker=".",
                label=f"stage by stage within {row['name']}",
            )
    limit = {int(k): per for k, per in case["information_limit"].items() if k != _FULL_STATE}
    if limit:
        axes.plot(
            list(limit),
            list(limit.values()),
            color=GREY,
            linestyle="--",
            marker="x",
            label="information limit of K stages",
        )
    paper = {1: MADDPG_1.per_mean, 2: TS_MADDPG.per_mean}
    axes.plot(
        list(paper),
        list(paper.values()),
        "*",
        color="black",
        markersize=9,
        label="paper, its own case",
    )
    if "full-state" in rows:
        _level(axes, rows["full-state"]["figures"]["per_mean"]["iqm"], "full state, 1 stage")
    shown = [row["stages"] for row in staged] + list(limit) + [2]
    axes.set_xlim(0.7, max(shown) + 0.5)
    axes.set_xticks(range(1, max(shown) + 1))
    _per_axis(axes)
    axes.set_xlabel("number of stages K")
    _finish(axes, f"{name}: PER against the number of stages")


def _rounds(name: str, case: Entry, axes: Axes) -> None:
    """PER of an iterated actor against the rounds it is run for."""
    most = 1
    for algorithm, row in case["algorithms"].items():
        table = row["round_per_mean"]
        if table:
            numbers = [entry["round"] for entry in table]
            _with_interval(axes, numbers, table, color=_colour(algorithm), label=row["name"])
            most = max(most, *numbers)
    for algorithm, row in case["algorithms"].items():
        if algorithm in _STEPS and row["stages"] > 1:
            _level(axes, row["figures"]["per_mean"]["iqm"], row["name"])
    axes.set_xlim(0.5, most + 0.9)
    axes.set_xticks(range(1, most + 1))
    _per_axis(axes)
    axes.set_xlabel("rounds: how often the last stage's actor is applied")
    _finish(axes, f"{name}: one actor applied again and again to its own refined pair")


def _agents(cases: Mapping[str, Entry], axes: Axes) -> None:
    """PER of every algorithm by case, cases in order of their number of agents."""
    names = sorted(
        cases, key=lambda name: (cases[name]["agents"], cases[name]["team_rule"]["per_mean"] or 0)
    )
    algorithms = dict.fromkeys(a for name in names for a in cases[name]["algorithms"])
    for algorithm in algorithms:
        places = [i for i, name in enumerate(names) if algorithm in cases[name]["algorithms"]]
        rows = [cases[names[i]]["algorithms"][algorithm] for i in places]
        _with_interval(
            axes,
            places,
            [row["figures"]["per_mean"] for row in rows],
            color=_colour(algorithm),
            label=rows[0]["name"],
        )
    rules = [cases[name]["team_rule"]["per_mean"] for name in names]
    axes.plot(range(len(names)), rules, "_", color=GREY, markersize=26, label="team-optimal rule")
    axes.set_xticks(range(len(names)))
    axes.set_xticklabels(
        [f"{name}\n{cases[name]['agents']} agents" for name in names],
        fontsize=8 if len(names) > _MANY_CASES else 10,
    )
    axes.set_xlim(-0.5, len(names) - 0.5)
    _per_axis(axes)
    _finish(axes, "PER by case, in order of the number of agents")


def _with_interval(
    axes: Axes, x: Sequence[float], summaries: Sequence[Entry], *, color: str, label: str
) -> None:
    """Join interquartile means by a line, with bars for the intervals."""
    known = [(at, s) for at, s in zip(x, summaries, strict=True) if s["iqm"] is not None]
    if not known:
        return
    places, found = zip(*known, strict=True)
    heights = [s["iqm"] for s in found]
    axes.plot(places, heights, color=color, marker="o", markersize=5, linewidth=1.8, label=label)
    bars = [(at, s) for at, s in zip(places, found, strict=True) if s["low"] is not None]
    for at, s in bars:
        axes.plot([at, at], [s["low"], s["high"]], color=color, marker="_", linewidth=1.2)


def _per_axis(axes: Axes) -> None:
    heights = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()]
    if all(((values > 0) | np.isnan(values)).all() for values in heights):
        axes.set_yscale("log")
    in_per_cent(axes.yaxis)
    axes.set_ylabel("mean PER on the test states [%]")


def _level(
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


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _per(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.3g} %"


def _colour(algorithm: str) -> str:
    return _COLOURS.get(algorithm, _OTHER_COLOUR)
