"""The files of a comparison, remade from its finished runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from policies.algorithms.registry import ALGORITHMS
from tuning.campaigns.comparison_tables import comparison_sheets
from tuning.campaigns.pictures.comparison_pictures import draw_comparison
from tuning.campaigns.results.comparison import Comparison, compare_runs, figures_of
from tuning.campaigns.results.runs import Run, finished_runs
from tuning.campaigns.results.states import best_round
from tuning.drawing.sheets import print_sheets, to_markdown
from tuning.errors import CommandError
from tuning.judging.paper_results import FOOTNOTE
from tuning.records.files import read_json, replacing, write_csv, write_json
from tuning.records.measures import PER

COMPARISON_JSON = "comparison.json"
COMPARISON_CSV = "comparison.csv"
COMPARISON_MD = "comparison.md"
RUNS_CSV = "runs.csv"
LIMITS_JSON = "limits.json"


def report_comparison(out: Path) -> list[Path]:
    """Write all files of a comparison anew from the finished runs below it, and print its tables.

    Args:
        out: Folder of the comparison.

    Returns:
        The files written.

    Raises:
        CommandError: No run is finished, or a file cannot be read or written.
    """
    runs = load_runs(out)
    comparison = compare_runs(runs, _limits(out, runs))
    files = write_comparison(comparison, runs, out)
    print_comparison(comparison)
    return files


def load_runs(out: Path) -> list[Run]:
    """Read the finished runs below a folder: cases by name, algorithms in their usual order.

    Raises:
        CommandError: There is none.
    """
    known = list(ALGORITHMS)

    def order(run: Run) -> tuple[str, int, str, int]:
        place = known.index(run.algorithm) if run.algorithm in known else len(known)
        return run.case, place, run.algorithm, run.seed

    runs = sorted(finished_runs(out), key=order)
    if not runs:
        raise CommandError(f"{out} holds no finished run; compare has to come to an end first")
    return runs


def write_comparison(comparison: Comparison, runs: Sequence[Run], out: Path) -> list[Path]:
    """Write JSON, CSV, Markdown and pictures.

    Args:
        comparison: Of the runs.
        runs: That were compared.
        out: Folder to write to.

    Returns:
        The files written.
    """
    write_json(out / COMPARISON_JSON, comparison.to_json())
    write_csv(out / COMPARISON_CSV, _csv_rows(comparison))
    write_csv(out / RUNS_CSV, _run_rows(runs))
    with replacing(out / COMPARISON_MD) as file:
        file.write(markdown(comparison).encode())
    names = (COMPARISON_JSON, COMPARISON_CSV, COMPARISON_MD, RUNS_CSV)
    return [*(out / name for name in names), *draw_comparison(comparison, out)]


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print the tables of a comparison.

    Args:
        comparison: What they show.
        console: Where to; standard output if None.
    """
    notes = [FOOTNOTE] if comparison.of_kind(PER) else []
    print_sheets(comparison_sheets(comparison), notes, console)


def markdown(comparison: Comparison) -> str:
    """Return ``comparison.md``: the tables, and the rules by which they are made."""
    notes = list(comparison.rules.values())
    if comparison.of_kind(PER):
        notes.append("paper: its own case and test states; " + FOOTNOTE)
    notes.append(f"commits of the runs: {', '.join(comparison.commits)}")
    return to_markdown("Comparison", comparison_sheets(comparison), notes)


def _limits(out: Path, runs: Sequence[Run]) -> dict[str, dict[int, float]]:
    """Return the information limits of the cases, and keep them with the comparison.

    Those of the cache count; where it has none, those that an earlier call has kept in
    ``limits.json``, so that the folder alone is enough wherever it is moved to.
    """
    kept = read_json(out / LIMITS_JSON) if (out / LIMITS_JSON).is_file() else {}
    for run in {run.case: run for run in runs if run.measure is PER}.values():
        known = _cached_limits(run)
        if known:
            kept[run.case] = {str(stages): per for stages, per in known.items()}
    if kept:
        write_json(out / LIMITS_JSON, kept)
    return {case: {int(k): per for k, per in known.items()} for case, known in kept.items()}


def _cached_limits(run: Run) -> dict[int, float] | None:
    """The limits that ``limits`` has computed for the very case of a run, by stage count."""
    from rllib_grid import Case
    from tuning.judging.information_limits.cache import load_limits

    return load_limits(Case.from_dict(run.config["case"]))


def _csv_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per case and algorithm."""
    rows = []
    for name, case in comparison.cases.items():
        for algorithm, row in case.rows.items():
            line = {"case": name, "agents": case.agents, "algorithm": algorithm}
            line |= {"name": row.title, "preset": row.preset, "stages": row.stages}
            line |= {"round": row.round, "seeds": " ".join(map(str, row.seeds))}
            for figure, summary in row.figures.items():
                line |= {f"{figure}_{key}": getattr(summary, key) for key in ("iqm", "low", "high")}
            line["paper_per_mean"] = row.paper.per_mean if row.paper else None
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
