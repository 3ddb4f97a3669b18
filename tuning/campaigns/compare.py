"""``python -m tuning compare``: algorithms over seeds, then tables and figures."""

from __future__ import annotations

from pathlib import Path

from tuning.campaigns.comparison_report import print_comparison, remake
from tuning.campaigns.trainings import run_grid
from tuning.commands.compare import CompareArgs, cells, training


def run_compare(args: CompareArgs) -> int:
    """Train what is missing; then remake tables and figures from the files.

    Args:
        args: As returned by `compare_args.check`.

    Returns:
        0, or 1 if a training failed, see `grid.run_grid`.
    """
    trainings = {cell: training(args, cell) for cell in cells(args)}

    def show() -> list[Path]:
        files = remake(args.folder)
        print_comparison(args.folder)
        return files

    return run_grid(
        args.folder,
        trainings,
        args.workers,
        quiet=args.quiet,
        show=show,
        dashboard=args.dashboard,
        address=args.address,
    )
