"""Pictures of what rules do on a feeder: voltages along it, duration curves, controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuning.drawing.panels import BLUE, ORANGE, SILVER, VERMILION, save_panels, tidy, tint
from tuning.drawing.pictures import GREY
from tuning.judging import rules
from tuning.judging.actions import Actions
from tuning.judging.samples import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rllib_grid import Case, Feeder

RULE_COLOURS = {
    rules.NO_CONTROL: SILVER,
    rules.TEAM_RULE: ORANGE,
    rules.OPTIMUM: BLUE,
    rules.TRAINED: VERMILION,
}
_LIMIT = "#24292f"
_OUTER, _INNER = (5.0, 95.0), (25.0, 75.0)  # per cent of states in a band
_MOST_MARKED = 40  # buses; more have no dots
_MOST_PANELS = 36  # buses whose controls are shown
_MOST_POINTS = 400  # states in a scatter
_CURVE_POINTS = 401


def distance_ohm(feeder: Feeder) -> Floats:
    """Return how far each bus is from the head: the sum of |z| on its path, (n,) in ohm."""
    result: Floats = feeder.paths @ np.hypot(feeder.r_ohm, feeder.x_ohm)
    return result


def bus_edges(feeder: Feeder) -> list[tuple[int, int]]:
    """Return, for each bus, (what it hangs on, itself), counted from 0; -1 is the head.

    Nodes without a building are passed over.
    """
    place = {node: bus for bus, node in enumerate(feeder.served)}
    edges = []
    for bus, node in enumerate(feeder.served):
        above = feeder.parent[node - 1]
        while above and above not in place:
            above = feeder.parent[above - 1]
        edges.append((place.get(above, -1), bus))
    return edges


def loss_kw(case: Case, actions: Actions) -> Floats:
    """Return the loss of the feeder, (N,) in kW: the cost without that of the buildings."""
    buildings = case.control_cost_kw(actions.p_ctrl_kw, actions.q_ctrl_kvar).sum(axis=1)
    result: Floats = actions.cost_kw - buildings
    return result


def draw_voltages(case: Case, done: Mapping[str, Actions], path: Path) -> None:
    """Draw voltage against distance from the head, a panel per rule.

    Args:
        case: Its feeder and limits.
        done: Actions in the same states, by rule; rows of infeasible states are left out.
        path: File to write.
    """

    def draw_on(figure: Figure) -> None:
        columns = len(done) if len(done) < 4 else 2
        grid = figure.subplots(-(-len(done) // columns), columns, sharex=True, sharey=True)
        for axes, (name, actions) in zip(np.ravel(grid), done.items(), strict=False):
            _voltage_panel(axes, case, actions, name)
        figure.suptitle(
            f"{case.name}: voltages over {_states(done)}; bands hold the middle 90 % and 50 %, "
            "the line is the median; dashed are the limits",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        figure.supxlabel("path from the head, sum of |z| [ohm]", fontsize=10)
        figure.supylabel("bus voltage [p.u.]", fontsize=10)

    save_panels(path, draw_on, (9.6, 4.0 if len(done) < 4 else 6.6))


def _voltage_panel(axes: Axes, case: Case, actions: Actions, name: str) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    tidy(axes)
    v_pu = rules.feasible_rows(actions).v_pu
    x = np.append(distance_ohm(case.feeder), 0.0)  # the head is -1, the last
    edges = np.array(bus_edges(case.feeder))
    bands = np.percentile(v_pu, [*_OUTER, *_INNER, 50.0], axis=0)  # (5, n)
    low, high, lower, upper, middle = np.hstack([bands, np.full((5, 1), case.v_head_pu)])
    colour = RULE_COLOURS[name]
    for bottom, top, share in ((low, high, 0.25), (lower, upper, 0.55)):
        corners = [
            [(x[a], bottom[a]), (x[b], bottom[b]), (x[b], top[b]), (x[a], top[a])] for a, b in edges
        ]
        shade = tint(colour, share)
        axes.add_collection(PolyCollection(corners, facecolors=shade, edgecolors=shade, lw=0.5))
    lines = [[(x[a], middle[a]), (x[b], middle[b])] for a, b in edges]
    axes.add_collection(LineCollection(lines, colors=tint(colour, 1.0), linewidths=1.2, zorder=3))
    if len(edges) <= _MOST_MARKED:
        dots: dict[str, Any] = {
            "color": colour,
            "edgecolors": "white",
            "linewidths": 0.6,
            "zorder": 4,
        }
        axes.scatter(x[:-1], middle[:-1], s=22, **dots)
    for limit in (case.v_min_pu, case.v_max_pu):
        axes.axhline(limit, color=_LIMIT, linewidth=1.1, linestyle=(0, (5, 3)))
    outside = (v_pu < case.v_min_pu - 1e-5) | (v_pu > case.v_max_pu + 1e-5)
    share = 100 * outside.any(axis=1).mean()
    axes.set_title(f"{name}: {share:.3g} % of states outside", fontsize=9, loc="left")
    axes.set_xlim(0, 1.04 * x.max())


def draw_durations(case: Case, done: Mapping[str, Actions], path: Path) -> None:
    """Draw, for each rule, which worst voltage and which loss is exceeded in how many states.

    Args:
        case: Its limits and costs.
        done: Actions in the same states, by rule; rows of infeasible states are left out.
        path: File to write.
    """
    middle, half = (case.v_min_pu + case.v_max_pu) / 2, case.obs_scale_pu

    def draw_on(figure: Figure) -> None:
        voltages, losses = figure.subplots(1, 2)
        for name, actions in done.items():
            actions = rules.feasible_rows(actions)
            worst = np.abs(actions.v_pu - middle).max(axis=1)
            _duration(voltages, worst, name)
            _duration(losses, loss_kw(case, actions), name)
        voltages.axhline(half, color=_LIMIT, linewidth=1.1, linestyle=(0, (5, 3)))
        place: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 8, "color": _LIMIT}
        voltages.text(100, half, f"limits {case.v_min_pu:g} and {case.v_max_pu:g} p.u.", **place)
        for axes in (voltages, losses):
            axes.set_ylim(bottom=0)  # once all is drawn, for it ends autoscaling
        voltages.set_ylabel(f"worst bus, distance from {middle:g} p.u. [p.u.]")
        losses.set_ylabel("loss of the feeder [kW]")
        losses.legend(frameon=False, fontsize=9)
        figure.suptitle(
            f"{case.name}: duration curves over {_states(done)}", x=0.01, ha="left", fontsize=10
        )

    save_panels(path, draw_on, (9.6, 3.9))


def _duration(axes: Axes, sample: Floats, name: str) -> None:
    tidy(axes)
    shares = np.linspace(0, 100, _CURVE_POINTS)
    dashes = (0, (4, 2)) if name == rules.TRAINED else "-"
    values = np.percentile(sample, 100 - shares)
    look: dict[str, Any] = {"linestyle": dashes, "zorder": 4 if name == rules.TRAINED else 3}
    axes.plot(shares, values, color=RULE_COLOURS[name], linewidth=2, label=name, **look)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of states that exceed it [%]")


def draw_controls(case: Case, done: Mapping[str, Actions], path: Path) -> None:
    """Draw active against reactive control in many states, a panel per bus.

    Args:
        case: Its limits; the limit of s_max_kva is a circle.
        done: Actions of the rules to show, by name; rows of infeasible states are left out.
        path: File to write.
    """
    buses = _spread(case.num_buses, _MOST_PANELS)
    columns = min(6 if len(buses) > 12 else 4, len(buses))
    rows = -(-len(buses) // columns)

    def draw_on(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.ravel()[len(buses) :]:
            axes.set_axis_off()
        for axes, bus in zip(grid.ravel(), buses, strict=False):
            _control_panel(axes, case, done, bus)
        some = f" ({len(buses)} of {case.num_buses} buses)" if len(buses) < case.num_buses else ""
        figure.suptitle(
            f"{case.name}: controls{some}, consumption positive; frames are the limits",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        figure.supxlabel("active power p_ctrl [kW]", fontsize=10)
        figure.supylabel("reactive power q_ctrl [kvar]", fontsize=10)
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside upper right", ncols=3, frameon=False, markerscale=2.5
        )

    save_panels(path, draw_on, (9.6, 1.0 + 9.0 / columns * rows))


def _control_panel(axes: Axes, case: Case, done: Mapping[str, Actions], bus: int) -> None:
    from matplotlib.patches import Circle, Rectangle

    tidy(axes)
    for name, actions in done.items():
        kept = rules.feasible_rows(actions)
        p_kw, q_kvar = (
            kept.p_ctrl_kw[:_MOST_POINTS, bus],
            kept.q_ctrl_kvar[:_MOST_POINTS, bus],
        )
        dots: dict[str, Any] = {"alpha": 0.45, "linewidths": 0, "zorder": 3}
        axes.scatter(p_kw, q_kvar, s=7, color=RULE_COLOURS[name], label=name, **dots)
    p, q = case.p_limit_kw[bus], case.q_limit_kvar[bus]
    edge: dict[str, Any] = {"fill": False, "edgecolor": _LIMIT, "linewidth": 0.9}
    axes.add_patch(Rectangle((-p, -q), 2 * p, 2 * q, **edge))
    if case.s_max_kva is not None:
        axes.add_patch(Circle((0, 0), case.s_max_kva[bus], **edge, linestyle=(0, (4, 2))))
    owner = next(i for i, group in enumerate(case.groups) if bus + 1 in group)
    bus_name = case.feeder.bus_names[case.feeder.served[bus] - 1]
    title = f"{bus_name}, {case.agents[owner].replace('_', ' ')}"
    axes.set_title(title, fontsize=8, color=GREY, pad=3)
    axes.tick_params(labelsize=8)
    axes.set_xlim(-1.12 * case.p_limit_kw.max(), 1.12 * case.p_limit_kw.max())
    axes.set_ylim(-1.12 * case.q_limit_kvar.max(), 1.12 * case.q_limit_kvar.max())


def _spread(count: int, most: int) -> Sequence[int]:
    """Return all of 0..count-1, or ``most`` of them at equal steps."""
    if count <= most:
        return range(count)
    return [int(i) for i in np.linspace(0, count - 1, most).round()]


def _states(done: Mapping[str, Actions]) -> str:
    """Return how many states the pictures show, and how many the optimum leaves out."""
    costs = [actions.cost_kw for actions in done.values()]
    lost = max(int(np.isnan(cost).sum()) for cost in costs)
    left_out = f" (optimum: {lost:,} infeasible ones left out)" if lost else ""
    return f"{len(costs[0]):,} test states{left_out}"


def draw_rules(case: Case, done: Mapping[str, Actions], folder: Path) -> list[Path]:
    """Draw voltages, durations and controls.

    Args:
        case: The case.
        done: Actions in the same states, by rule.
        folder: Where to.

    Returns:
        The files.
    """
    shown = {name: done[name] for name in (rules.OPTIMUM, rules.TRAINED) if name in done}
    files = {
        "voltages.png": partial(draw_voltages, case, done),
        "durations.png": partial(draw_durations, case, done),
        "controls.png": partial(draw_controls, case, shown),
    }
    for name, drawing in files.items():
        drawing(folder / name)
    return [folder / name for name in files]
