"""What algorithms come to against the number of stages, of rounds and of agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from policies.algorithms.registry import ALGORITHMS
from tuning.campaigns.pictures.marks import (
    STEPS,
    colour_of,
    finish,
    level,
    per_axis,
    with_interval,
)
from tuning.campaigns.results.comparison import ComparedCase, Row
from tuning.campaigns.results.days import DayYardsticks
from tuning.campaigns.results.states import StateYardsticks
from tuning.drawing.pictures import GREY, in_per_cent
from tuning.judging.paper_results import MADDPG_1, TS_MADDPG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FULL_STATE = 0  # its place among the information limits
_MANY_CASES = 4  # more have their names in small print


def draw_stages(name: str, case: ComparedCase, axes: Axes) -> None:
    """Draw what the algorithms are compared by against their number of stages K.

    Args:
        name: Of the case.
        case: What is drawn.
        axes: To draw on.
    """
    staged = [row for algorithm, row in case.rows.items() if algorithm in STEPS]
    with_interval(
        axes,
        [row.stages for row in staged],
        [row.compared for row in staged],
        color=ALGORITHMS["ts-maddpg"].colour,
        label="MADDPG in K stages, same episodes in all",
    )
    for algorithm, row in case.rows.items():
        if algorithm in STEPS and row.stages > 1:
            axes.plot(
                range(1, row.stages + 1),
                [float("nan") if s.iqm is None else s.iqm for s in row.by_stage],
                color=colour_of(algorithm),
                linewidth=1.0,
                linestyle=":",
                marker=".",
                label=f"stage by stage within {row.title}",
            )
    shown = [row.stages for row in staged] + [2]
    if isinstance(case.yardsticks, StateYardsticks):
        shown += _beside_states(case.rows, case.yardsticks, axes)
    else:
        _beside_days(case.yardsticks, axes)
    axes.set_xlim(0.7, max(shown) + 0.5)
    axes.set_xticks(range(1, max(shown) + 1))
    if isinstance(case.yardsticks, StateYardsticks):
        per_axis(axes)
    axes.set_xlabel("number of stages K")
    finish(axes, f"{name}: {case.measure.title} against the number of stages")


def _beside_states(rows: Mapping[str, Row], yardsticks: StateYardsticks, axes: Axes) -> list[int]:
    """Draw limits and the paper's two points; return the numbers of stages of the limits."""
    limit = {k: per for k, per in yardsticks.information_limit.items() if k != _FULL_STATE}
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
        level(axes, rows["full-state"].compared.iqm, "full state, 1 stage")
    return list(limit)


def _beside_days(yardsticks: DayYardsticks, axes: Axes) -> None:
    """Draw what needs no learning as levels."""
    level(axes, yardsticks.receding_horizon.gap_closed, "receding horizon")
    level(axes, yardsticks.price_rule.gap_closed, "price rule")
    in_per_cent(axes.yaxis)
    axes.set_ylabel("gap to perfect foresight closed on the test days [%]")


def draw_rounds(name: str, rows: Mapping[str, Row], axes: Axes) -> None:
    """Draw the PER of iterated actors against the rounds that they are run for.

    Args:
        name: Of the case.
        rows: By algorithm.
        axes: To draw on.
    """
    most = 1
    for algorithm, row in rows.items():
        if row.by_round:
            numbers = list(row.by_round)
            means = list(row.by_round.values())
            with_interval(axes, numbers, means, color=colour_of(algorithm), label=row.title)
            most = max(most, *numbers)
    for algorithm, row in rows.items():
        if algorithm in STEPS and row.stages > 1:
            level(axes, row.compared.iqm, row.title)
    axes.set_xlim(0.5, most + 0.9)
    axes.set_xticks(range(1, most + 1))
    per_axis(axes)
    axes.set_xlabel("rounds: how often the last stage's actor is applied")
    finish(axes, f"{name}: one actor applied again and again to its own refined pair")


def draw_agents(cases: Mapping[str, ComparedCase], axes: Axes) -> None:
    """Draw the PER of every algorithm by case, cases in order of their number of agents.

    Args:
        cases: Of states, by name.
        axes: To draw on.
    """
    rules = {
        name: case.yardsticks.team_rule.per_mean
        for name, case in cases.items()
        if isinstance(case.yardsticks, StateYardsticks)
    }
    names = sorted(rules, key=lambda name: (cases[name].agents, rules[name] or 0))
    for algorithm in dict.fromkeys(a for name in names for a in cases[name].rows):
        places = [i for i, name in enumerate(names) if algorithm in cases[name].rows]
        rows = [cases[names[i]].rows[algorithm] for i in places]
        with_interval(
            axes,
            places,
            [row.compared for row in rows],
            color=colour_of(algorithm),
            label=rows[0].title,
        )
    heights = [rules[name] for name in names]
    axes.plot(range(len(names)), heights, "_", color=GREY, markersize=26, label="team-optimal rule")
    axes.set_xticks(range(len(names)))
    axes.set_xticklabels(
        [f"{name}\n{cases[name].agents} agents" for name in names],
        fontsize=8 if len(names) > _MANY_CASES else 10,
    )
    axes.set_xlim(-0.5, len(names) - 0.5)
    per_axis(axes)
    finish(axes, "PER by case, in order of the number of agents")
