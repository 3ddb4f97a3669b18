"""Tables and figures of a comparison, from the files of its runs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tuning.campaigns.comparison import Run, best_round, compare_runs, figures_of
from tuning.campaigns.comparison_figures import draw_comparison, limit_name
from tuning.drawing.sheets import (
    Sheet,
    count,
    interval,
    number,
    per_cent,
    print_sheets,
    to_markdown,
)
from tuning.errors import CommandError
from tuning.judging.paper import FOOTNOTE
from tuning.judging.samples import CDF_AT_PER_CENT
from tuning.options.algorithms import ALGORITHMS
from tuning.records.cells import Cell, find_cells
from tuning.records.files import read_json, replacing, write_csv, write_json

Entry = Mapping[str, Any]

COMPARISON_JSON = "comparison.json"
COMPARISON_CSV = "comparison.csv"
COMPARISON_MD = "comparison.md"
RUNS_CSV = "runs.csv"
LIMITS_JSON = "limits.json"


def remake(out: Path) -> list[Path]:
    """Write all files of a comparison anew from the finished runs below it.

    Args:
        out: Folder of the comparison.

    Returns:
        The files written: JSON, CSV, Markdown, PNG.

    Raises:
        CommandError: No run is finished, or a file cannot be read or written.
    """
    runs = load_runs(out)
    if not runs:
        raise CommandError(f"{out} holds no finished run; compare has to come to an end first")
    write_json(out / COMPARISON_JSON, compare_runs(runs, _limits(out, runs)))
    content = read_json(out / COMPARISON_JSON)
    write_csv(out / COMPARISON_CSV, _csv_rows(content))
    write_csv(out / RUNS_CSV, _run_rows(runs))
    with replacing(out / COMPARISON_MD) as file:
        file.write(markdown(content).encode())
    names = (COMPARISON_JSON, COMPARISON_CSV, COMPARISON_MD, RUNS_CSV)
    return [*(out / name for name in names), *draw_comparison(content, out)]


def load_runs(out: Path) -> list[Run]:
    """Read the finished runs below a folder: cases by name, algorithms in their usual order."""

    def order(cell: Cell) -> tuple[str, int, str, int]:
        known = list(ALGORITHMS)
        place = known.index(cell.algorithm) if cell.algorithm in known else len(known)
        return cell.case, place, cell.algorithm, cell.seed

    finished = [cell for cell in find_cells(out) if cell.finished]
    return [
        Run(cell.case, cell.algorithm, cell.seed, cell.run.report(), cell.run.config())
        for cell in sorted(finished, key=order)
    ]


def print_comparison(out: Path, console: Console | None = None) -> None:
    """Print the tables of ``comparison.json``.

    Args:
        out: Folder of the comparison.
        console: Where to; standard output if None.
    """
    print_sheets(sheets(read_json(out / COMPARISON_JSON)), [FOOTNOTE], console)


def markdown(content: Entry) -> str:
    """Return ``comparison.md``: the tables, and the rules by which they are made."""
    notes = [*content["rules"].values(), "paper: its own case and test states; " + FOOTNOTE]
    notes.append(f"commits of the runs: {', '.join(content['commits'])}")
    return to_markdown("Comparison", sheets(content), notes)


def sheets(content: Entry) -> list[Sheet]:
    """Return all tables of a comparison: two per case, and one over the cases."""
    found = []
    for name, case in content["cases"].items():
        agents = f"{case['agents']} agents, {case['test_states']:,} test states"
        found.append(_per_sheet(f"{name} ({agents}): PER and shares of states, in %", case))
        found.append(_effort_sheet(f"{name} ({agents}): episodes, cost, voltages", case))
    if content["all_cases"]:
        rows = [
            [_title(content, algorithm), str(len(summary["values"])), per_cent(summary)]
            for algorithm, summary in content["all_cases"].items()
        ]
        head = ["algorithm", "runs", "mean PER, %"]
        found.append(Sheet(f"all {len(content['cases'])} cases together", head, rows))
    return found


def _per_sheet(title: str, case: Entry) -> Sheet:
    """The paper's Figure 3b: mean PER and its distribution function, with the paper's own rows."""
    head = ["algorithm", "seeds", "mean PER", *(f"PER < {x} %" for x in CDF_AT_PER_CENT)]
    rows = []
    for row in case["algorithms"].values():
        figures = row["figures"]
        below = [per_cent(figures[f"per_below_{x}"], brief=True) for x in CDF_AT_PER_CENT]
        rows.append([_named(row), str(len(row["seeds"])), per_cent(figures["per_mean"]), *below])
        if row["paper"]:
            rows.append(_yardstick(f"  paper: {row['paper']['name']}", row["paper"]))
    rows += [_yardstick("team-optimal rule, one stage", case["team_rule"])]
    for stages, per in case["information_limit"].items():
        name = f"information limit, {limit_name(stages)}"
        rows.append([name, "", number(per, 100), *[""] * len(CDF_AT_PER_CENT)])
    rows += [_yardstick("zero action", case["zero_action"])]
    rows.append(["optimal dispatch", "", "0", *["100"] * len(CDF_AT_PER_CENT)])
    return Sheet(title, head, rows)


def _effort_sheet(title: str, case: Entry) -> Sheet:
    """The paper's Figure 3c, and what a PER does not tell: regret in kW and violations."""
    head = ["algorithm", "episodes", "to optimised performance", "to pass the paper"]
    head += ["regret, kW", "regret / optimum, %", "voltage violated, %", "seconds"]
    rows = []
    for row in case["algorithms"].values():
        figures = row["figures"]
        rows.append(
            [
                _named(row),
                count(figures["episodes"]),
                count(figures["episodes_to_optimised"]),
                count(figures["episodes_to_paper"]) if row["paper"] else "",
                interval(figures["regret_kw_mean"]),
                per_cent(figures["regret_ratio"]),
                per_cent(figures["voltage_violation_rate"]),
                count(figures["wall_s"]),
            ]
        )
        if row["paper"] and row["paper"]["episodes"]:
            rows.append([f"  paper: {row['paper']['name']}", row["paper"]["episodes"], *[""] * 6])
    for name, key in (
        ("team-optimal rule, one stage", "team_rule"),
        ("zero action", "zero_action"),
    ):
        entry = case[key]
        cells = [number(entry["regret_kw_mean"]), number(entry["regret_ratio"], 100)]
        cells.append(number(entry["voltage_violation_rate"], 100))
        rows.append([name, *[""] * 3, *cells, ""])
    return Sheet(title, head, rows)


