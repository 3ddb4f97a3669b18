"""Table and figure of an ablation, from the files of its runs alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.campaigns.results.comparison import ComparedCase, Comparison, Row, compare_runs
from tuning.campaigns.results.runs import finished_runs
from tuning.campaigns.results.seeds import INTERVAL_RULE
from tuning.commands.ablate import BASE, TOGETHER
from tuning.drawing.pictures import GREY, in_per_cent, save_picture
from tuning.drawing.sheets import Sheet, number, print_sheets, to_markdown
from tuning.errors import CommandError
from tuning.records.files import replacing, write_csv, write_json
from tuning.records.measures import PER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ABLATION_JSON = "ablation.json"
ABLATION_CSV = "ablation.csv"
ABLATION_MD = "ablation.md"
ABLATION_PNG = "ablation.png"
_ROW_INCHES = 0.34


def report_ablation(out: Path) -> list[Path]:
    """Write all files of an ablation anew from the finished runs below it, and print its tables.

    Args:
        out: Folder of the ablation.

    Returns:
        The files written: JSON, CSV, Markdown, PNG.

    Raises:
        CommandError: No run is finished, or a file cannot be read or written.
    """
    runs = sorted(finished_runs(out), key=lambda run: (run.case, run.algorithm != BASE))
    if not runs:
        raise CommandError(f"{out} holds no finished run; ablate has to come to an end first")
    ablation = compare_runs(runs, {})
    sheets = [_sheet(name, case) for name, case in ablation.cases.items()]
    write_json(out / ABLATION_JSON, ablation.to_json())
    write_csv(out / ABLATION_CSV, _csv_rows(ablation))
    with replacing(out / ABLATION_MD) as file:
        notes = [INTERVAL_RULE, f"commits of the runs: {', '.join(ablation.commits)}"]
        file.write(to_markdown("Ablation", sheets, notes).encode())
    rows = max(len(case.rows) for case in ablation.cases.values())
    drawn = partial(_draw, *next(iter(ablation.cases.items())))
    save_picture(out / ABLATION_PNG, drawn, (8.4, 1.4 + _ROW_INCHES * rows))
    print_sheets(sheets, [])
    return [out / name for name in (ABLATION_JSON, ABLATION_CSV, ABLATION_MD, ABLATION_PNG)]


def _sheet(name: str, case: ComparedCase) -> Sheet:
    """A row for the preset itself and one for each change."""
    measure, base = case.measure, case.rows.get(BASE)
    stages = max(row.stages for row in case.rows.values())
    on_states = measure is PER
    head = ["change", "seeds", *(f"{measure.title}, stage {k}" for k in range(1, stages + 1))]
    head += ["times base"] if on_states else ["more than base", "cost, EUR a day"]
    head += ["voltage violated, %" if on_states else "steps that violate, %", "seconds"]
    lines = []
    for change, row in case.rows.items():
        beside = [_times(row, base)]
        if not on_states:
            beside = [_more(row, base), row.figures["cost_eur_mean"].interval()]
        lines.append(
            [
                _named(change, row),
                str(len(row.seeds)),
                *(summary.interval(100) for summary in row.by_stage),
                *beside,
                row.figures[measure.violated].interval(100),
                row.figures["wall_s"].count(),
            ]
        )
    first = next(iter(case.rows.values()))
    title = f"{name}, {first.title}, preset {first.preset}, one change at a time"
    return Sheet(f"{title}: {measure.title} in %", head, lines)


def _named(change: str, row: Row) -> str:
    if change == BASE:
        return f"preset {row.preset} as it is"
    return change.replace(TOGETHER, ", ")


def _times(row: Row, base: Row | None) -> str:
    """PER as a multiple of the base's."""
    if base is None or not base.compared.iqm or row.compared.iqm is None:
        return ""
    return number(row.compared.iqm / base.compared.iqm)


def _more(row: Row, base: Row | None) -> str:
    """Gap closed in percentage points more than by the base."""
    if base is None or base.compared.iqm is None or row.compared.iqm is None:
        return ""
    return f"{100 * (row.compared.iqm - base.compared.iqm):+.2f}"


def _csv_rows(ablation: Comparison) -> list[dict[str, Any]]:
    """One row per case, change and stage."""
    rows = []
    for name, case in ablation.cases.items():
        for change, row in case.rows.items():
            for k, summary in enumerate(row.by_stage, start=1):
                line = {"case": name, "change": change, "stage": k}
                line["seeds"] = " ".join(map(str, row.seeds))
                for key in ("iqm", "low", "high"):
                    line[f"{case.measure.figure}_{key}"] = getattr(summary, key)
                rows.append(line)
    return rows


def _draw(name: str, case: ComparedCase, axes: Axes) -> None:
    """The figure of the last stage by change, all seeds as points, beside that of the base."""
    labels = []
    for place, (change, row) in enumerate(case.rows.items()):
        found = row.compared
        values = [value for value in found.values if value is not None]
        colour = "#0072b2" if change == BASE else "#d55e00"
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.45, markersize=4)
        if found.iqm is not None:
            axes.plot([found.iqm], [place], "|", color=colour, markersize=16, mew=2.5)
        labels.append(_named(change, row))
    base = case.rows.get(BASE)
    if base is not None and base.compared.iqm is not None:
        axes.axvline(base.compared.iqm, color=GREY, linewidth=0.9, linestyle=":")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    what = "gap to perfect foresight closed by the last stage on the test days [%]"
    if case.measure is PER:
        axes.set_xscale("log")
        what = "mean PER of the last stage on the test states [%]"
    in_per_cent(axes.xaxis)
    axes.set_xlabel(what)
    axes.set_title(f"{name}: one change at a time, points are seeds", loc="left", fontsize=10)
