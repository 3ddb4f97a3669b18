"""Tables and pictures of one run, from ``report.json`` alone: they can be remade at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from tuning.drawing.pictures import GREY, in_per_cent, save_picture
from tuning.judging.paper_results import FOOTNOTE, MADDPG_1, TS_MADDPG, PaperResult
from tuning.judging.samples import CDF_AT_PER_CENT
from tuning.subjects.headline import print_warnings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Entry = Mapping[str, Any]

HISTOGRAM_PNG = "per_histogram.png"
CURVE_PNG = "learning_curve.png"
_STAGE_COLOURS = ("#8a8f98", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_FILE_WIDTH = 120  # columns, where the output is no terminal
_SHORTEST_AXIS = 0.05  # PER, so that a near-perfect stage is not blown up
_MOST_BINS = 200
_FEW_POINTS = 12  # fewer are marked one by one
_SHOWN_SHARE = 1e-3  # bins with fewer of the states are left out of the picture


def print_report(report: Entry, console: Console | None = None) -> None:
    """Print the table of a report and the speeds below it.

    Args:
        report: Content of ``report.json``.
        console: Where to; standard output if None.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    print_warnings(report, console)
    console.print(report_table(report))
    meters = report.get("meters")
    if meters:
        pairs = zip(meters["meter_error_pu"], meters["per_mean"], strict=True)
        listed = ", ".join(f"{per:.2%} at {error:.0e} p.u." for error, per in pairs)
        console.print(f"mean PER of the last stage with meters that err: {listed}", soft_wrap=True)
    rounds = report.get("rounds")
    if rounds:
        listed = ", ".join(f"{entry['round']}: {entry['per_mean']:.2%}" for entry in rounds)
        console.print(f"mean PER of the last stage by rounds: {listed}", soft_wrap=True)
    if report.get("ac_check"):
        console.print(ac_line(report["ac_check"]), soft_wrap=True)
    speeds = [("environment steps/s", "env_steps_per_s"), ("updates/s", "updates_per_s")]
    shown = [f"{report[key]:,.0f} {name}" for name, key in speeds if report.get(key)]
    if shown:
        console.print(", ".join(shown), soft_wrap=True)


def ac_line(check: Entry) -> str:
    """Return in words what the AC power flow says of a run; see `tuning.judging.ac_check`."""
    sides = (("lindistflow", "LinDistFlow"), ("rescored", "rescored"), ("run_on_ac", "run on AC"))
    found = [
        f"{name} {_number(check[key]['per_mean'], 100)} % "
        f"({_number(check[key]['voltage_violation_rate'], 100)} % violated)"
        for key, name in sides
    ]
    errors = [
        f"{_number(error['voltage_max_pu'], 1, '5')} p.u. and {_number(error['loss'], 100)} % of "
        f"the loss {name}"
        for name, error in (
            ("without control", check["model_error"]["no_control"]),
            ("at the optimum", check["model_error"]["optimal"]),
        )
    ]
    return (
        f"under AC power flow, mean PER of the last stage: {', '.join(found)}; "
        f"LinDistFlow is off by at most {', '.join(errors)}, its voltages are too high"
    )


def report_table(report: Entry) -> Table:
    """Return the table of a report: a column per stage, yardstick and result of the paper.

    Args:
        report: Content of ``report.json``; fractions become per cent.
    """
    table = Table(
        box=box.SIMPLE,
        title=_title(report),
        title_justify="left",
        caption=f"paper: its own case and test states. {FOOTNOTE}",
        caption_justify="left",
        padding=(0, 1),
        pad_edge=False,
    )
    columns = [_stage_column(report, entry) for entry in report["stages"]]
    columns += [
        _yardstick_column("team\nrule", report, "team_rule"),
        _yardstick_column("zero\naction", report, "zero_action"),
        _paper_column(MADDPG_1),
        _paper_column(TS_MADDPG),
    ]
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column["head"], justify="right")
    rows = dict.fromkeys(name for column in columns for name in column if name != "head")
    for name in rows:
        style = "bold" if name == "mean PER, %" else None
        table.add_row(name, *(column.get(name, "") for column in columns), style=style)
    return table


