"""The one-line diagram of a case: its tree, whose building is whose, and the head."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.drawing.panels import (
    BLUE,
    BROWN,
    GREEN,
    ORANGE,
    PINK,
    SILVER,
    SKY,
    VERMILION,
    YELLOW,
    save_panels,
)
from tuning.drawing.pictures import GREY
from tuning.drawing.tree_layout import TreeLayout, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rllib_grid import Case, DayCase

    AnyCase = Case | DayCase

ONE_LINE_PNG = "one_line.png"
GROUP_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PINK, SKY, YELLOW, BROWN)
_MARKERS = "osD^v"  # of the first groups, the next ones, and so on
_LINE, _INK = "#8a8f98", "#24292f"
_COLUMN_INCHES, _ROW_INCHES = 0.95, 0.62  # where there is room
_LARGEST_INCHES = (12.0, 10.0)
_MOST_NAMED = 250  # nodes; more have no names
_LEGIBLE_POINTS = 6.5
_MOST_LISTED = 16  # groups; more have no legend


def draw_one_line(case: AnyCase, path: Path) -> None:
    """Draw the tree of a case from left to right, one column per branch from the head.

    Args:
        case: Its feeder and groups.
        path: File to write.
    """
    layout = lay_out(case.feeder.parent)
    columns = max(layout.column) + 1
    rows = max(layout.row) - min(layout.row) + 1
    width = min(max(_COLUMN_INCHES * columns + 0.6, 7.2), _LARGEST_INCHES[0])
    height = min(_ROW_INCHES * rows + 1.2, _LARGEST_INCHES[1])

    def draw_on(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(-0.6, columns - 0.35)
        axes.set_ylim(max(layout.row) + 0.6, min(layout.row) - 0.7)  # row 0 above row 1
        room = min(width / columns / _COLUMN_INCHES, height / (rows + 2) / _ROW_INCHES, 1.0)
        _branches(axes, case, layout, room)
        _nodes(axes, case, layout, room)
        space = width / columns, height / (rows + 2)
        names, start = shown_names(case, *space)
        _write_names(axes, case, layout, room, names, _points(names.values(), *space))
        omitted = f"; {start} left out of names" if start else ""
        axes.set_title(_title(case) + omitted, loc="left", fontsize=10)
        if len(case.groups) <= _MOST_LISTED:
            figure.legend(
                loc="outside lower left",
                ncols=min(len(case.groups) + 1, 6),
                frameon=False,
                fontsize=9,
                handletextpad=0.2,
                columnspacing=1.2,
            )

    save_panels(path, draw_on, (width, height))


def _title(case: AnyCase) -> str:
    feeder = case.feeder
    bare = feeder.num_nodes - feeder.num_buses
    parts = [
        f"{case.name}: {feeder.num_buses} buses",
        *([f"{bare} node{'s' if bare > 1 else ''} without a building"] if bare else []),
        f"{len(case.groups)} agent{'s' if len(case.groups) > 1 else ''}",
        f"1 p.u. is {feeder.v_base_kv:g} kV",
    ]
    return ", ".join(parts)


def _branches(axes: Axes, case: AnyCase, layout: TreeLayout, room: float) -> None:
    from matplotlib.collections import LineCollection

    lines = []
    for node, above in enumerate(case.feeder.parent, start=1):
        x, y = layout.column[above], layout.row[above]
        lines.append([(x, y), (x, layout.row[node]), (layout.column[node], layout.row[node])])
    width = max(1.8 * room, 0.7)
    axes.add_collection(LineCollection(lines, colors=_LINE, linewidths=width, zorder=1))


def _nodes(axes: Axes, case: AnyCase, layout: TreeLayout, room: float) -> None:
    """The head as a bar, buses in the colour of their agent, other nodes small and grey."""
    feeder = case.feeder
    axes.plot([0, 0], [-0.36, 0.36], color=_INK, linewidth=5 * room, solid_capstyle="butt")
    area = max(150 * room**1.5, 10.0)
    for i, group in enumerate(case.groups):
        nodes = [feeder.served[bus - 1] for bus in group]
        axes.scatter(
            [layout.column[node] for node in nodes],
            [layout.row[node] for node in nodes],
            s=area,
            color=GROUP_COLOURS[i % len(GROUP_COLOURS)],
            marker=_MARKERS[i // len(GROUP_COLOURS) % len(_MARKERS)],
            edgecolors=_INK,
            linewidths=0.8 * room,
            zorder=3,
            label=f"{case.agents[i].replace('_', ' ')} ({len(group)})",
        )
    bare = sorted({*range(1, feeder.num_nodes + 1)} - {*feeder.served})
    if bare:
        columns, rows = [layout.column[n] for n in bare], [layout.row[n] for n in bare]
        axes.scatter(columns, rows, s=0.2 * area, color=SILVER, zorder=2, label="no building")


def shown_names(
    case: AnyCase, column_inches: float, row_inches: float
) -> tuple[dict[int, str], str]:
    """Choose the names to write: as many and as long ones as stay legible.

    Args:
        case: Its feeder has the names.
        column_inches, row_inches: Room of one node.

    Returns:
        Names by node, and what buses' names all begin with where it is left out, else "".
        Nodes without a building go nameless where their names are too long.
    """
    feeder = case.feeder
    if feeder.num_nodes > _MOST_NAMED:
        return {}, ""
    buses = {node: feeder.bus_names[node - 1] for node in feeder.served}
    start = _common_start(buses.values())
    if _points(buses.values(), column_inches, row_inches) >= _LEGIBLE_POINTS or len(start) < 4:
        start = ""
    names = {node: name[len(start) :] or name for node, name in buses.items()}
    bare = {node: name for node, name in enumerate(feeder.bus_names, start=1) if node not in buses}
    if _points(bare.values(), column_inches, row_inches) >= _LEGIBLE_POINTS:
        names |= bare
    return names, start


def _common_start(names: Collection[str]) -> str:
    first, last = min(names), max(names)  # what these two share, all those between them do
    differ = (i for i, letter in enumerate(first) if not last.startswith(letter, i))
    return first[: next(differ, len(first))]


def _points(names: Collection[str], column_inches: float, row_inches: float) -> float:
    """Size of letters with which names fit between rows and columns, within reason."""
    longest = max((len(name) for name in names), default=1)
    wide = 0.85 * 72 * column_inches / (0.62 * longest)  # a letter is 0.62 of its size wide
    return min(max(min(wide, 0.35 * 72 * row_inches), 4.5), 10.0)


def _write_names(
    axes: Axes,
    case: AnyCase,
    layout: TreeLayout,
    room: float,
    names: dict[int, str],
    points: float,
) -> None:
    """Names to the upper right of their nodes; the head says its voltage."""
    beside: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "va": "bottom"}
    below = {**beside, "ha": "center", "va": "top"}
    head = f"head\n{case.v_head_pu:g} p.u."
    axes.annotate(head, (0, 0.36), xytext=(0, -3), fontsize=max(points, 7), color=_INK, **below)
    for node, name in names.items():
        served = node in case.feeder.served
        place = layout.column[node], layout.row[node]
        away = (6 * room, 5 * room) if served else (3 * room, 2.5 * room)
        size, colour = (points, _INK) if served else (0.85 * points, GREY)
        axes.annotate(name, place, xytext=away, fontsize=size, color=colour, **beside)
