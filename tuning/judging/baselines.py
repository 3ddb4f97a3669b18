"""``python -m tuning baselines``: what an engineer would do today, beside the optimum."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.commands.baselines import BaselinesArgs
from tuning.drawing.panels import BLUE, SILVER, VERMILION, save_panels, tidy
from tuning.drawing.pictures import GREY
from tuning.drawing.sheets import Sheet, number, print_sheets
from tuning.judging import rules
from tuning.judging.evaluation import Judgement, test_states
from tuning.records.files import read_json, write_json
from tuning.records.provenance import git_commit, versions
from tuning.records.run_folder import create_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rllib_grid import Case

Entry = Mapping[str, Any]

BASELINES_JSON = "baselines.json"
BASELINES_PNG = "baselines.png"
_HEAD = (
    "rule",
    "mean PER, %",
    "mean regret, kW",
    "mean cost, kW",
    "violating states, %",
    "largest violation, p.u.",
)
_BAR = 0.62


def run_baselines(args: BaselinesArgs) -> None:
    """Judge every fixed rule, the team-optimal rule and the optimum on the same test states.

    Args:
        args: As returned by `tuning.commands.baselines.check`.

    Raises:
        CommandError: A folder cannot be read or written.
        GridError: Naming the state in which a rule does not settle.
    """
    case = rules.find_case(args.case, args.case_settings, args.run)
    judged = judge_case(case, args.states, args.run)
    folder = create_run(args.out, f"baselines-{case.name}").path
    write_json(folder / BASELINES_JSON, _content(case, judged, args))
    content = read_json(folder / BASELINES_JSON)
    draw(content, folder)
    print_sheets([sheet(content)], [f"{folder}: {BASELINES_JSON}, {BASELINES_PNG}"])


def judge_case(case: Case, num_states: int, run: Path | None = None) -> dict[str, Judgement]:
    """Return the figures of every rule on the test states of a case, the optimum last.

    Args:
        case: What they act on.
        num_states: Number of test states.
        run: Folder whose controllers are judged too; none if None.
    """
    states = test_states(case, num_states)
    best = rules.optimal_actions(case, *states)
    done = dict(rules.baseline_actions(case, *states))
    done[rules.TEAM_RULE] = rules.team_actions(case, *states)
    if run is not None:
        done[rules.TRAINED] = rules.trained_actions(run, case, *states)
    done[rules.OPTIMUM] = best
    return rules.judge_rules(case, done, best.cost_kw)


def sheet(content: Entry) -> Sheet:
    """Return the table; fractions become per cent.

    Args:
        content: Of ``baselines.json``.
    """
    rows = []
    for row in content["rules"]:
        shown = (
            (row["per_mean"], 100),
            (row["regret_kw_mean"], 1),
            (row["cost_kw_mean"], 1),
            (row["voltage_violation_rate"], 100),
        )
        cells = [number(value, factor) for value, factor in shown]
        rows.append([row["rule"], *cells, f"{row['voltage_violation_max_pu']:.4f}"])
    return Sheet(_title(content), _HEAD, rows)


def draw(content: Entry, folder: Path) -> Path:
    """Draw what every rule costs, and how often it violates.

    Args:
        content: Of ``baselines.json``.
        folder: Where ``baselines.png`` is written.
    """
    height = 1.5 + 0.34 * len(content["rules"])
    save_panels(folder / BASELINES_PNG, partial(_draw, content), (8.6, height))
    return folder / BASELINES_PNG


def _content(case: Case, judged: Mapping[str, Judgement], args: BaselinesArgs) -> dict[str, Any]:
    return {
        "case_name": case.name,
        "case_settings": args.case_settings or (),
        "states": args.states,
        "run": args.run,
        "rules": [judgement.entry(rule=name) for name, judgement in judged.items()],
        "case": case.to_dict(),
        "versions": versions(),
        "git_commit": git_commit(),
    }


def _title(content: Entry) -> str:
    changed = " ".join(["", *content["case_settings"]])
    title = f"{content['case_name']}{changed}, {content['states']:,} test states"
    lost = max(row["infeasible_states"] for row in content["rules"])
    return title + (f", {lost:,} without a feasible dispatch" if lost else "")


def _draw(content: Entry, figure: Figure) -> None:
    rows = list(reversed(content["rules"]))  # the first on top
    costs, violations = figure.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
    colours = "grey: in use today, blue: with the data of the whole feeder"
    colours += ", red: trained" if content["run"] else ""
    figure.suptitle(f"{_title(content)} ({colours})", x=0.01, ha="left", fontsize=10)
    _bars(costs, rows, "cost_kw_mean", 1, "mean cost: loss and buildings [kW]")
    _bars(violations, rows, "voltage_violation_rate", 100, "states out of the voltage limits [%]")
    costs.set_yticks(range(len(rows)), [row["rule"] for row in rows])
    violations.tick_params(axis="y", length=0)
    violations.set_xlim(0, 118)
    violations.set_xticks(range(0, 101, 25))
    if rows[0]["rule"] == rules.OPTIMUM:
        costs.axvline(rows[0]["cost_kw_mean"], color=GREY, linewidth=1.0, linestyle=":")


def _bars(axes: Axes, rows: list[Entry], key: str, factor: float, label: str) -> None:
    """One bar per rule, its value at the end."""
    tidy(axes)
    axes.grid(visible=False, axis="y")
    values = [factor * row[key] for row in rows]
    colours = {rules.OPTIMUM: BLUE, rules.TEAM_RULE: BLUE, rules.TRAINED: VERMILION}
    shown = [colours.get(row["rule"], SILVER) for row in rows]
    axes.barh(range(len(rows)), values, height=_BAR, color=shown)
    for place, value in enumerate(values):
        text = f" {number(value)}" if value else " none"
        axes.text(max(value, 0.0), place, text, va="center", fontsize=8, color=GREY)
    low, high = min(0.0, *values), max(0.0, *values)
    axes.set_xlim(1.1 * low, 1.18 * high or 1.0)
    axes.set_xlabel(label)
