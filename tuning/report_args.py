"""``python -m tuning report``: tables and pictures of a run or a comparison, from its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tuning.arguments import Arguments, Option
from tuning.cells import find_cells
from tuning.errors import CommandError
from tuning.runfolder import load_run


@dataclass(frozen=True, kw_only=True)
class ReportArgs(Arguments):
    """Options of ``report``."""

    folder: Annotated[
        Path, Option("folder of a run or of a comparison", metavar="DIR", positional=True)
    ]


def report(args: ReportArgs) -> None:
    """Remake the pictures of a folder and print its tables; of a comparison, remake everything.

    Raises:
        CommandError: The folder is neither of the two, or holds no finished run.
    """
    folder = args.folder
    if find_cells(folder):
        from tuning.comparison_report import print_comparison, remake

        files = remake(folder)
        print_comparison(folder)
    elif folder.is_dir() and not (folder / "config.json").is_file():
        raise CommandError(f"{folder} is the folder of neither a run nor a comparison")
    else:
        from tuning.report import draw, print_report

        run = load_run(folder)
        if not run.report_file.is_file():
            raise CommandError(
                f"{folder} holds no finished run: go on with train --resume {folder}"
            )
        content = run.report()
        files = draw(content, run.path)
        print_report(content)
    print(f"{folder}: {', '.join(path.name for path in files)}")
