"""``python -m tuning ablate``: a preset with one thing changed at a time, over seeds."""

from __future__ import annotations

from pathlib import Path

from tuning.campaigns.ablation_report import print_ablation, remake
from tuning.campaigns.trainings import run_grid
from tuning.commands.ablate import AblateArgs, cells, training


def run_ablate(args: AblateArgs) -> int:
    """Train what is missing; then remake table and figure from the files.

    Args:
        args: As returned by `ablate_args.check`.

    Returns:
        0, or 1 if a training failed, see `grid.run_grid`.
    """
    trainings = {cell: training(args, cell) for cell in cells(args)}

    def show() -> list[Path]:
        files = remake(args.folder)
        print_ablation(args.folder)
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
