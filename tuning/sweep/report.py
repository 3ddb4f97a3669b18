"""The files of a sweep, remade from ``trials.json`` alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tuning.commands.sweep import SweepArgs, load_sweep
from tuning.drawing.pictures import save_picture
from tuning.drawing.sheets import Sheet, print_sheets, to_markdown
from tuning.records.files import replacing, write_csv, write_json
from tuning.sweep.pictures import AXES_PER_ROW, draw_axes, draw_curves, drawn_curve
from tuning.sweep.progress import value_text
from tuning.sweep.results import TRIALS_JSON, TrialResult, best_of, read_results

TRIALS_CSV = "trials.csv"
TRIALS_MD = "trials.md"
BEST_JSON = "best.json"
CURVES_PNG = "validation.png"
AXES_PNG = "hyperparameters.png"
PRINTED_TRIALS = 20


def report_sweep(out: Path) -> list[Path]:
    """Write all that is made of ``trials.json`` anew, and print the table of the best trials.

    Args:
        out: Folder of the sweep.

    Returns:
        The files: the trials and their table, pictures, and the best trial if one is finished.

    Raises:
        CommandError: The sweep has no results yet, or a file cannot be read or written.
    """
    args = load_sweep(out)
    trials = read_results(out, args.measure)
    notes = _notes(args, trials)
    write_csv(out / TRIALS_CSV, [_csv_row(trial) for trial in trials])
    with replacing(out / TRIALS_MD) as file:
        file.write(to_markdown("Sweep", [_sheet(args, trials)], notes).encode())
    files = [TRIALS_JSON, TRIALS_CSV, TRIALS_MD]
    best = best_of(trials)
    if best is not None:
        write_json(out / BEST_JSON, _best_content(args, best))
        files.append(BEST_JSON)
    if any(drawn_curve(trial)[0] for trial in trials):
        save_picture(out / CURVES_PNG, partial(draw_curves, trials))
        height = 2.6 * math.ceil(len(args.space.searched) / AXES_PER_ROW)
        save_picture(out / AXES_PNG, partial(draw_axes, args.space, trials), (7.8, height + 0.4))
        files += [CURVES_PNG, AXES_PNG]
    print_sheets([_sheet(args, trials[:PRINTED_TRIALS])], notes)
    if best is not None:
        print(f"train the best: python -m tuning train --config {out / BEST_JSON}")
    return [out / name for name in files]


def _best_content(args: SweepArgs, best: TrialResult) -> dict[str, Any]:
    return {
        "arguments": best.arguments,
        best.measure.validated: best.validated,
        "trial": best.number,
        "folder": best.folder,
        "search": args.search,
        "scheduler": args.scheduler,
    }


def _sheet(args: SweepArgs, trials: Sequence[TrialResult]) -> Sheet:
    measure = args.measure
    keys = [dimension.key for dimension in args.space.searched]
    head = ["trial", "state", f"validation {measure.what}, {measure.unit}", *keys]
    head += ["stage", "episodes", "updates", "seconds"]
    lines = []
    for trial in trials:
        last, value = trial.last, trial.validated
        figures = ["", "", "", ""]
        if last is not None:
            counts = (last["episodes_total"], last["updates_total"])
            figures = [str(last["stage"]), *(f"{c:,}" for c in counts), f"{last['wall_s']:.0f}"]
        lines.append(
            [
                str(trial.number),
                trial.state,
                "" if value is None else f"{measure.factor * value:.3f}",
                *(value_text(trial.values[key]) for key in keys),
                *figures,
            ]
        )
    shown = f"{args.scheduler}, {args.searcher}"
    return Sheet(f"{len(trials)} of {args.wanted} trials ({shown}), best first", head, lines)


def _notes(args: SweepArgs, trials: Sequence[TrialResult]) -> list[str]:
    measure = args.measure
    notes = [
        f"searched: {' '.join(args.search or ())}",
        f"validation {measure.what} is that of the last stage's best actors on the validation "
        f"{measure.kind}, by which they are chosen; the test {measure.kind} have not been touched",
    ]
    if args.scheduler == "pbt":
        notes.append("rates and noise changed in the middle of trainings; shown are the last ones")
    cases = {trial.case for trial in trials}
    if len(cases) > 1:
        for case in sorted(cases):
            best = best_of([trial for trial in trials if trial.case == case])
            if best is not None:
                value = measure.text(best.validated, digits=3)
                notes.append(f"best of {case}: trial {best.number}, {value}")
    failed = [trial for trial in trials if trial.state == "failed"]
    notes += [f"trial {trial.number} failed: {trial.error}" for trial in failed]
    return notes


def _csv_row(trial: TrialResult) -> dict[str, Any]:
    row: dict[str, Any] = {"trial": trial.number, "state": trial.state, **trial.values}
    if trial.last is not None:
        row |= {name: value for name, value in trial.last.items() if name not in row}
    return {**row, "folder": trial.folder, "error": trial.error}