def draw(report: Entry, folder: Path) -> list[Path]:
    """Draw the pictures of a report.

    Args:
        report: Content of ``report.json``.
        folder: Where ``per_histogram.png`` and ``learning_curve.png`` are written.

    Returns:
        The files written; no learning curve if the report holds none.
    """
    files = [folder / HISTOGRAM_PNG]
    save_picture(files[0], lambda axes: _draw_histogram(axes, report))
    if report.get("learning_curve"):
        files.append(folder / CURVE_PNG)
        save_picture(files[1], lambda axes: _draw_curve(axes, report))
    return files


def _title(report: Entry) -> str:
    meters = report.get("meter_error_pu")
    return (
        f"{report['case']}, {report['algorithm']}, preset {report['preset']}, "
        f"seed {report['seed']}, {report['test_states']:,} test states"
        + (f", meters err by {meters:g} p.u." if meters else "")
        + "".join(f", {setting}" for setting in report.get("case_settings") or ())
    )


def _stage_column(report: Entry, entry: Entry) -> dict[str, str]:
    earlier = [e["episodes"] for e in report["stages"] if e["stage"] <= entry["stage"]]
    return {
        "head": f"stage\n{entry['stage']}",
        **_judged(entry),
        "episodes of stage": f"{entry['episodes']:,}",
        "episodes in all": f"{sum(earlier):,}",
        "seconds": f"{entry['wall_s']:.0f}",
    }


def _yardstick_column(head: str, report: Entry, key: str) -> dict[str, str]:
    entry = report.get(key) or {"per_mean": report.get(f"{key}_per_mean")}
    return {"head": head, **_judged(entry)}


def _paper_column(result: PaperResult) -> dict[str, str]:
    entry = {"per_mean": result.per_mean, "per_cdf": result.per_cdf}
    return {
        "head": f"paper\n{result.name}",
        **_judged(entry),
        "episodes of stage": result.stage_episodes,
        "episodes in all": result.episodes,
    }


def _judged(entry: Entry) -> dict[str, str]:
    """Return the cells that any judged set of actions can have; empty where it has none."""
    cells = {"mean PER, %": _number(entry.get("per_mean"), 100)}
    low, high = entry.get("per_ci95") or (None, None)
    half = None if low is None or high is None else (high - low) / 2
    cells["  95 % interval, +-"] = _number(half, 100)
    for x in CDF_AT_PER_CENT:
        cells[f"Pr(PER < {x} %), %"] = _number((entry.get("per_cdf") or {}).get(str(x)), 100, "1")
    cells["mean cost, kW"] = _number(entry.get("cost_kw_mean"))
    cells["mean regret, kW"] = _number(entry.get("regret_kw_mean"))
    cells["regret / optimum, %"] = _number(entry.get("regret_ratio"), 100)
    cells["voltage violated, %"] = _number(entry.get("voltage_violation_rate"), 100)
    cells["  at most, p.u."] = _number(entry.get("voltage_violation_max_pu"), 1, "4")
    if "branch_overload_rate" in entry:
        cells["branch overloaded, %"] = _number(entry["branch_overload_rate"], 100)
        cells["  highest loading, %"] = _number(entry["branch_loading_max"], 100, "1")
    return cells


def _number(value: float | None, factor: float = 1.0, decimals: str = "2") -> str:
    return "" if value is None else f"{value * factor:.{decimals}f}"