def _named(row: Entry) -> str:
    rounds = f", round {row['round']}" if row["round"] is not None else ""
    preset = f" ({row['preset']})" if row["preset"] != "fast" else ""
    return f"{row['name']}{rounds}{preset}"


def _title(content: Entry, algorithm: str) -> str:
    first = next(iter(content["cases"].values()))
    return str(first["algorithms"][algorithm]["name"])


def _yardstick(name: str, entry: Entry) -> list[str]:
    return [name, "", number(entry["per_mean"], 100), *_below(entry["per_cdf"])]


def _below(cdf: Entry) -> list[str]:
    return [number(cdf.get(str(x)), 100) for x in CDF_AT_PER_CENT]


def _limits(out: Path, runs: Sequence[Run]) -> dict[str, dict[int, float]]:
    """Return the information limits of the cases, and keep them with the comparison.

    Those of the cache count; where it has none, those that an earlier call has kept in
    ``limits.json``, so that the folder alone is enough wherever it is moved to.
    """
    kept = read_json(out / LIMITS_JSON) if (out / LIMITS_JSON).is_file() else {}
    for run in {run.case: run for run in runs}.values():
        known = _cached_limits(run)
        if known:
            kept[run.case] = {str(stages): per for stages, per in known.items()}
    if kept:
        write_json(out / LIMITS_JSON, kept)
    return {case: {int(k): per for k, per in known.items()} for case, known in kept.items()}


def _cached_limits(run: Run) -> dict[int, float] | None:
    """The limits that ``limits`` has computed for the very case of a run, by stage count."""
    from rllib_grid import Case
    from tuning.judging.information_limit import load_limits

    return load_limits(Case.from_dict(run.config["case"]))


def _csv_rows(content: Entry) -> list[dict[str, Any]]:
    """One row per case and algorithm."""
    rows = []
    for name, case in content["cases"].items():
        for algorithm, row in case["algorithms"].items():
            line = {"case": name, "agents": case["agents"], "algorithm": algorithm}
            line |= {key: row[key] for key in ("name", "preset", "stages", "round")}
            line["seeds"] = " ".join(map(str, row["seeds"]))
            for figure, summary in row["figures"].items():
                line |= {f"{figure}_{key}": summary[key] for key in ("iqm", "low", "high")}
            line["paper_per_mean"] = row["paper"]["per_mean"] if row["paper"] else None
            rows.append(line)
    return rows


def _run_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row per run."""
    rows = []
    for run in runs:
        peers = [r.report for r in runs if (r.case, r.algorithm) == (run.case, run.algorithm)]
        line = {"case": run.case, "algorithm": run.algorithm, "seed": run.seed}
        rows.append({**line, **figures_of(run, best_round(peers))})
    return rows
