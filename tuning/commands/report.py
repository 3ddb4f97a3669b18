"""``python -m tuning report``: tables and pictures of a folder, from its files."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

from tuning.commands.ablate import is_ablation
from tuning.commands.sweep import is_sweep
from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option
from tuning.records.cells import find_cells
from tuning.records.run_folder import load_run


@dataclass(frozen=True, kw_only=True)
class ReportArgs(Arguments):
    """Options of ``report``."""

    folder: Annotated[
        Path,
        Option("folder of a run, comparison, ablation or sweep", metavar="DIR", positional=True),
    ]


# Who remakes what of each kind of folder: `module:function`, from the folder to its files.
REPORTS = {
    "ablation": "tuning.campaigns.ablation_report:report_ablation",
    "sweep": "tuning.sweep.report:report_sweep",
    "comparison": "tuning.campaigns.comparison_report:report_comparison",
    "run": "tuning.subjects.commands:report_run",
}


def check(args: ReportArgs) -> ReportArgs:
    """Check what is asked for.

    Raises:
        CommandError: The folder is neither that of a run nor of many.
    """
    if kind_of(args.folder) == "run":
        if args.folder.is_dir() and not (args.folder / "config.json").is_file():
            raise CommandError(f"{args.folder} is the folder of neither a run nor many")
        load_run(args.folder)
    return args


def kind_of(folder: Path) -> str:
    """Return of what a folder is, by the names of `REPORTS`."""
    if is_ablation(folder):
        return "ablation"
    if is_sweep(folder):
        return "sweep"
    return "comparison" if find_cells(folder) else "run"


def report(args: ReportArgs) -> None:
    """Remake the pictures of a folder and print its tables; of many runs, remake everything.

    Raises:
        CommandError: It holds no finished run.
    """
    module, function = REPORTS[kind_of(args.folder)].split(":")
    files = getattr(import_module(module), function)(args.folder)
    print(f"{args.folder}: {', '.join(path.name for path in files)}")
