"""Table and figure of an ablation, from the files of its runs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.campaigns.comparison import RULES, Run, compare_runs
from tuning.commands.ablate import BASE, TOGETHER
from tuning.drawing.pictures import GREY, in_per_cent, save_picture
from tuning.drawing.sheets import Sheet, count, number, per_cent, print_sheets, to_markdown
from tuning.errors import CommandError
from tuning.records.cells import find_cells
from tuning.records.files import read_json, replacing, write_csv, write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Entry = Mapping[str, Any]

ABLATION_JSON = "ablation.json"
ABLATION_CSV = "ablation.csv"
ABLATION_MD = "ablation.md"
ABLATION_PNG = "ablation.png"
_ROW_INCHES = 0.34


def remake(out: Path) -> list[Path]:
    """Write all files of an ablation anew from the finished runs below it.

    Args:
        out: Folder of the ablation.

    Returns:
        The files written: JSON, CSV, Markdown, PNG.

    Raises:
        CommandError: No run is finished, or a file cannot be read or written.
    """
    finished = [cell for cell in find_cells(out) if cell.finished]
    if not finished:
        raise CommandError(f"{out} holds no finished run; ablate has to come to an end first")
    finished.sort(key=lambda cell: (cell.case, cell.algorithm != BASE))
    runs = [
        Run(cell.case, cell.algorithm, cell.seed, cell.run.report(), cell.run.config())
        for cell in finished
    ]
    write_json(out / ABLATION_JSON, compare_runs(runs, {}))
    content = read_json(out / ABLATION_JSON)
    write_csv(out / ABLATION_CSV, _csv_rows(content))
    with replacing(out / ABLATION_MD) as file:
        file.write(to_markdown("Ablation", sheets(content), _notes(content)).encode())
    rows = max(len(case["algorithms"]) for case in content["cases"].values())
    save_picture(out / ABLATION_PNG, partial(_draw, content), (8.4, 1.4 + _ROW_INCHES * rows))
    return [out / name for name in (ABLATION_JSON, ABLATION_CSV, ABLATION_MD, ABLATION_PNG)]


def print_ablation(out: Path) -> None:
    """Print the tables of ``ablation.json``."""
    content = read_json(out / ABLATION_JSON)
    print_sheets(sheets(content), [])


def sheets(content: Entry) -> list[Sheet]:
    """Return a table per case: a row for the preset itself and one for each change."""
    return [_sheet(name, case) for name, case in content["cases"].items()]


def _sheet(name: str, case: Entry) -> Sheet:
    rows = case["algorithms"]
    base = rows.get(BASE)
    stages = max(row["stages"] for row in rows.values())
    head = ["change", "seeds", *(f"PER, stage {k}" for k in range(1, stages + 1))]
    head += ["times base", "voltage violated, %", "seconds"]
    lines = []
    for change, row in rows.items():
        figures = row["figures"]
        lines.append(
            [
                _named(change, row),
                str(len(row["seeds"])),
                *(per_cent(summary) for summary in row["stage_per_mean"]),
                _ratio(figures["per_mean"], base and base["figures"]["per_mean"]),
                per_cent(figures["voltage_violation_rate"]),
                count(figures["wall_s"]),
            ]
        )
    first = next(iter(rows.values()))
    title = f"{name}, {first['name']}, preset {first['preset']}, one change at a time: PER in %"
    return Sheet(title, head, lines)


def _named(change: str, row: Entry) -> str:
    return f"preset {row['preset']} as it is" if change == BASE else _spaced(change)


def _spaced(change: str) -> str:
    return change.replace(TOGETHER, ", ")


def _ratio(figure: Entry, base: Entry | None) -> str:
    if base is None or not base["iqm"] or figure["iqm"] is None:
        return ""
    return number(figure["iqm"] / base["iqm"])


def _notes(content: Entry) -> Sequence[str]:
    return [RULES["interval"], f"commits of the runs: {', '.join(content['commits'])}"]


def _csv_rows(content: Entry) -> list[dict[str, Any]]:
    """One row per case, change and stage."""
    rows = []
    for name, case in content["cases"].items():
        for change, row in case["algorithms"].items():
            for k, summary in enumerate(row["stage_per_mean"], start=1):
                line = {"case": name, "change": change, "stage": k}
                line["seeds"] = " ".join(map(str, row["seeds"]))
                line |= {f"per_mean_{key}": summary[key] for key in ("iqm", "low", "high")}
                rows.append(line)
    return rows


def _draw(content: Entry, axes: Axes) -> None:
    """PER of the last stage by change, all seeds as points, beside that of the base."""
    name, case = next(iter(content["cases"].items()))
    rows = case["algorithms"]
    labels = []
    for place, (change, row) in enumerate(rows.items()):
        summary = row["figures"]["per_mean"]
        values = [value for value in summary["values"] if value is not None]
        colour = "#0072b2" if change == BASE else "#d55e00"
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.45, markersize=4)
        if summary["iqm"] is not None:
            axes.plot([summary["iqm"]], [place], "|", color=colour, markersize=16, mew=2.5)
        labels.append(_named(change, row))
    base = rows.get(BASE)
    if base is not None and base["figures"]["per_mean"]["iqm"] is not None:
        axes.axvline(base["figures"]["per_mean"]["iqm"], color=GREY, linewidth=0.9, linestyle=":")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    in_per_cent(axes.xaxis)
    axes.set_xlabel("mean PER of the last stage on the test states [%]")
    axes.set_title(f"{name}: one change at a time, points are seeds", loc="left", fontsize=10)
