"""What a sweep comes to: ``trials.json``, and all that is made of it alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.commands.sweep import SweepArgs, load_sweep, training
from tuning.drawing.pictures import GREY, in_per_cent, save_picture
from tuning.drawing.sheets import Sheet, print_sheets, to_markdown
from tuning.errors import CommandError
from tuning.options.search_space import Range, Space
from tuning.records.files import read_json, replacing, write_csv, write_json
from tuning.sweep.progress import value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from tuning.sweep.watch import Watch

Entry = Mapping[str, Any]

TRIALS_JSON = "trials.json"
TRIALS_CSV = "trials.csv"
TRIALS_MD = "trials.md"
BEST_JSON = "best.json"
CURVES_PNG = "validation.png"
AXES_PNG = "hyperparameters.png"
PRINTED_TRIALS = 20
_AXES_PER_ROW = 3
_FAR_APART = 5.0
_BEST, _FINISHED = "#d55e00", "#0072b2"


def results(args: SweepArgs, watch: Watch) -> dict[str, Any]:
    """Return the content of ``trials.json``.

    Args:
        args: Of the sweep.
        watch: What was kept of its trials.
    """
    trials = []
    for number, trial in enumerate(watch.trials, start=1):
        rows = watch.rows.get(trial.trial_id, [])
        state = watch.ended.get(trial.trial_id, "unfinished")
        trials.append(
            {
                "trial": number,
                "state": state,
                "folder": str(Path(trial.path).relative_to(watch.folder.resolve())),
                "error": _reason(trial) if state == "failed" else None,
                "values": dict(trial.config),
                "last": rows[-1] if rows else None,
                "arguments": training(args, trial.config).to_json(),
                "rows": rows,
            }
        )
    return {"left": args.wanted - len(watch.ended), "trials": trials}


def is_complete(folder: Path) -> bool:
    """Whether every trial has come to its end, and none by failing."""
    if not (folder / TRIALS_JSON).is_file():
        return False
    content = read_json(folder / TRIALS_JSON)
    states = [trial["state"] for trial in content["trials"]]
    return content["left"] == 0 and "failed" not in states


def remake(out: Path) -> list[Path]:
    """Write all that is made of ``trials.json`` anew.

    Args:
        out: Folder of the sweep.

    Returns:
        The files: the trials and their table, pictures, and the best trial if one is finished.

    Raises:
        CommandError: The sweep has no results yet, or a file cannot be read or written.
    """
    args = load_sweep(out)
    if not (out / TRIALS_JSON).is_file():
        raise CommandError(f"{out} holds no results yet: go on with sweep --resume {out}")
    trials = _ranked(read_json(out / TRIALS_JSON))
    write_csv(out / TRIALS_CSV, [_csv_row(trial) for trial in trials])
    with replacing(out / TRIALS_MD) as file:
        file.write(to_markdown("Sweep", [_sheet(args, trials)], _notes(args, trials)).encode())
    files = [TRIALS_JSON, TRIALS_CSV, TRIALS_MD]
    best = _best(trials)
    if best is not None:
        write_json(out / BEST_JSON, _best_content(args, best))
        files.append(BEST_JSON)
    if any(_curve(trial)[0] for trial in trials):
        space = args.space
        save_picture(out / CURVES_PNG, partial(_draw_curves, trials))
        height = 2.6 * math.ceil(len(space.searched) / _AXES_PER_ROW)
        size = (7.8, height + 0.4)
        save_picture(out / AXES_PNG, partial(_draw_axes, space, trials), size)
        files += [CURVES_PNG, AXES_PNG]
    return [out / name for name in files]


def print_sweep(folder: Path) -> None:
    """Print the table of the best trials, what failed, and how to train the best one."""
    args = load_sweep(folder)
    trials = _ranked(read_json(folder / TRIALS_JSON))
    print_sheets([_sheet(args, trials[:PRINTED_TRIALS])], _notes(args, trials))
    if _best(trials) is not None:
        print(f"train the best: python -m tuning train --config {folder / BEST_JSON}")


def _ranked(content: Entry) -> list[Entry]:
    """Finished trials first, the best of each case on top."""
    order = ("finished", "unfinished", "stopped", "failed")
    return sorted(
        content["trials"],
        key=lambda t: (order.index(t["state"]), t["arguments"]["case"], _per(t), t["trial"]),
    )


def _best(trials: Sequence[Entry]) -> Entry | None:
    finished = [trial for trial in trials if trial["state"] == "finished"]
    return min(finished, key=_per, default=None)


def _best_content(args: SweepArgs, best: Entry) -> dict[str, Any]:
    return {
        "arguments": best["arguments"],
        "validation_per": best["last"]["validation_per"],
        "trial": best["trial"],
        "folder": best["folder"],
        "search": args.search,
        "scheduler": args.scheduler,
    }


def _per(trial: Entry) -> float:
    """Last validation PER; infinite where there is none."""
    per = trial["last"]["validation_per"] if trial["last"] else None
    return math.inf if per is None else float(per)


def _reason(trial: Any) -> str:
    """The last line of what a trial failed with."""
    lines = str(trial.get_error() or "unknown").strip().splitlines()
    return lines[-1].strip()


def _sheet(args: SweepArgs, trials: Sequence[Entry]) -> Sheet:
    keys = [dimension.key for dimension in args.space.searched]
    head = ["trial", "state", "validation PER, %", *keys, "stage", "episodes", "updates", "seconds"]
    lines = []
    for trial in trials:
        last = trial["last"]
        per = _per(trial)
        figures = ["", "", "", ""]
        if last:
            counts = (last["episodes_total"], last["updates_total"])
            figures = [str(last["stage"]), *(f"{c:,}" for c in counts), f"{last['wall_s']:.0f}"]
        lines.append(
            [
                str(trial["trial"]),
                trial["state"],
                f"{100 * per:.3f}" if math.isfinite(per) else "",
                *(value_text(trial["values"][key]) for key in keys),
                *figures,
            ]
        )
    shown = f"{args.scheduler}, {args.searcher}"
    return Sheet(f"{len(trials)} of {args.wanted} trials ({shown}), best first", head, lines)


def _notes(args: SweepArgs, trials: Sequence[Entry]) -> list[str]:
    notes = [
        f"searched: {' '.join(args.search or ())}",
        "validation PER is that of the last stage's best actors on the validation states, by "
        "which they are chosen; the test states have not been touched",
    ]
    if args.scheduler == "pbt":
        notes.append("rates and noise changed in the middle of trainings; shown are the last ones")
    cases = {trial["arguments"]["case"] for trial in trials}
    if len(cases) > 1:
        for case in sorted(cases):
            best = _best([trial for trial in trials if trial["arguments"]["case"] == case])
            if best is not None:
                notes.append(f"best of {case}: trial {best['trial']}, {_per(best):.3%}")
    failed = [trial for trial in trials if trial["state"] == "failed"]
    notes += [f"trial {trial['trial']} failed: {trial['error']}" for trial in failed]
    return notes


def _csv_row(trial: Entry) -> dict[str, Any]:
    row = {name: trial[name] for name in ("trial", "state")}
    row |= trial["values"]
    if trial["last"]:
        row |= {name: value for name, value in trial["last"].items() if name not in row}
    return {**row, "folder": trial["folder"], "error": trial["error"]}


def _curve(trial: Entry) -> tuple[list[int], list[float]]:
    """Episodes and validation PER of all rows that have one."""
    rows = [row for row in trial["rows"] if row["validation_per"] is not None]
    rows = [row for row in rows if row["validation_per"] > 0]  # the axis is logarithmic
    return [row["episodes_total"] for row in rows], [row["validation_per"] for row in rows]


def _colour(trial: Entry, best: Entry | None) -> str:
    if trial is best:
        return _BEST
    return _FINISHED if trial["state"] == "finished" else GREY


def _draw_curves(trials: Sequence[Entry], axes: Axes) -> None:
    """Validation PER over episodes, all trials, the best one on top."""
    best = _best(trials)
    for trial in reversed(trials):
        top = trial is best
        label = f"best: trial {trial['trial']}, {_per(trial):.2%}" if top else None
        axes.plot(
            *_curve(trial),
            color=_colour(trial, best),
            alpha=1.0 if top else 0.45,
            linewidth=1.8 if top else 0.9,
            zorder=3 if top else 2,
            label=label,
        )
    _per_axis(axes.yaxis, [per for trial in trials for per in _curve(trial)[1]])
    axes.set_xlabel("episodes")
    axes.set_ylabel("mean PER on the validation states [%]")
    axes.set_title("all trials; grey ones were not trained to the end", loc="left", fontsize=10)
    if best is not None:
        axes.legend(frameon=False)


def _draw_axes(space: Space, trials: Sequence[Entry], axes: Axes) -> None:
    """A pair of axes for each searched value, against the last validation PER."""
    figure = axes.figure
    axes.remove()
    columns = min(_AXES_PER_ROW, len(space.searched))
    rows = math.ceil(len(space.searched) / columns)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    best = _best(trials)
    shown = [trial for trial in trials if 0 < _per(trial) < math.inf]
    for dimension, panel in zip(space.searched, panels, strict=False):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#e3e5e8", linewidth=0.8)
        panel.set_axisbelow(True)
        _per_axis(panel.yaxis, [_per(trial) for trial in shown])
        panel.set_xlabel(dimension.key)
        values = [trial["values"][dimension.key] for trial in shown]
        if isinstance(dimension, Range):
            _range_axis(panel.xaxis, dimension)
        else:
            panel.set_xticks(range(len(dimension.values)), dimension.values)
            panel.set_xlim(-0.5, len(dimension.values) - 0.5)
            values = [dimension.values.index(value) for value in values]
        for trial, value in zip(shown, values, strict=True):
            panel.plot(
                [value],
                [_per(trial)],
                "*" if trial is best else "o",
                color=_colour(trial, best),
                alpha=1.0 if trial is best else 0.5,
                markersize=11 if trial is best else 5,
                zorder=3 if trial is best else 2,
                clip_on=False,
            )
    for panel in panels:  # what zip has left
        panel.set_visible(False)
    figure.supylabel("validation PER [%]", fontsize=10)


def _per_axis(axis: Axis, per: Sequence[float]) -> None:
    """In per cent, on a log scale where the values are far apart."""
    if max(per) > _FAR_APART * min(per):
        axis.axes.set_yscale("log")
    in_per_cent(axis)


def _range_axis(axis: Axis, dimension: Range) -> None:
    """Bounds of a range, and labels at 1, 2 and 5 of each decade where it is logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    panel = axis.axes
    panel.set_xlim(dimension.low, dimension.high)
    if dimension.log:
        panel.set_xscale("log")
        panel.set_xlim(dimension.low, dimension.high)
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(
            FuncFormatter(
                lambda value, _: (
                    f"{value:.0e}".replace("e-0", "e-") if value < 0.01 else f"{value:g}"
                )
            )
        )
