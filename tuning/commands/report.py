"""``python -m tuning report``: tables and pictures of a folder, from its files."""

from __future__ import annotations

from dataclasses import dataclass
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


def report(args: ReportArgs) -> None:
    """Remake the pictures of a folder and print its tables; of many runs, remake everything.

    Raises:
        CommandError: The folder is none of these, or holds no finished run.
    """
    folder = args.folder
    if is_ablation(folder):
        from tuning.campaigns.ablation_report import report_ablation

        files = report_ablation(folder)
    elif is_sweep(folder):
        from tuning.sweep.report import report_sweep

        files = report_sweep(folder)
    elif find_cells(folder):
        from tuning.campaigns.comparison_report import report_comparison

        files = report_comparison(folder)
    elif folder.is_dir() and not (folder / "config.json").is_file():
        raise CommandError(f"{folder} is the folder of neither a run nor many")
    else:
        from tuning.subjects.kinds import subject_of

        run = load_run(folder)
        if not run.report_file.is_file():
            raise CommandError(
                f"{folder} holds no finished run: go on with train --resume {folder}"
            )
        content = run.report()
        subject = subject_of(run.case())
        files = subject.draw_report(content, run.path)
        subject.show_report(content)
    print(f"{folder}: {', '.join(path.name for path in files)}")
