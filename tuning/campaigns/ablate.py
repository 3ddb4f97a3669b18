"""``python -m tuning ablate``: a preset with one thing changed at a time, over seeds."""

from __future__ import annotations

from tuning.campaigns.ablation_report import report_ablation
from tuning.campaigns.trainings import run_trainings
from tuning.commands.ablate import AblateArgs, cells, training


def run_ablate(args: AblateArgs) -> int:
    """Train what is missing; then remake table and figure from the files.

    Args:
        args: As returned by `tuning.commands.ablate.check`.

    Returns:
        0, or 1 if a training failed, see `run_trainings`.
    """
    recipes = {cell: training(args, cell) for cell in cells(args)}
    return run_trainings(args, recipes, report_ablation)
