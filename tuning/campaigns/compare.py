"""``python -m tuning compare``: algorithms over seeds, then tables and figures."""

from __future__ import annotations

from tuning.campaigns.comparison_report import report_comparison
from tuning.campaigns.trainings import run_trainings
from tuning.commands.compare import CompareArgs, cells, training


def run_compare(args: CompareArgs) -> int:
    """Train what is missing; then remake tables and figures from the files.

    Args:
        args: As returned by `tuning.commands.compare.check`.

    Returns:
        0, or 1 if a training failed, see `run_trainings`.
    """
    recipes = {cell: training(args, cell) for cell in cells(args)}
    return run_trainings(args, recipes, report_comparison)