def _draw_histogram(axes: Axes, report: Entry) -> None:
    """Draw the PER histogram of every stage over one another, as the paper's Figure 3a."""
    edges, shares = _shares(report["stages"])
    filled = [i for share in shares for i, height in enumerate(share) if height > _SHOWN_SHARE]
    for entry, share in zip(report["stages"], shares, strict=True):
        colour = _colour(entry["stage"])
        label = f"stage {entry['stage']}, mean {_number(entry['per_mean'], 100)} %"
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(share, edges, color=colour, linewidth=1.5, label=label)
    axes.set_yscale("log")
    axes.set_ylim(bottom=_SHOWN_SHARE)
    left, right = (edges[min(filled)], edges[max(filled) + 1]) if filled else (0.0, 1.0)
    axes.set_xlim(min(left, 0.0), max(right, _SHORTEST_AXIS))
    in_per_cent(axes.xaxis)
    in_per_cent(axes.yaxis)
    width = 100 * (edges[1] - edges[0])
    axes.set_xlabel("PER: reward error against the optimal dispatch [%]")
    axes.set_ylabel(f"share of test states per {width:g} % of PER [%]")
    axes.set_title(_title(report), loc="left", fontsize=10)
    axes.legend(frameon=False)


def _shares(stages: Sequence[Entry]) -> tuple[list[float], list[list[float]]]:
    """Return the edges, and per stage the share of its states in each bin.

    Bins are as fine as the report's, or wider where that would be more than `_MOST_BINS`.
    """
    edges = stages[0]["per_histogram"]["edges"]
    counts = [entry["per_histogram"]["counts"] for entry in stages]
    used = [i for i, bins in enumerate(zip(*counts, strict=True)) if any(bins)] or [0]
    step = next((s for s in (1, 2, 5) if used[-1] - used[0] < s * _MOST_BINS), 10)
    starts = range(0, len(edges) - 1, step)
    shares = [
        [sum(bins[i : i + step]) / max(1, entry["states"]) for i in starts]
        for entry, bins in zip(stages, counts, strict=True)
    ]
    return [*(edges[i] for i in starts), edges[-1]], shares


def _draw_curve(axes: Axes, report: Entry) -> None:
    """Draw the validation PER over the episodes of all stages, on a logarithmic axis."""
    from matplotlib.ticker import StrMethodFormatter

    before = 0
    for entry in report["stages"]:
        stage, colour = entry["stage"], _colour(entry["stage"])
        points = [p for p in report["learning_curve"] if p["stage"] == stage]
        points = [p for p in points if p["validation_per"] is not None]
        x = [p["episodes"] for p in points]
        y = [p["validation_per"] for p in points]
        marker = "o" if len(points) < _FEW_POINTS else None
        axes.plot(
            x, y, color=colour, linewidth=1.8, marker=marker, markersize=4, label=f"stage {stage}"
        )
        if before:
            axes.axvline(before, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        before += entry["episodes"]
    for height, name, side in _levels(report):
        axes.axhline(height, color=GREY, linewidth=0.9, linestyle=":")
        axes.text(
            1.0,
            height,
            f" {name} ",
            transform=axes.get_yaxis_transform(),
            fontsize=8,
            color=GREY,
            ha="right",
            va=side,
        )
    values = [p["validation_per"] for p in report["learning_curve"]]
    if all(value is None or value > 0 for value in values):
        axes.set_yscale("log")
    axes.set_xlim(0, before)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    in_per_cent(axes.yaxis)
    axes.set_xlabel("training episodes, all stages")
    axes.set_ylabel("mean PER on the validation states [%]")
    axes.set_title(_title(report), loc="left", fontsize=10)
    axes.legend(frameon=False)


def _levels(report: Entry) -> list[tuple[float, str, str]]:
    """Return the heights that the learning curve is read against, and where each name hangs."""
    rule = report.get("team_rule_per_mean")
    lower = rule is not None and rule < MADDPG_1.per_mean
    levels = [
        (MADDPG_1.per_mean, f"paper, {MADDPG_1.name}", "bottom" if lower else "top"),
        (TS_MADDPG.per_mean, f"paper, {TS_MADDPG.name}", "top"),
    ]
    if rule is not None:
        levels.append((rule, "team-optimal rule, one stage", "top" if lower else "bottom"))
    return levels


def _colour(stage: int) -> str:
    return _STAGE_COLOURS[(stage - 1) % len(_STAGE_COLOURS)]
