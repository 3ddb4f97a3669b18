"""All pictures of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.campaigns.pictures.against import draw_agents, draw_rounds, draw_stages
from tuning.campaigns.pictures.histograms import draw_histograms
from tuning.campaigns.pictures.learning_curves import draw_learning_curves
from tuning.campaigns.results.comparison import Comparison
from tuning.drawing.pictures import save_picture
from tuning.records.measures import PER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = (8.4, 4.8)


def draw_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Draw all pictures of a comparison.

    Args:
        comparison: What is drawn.
        out: Folder to write to.

    Returns:
        The files: per case histograms (of states alone), learning curves, what is compared against
        stages (and against rounds where an actor was iterated); with several cases of states,
        agents against PER.
    """
    drawings: dict[str, Callable[[Axes], None]] = {}
    for name, case in comparison.cases.items():
        if case.measure is PER:
            drawings[f"{name}-histograms.png"] = partial(draw_histograms, name, case.rows)
        drawings[f"{name}-learning-curves.png"] = partial(draw_learning_curves, name, case)
        drawings[f"{name}-stages.png"] = partial(draw_stages, name, case)
        if any(row.by_round for row in case.rows.values()):
            drawings[f"{name}-rounds.png"] = partial(draw_rounds, name, case.rows)
    cases = comparison.of_kind(PER)
    if len(cases) > 1:
        drawings["agents.png"] = partial(draw_agents, cases)
    for file_name, drawing in drawings.items():
        save_picture(out / file_name, drawing, _WIDE)
    return [out / file_name for file_name in drawings]
