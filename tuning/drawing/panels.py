"""Pictures of several panels, in the looks of `tuning.drawing.pictures`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.records.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colours of Okabe and Ito, which people who see no red or no green can tell apart.
BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PINK, SKY, YELLOW, BROWN = "#cc79a7", "#56b4e9", "#f0e442", "#7a5230"
SILVER = "#8a8f98"


def save_panels(path: Path, draw_on: Callable[[Figure], None], size: tuple[float, float]) -> None:
    """Let a function draw on an empty figure, and write it as PNG, atomically.

    The same drawing gives the same bytes: no date and no version stands in the file.

    Args:
        path: File to write.
        draw_on: Makes the axes and draws on them.
        size: Width and height in inches, at 100 points per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Figure = Figure(figsize=size, layout="constrained")
    draw_on(figure)
    with replacing(path) as file:
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})


def tidy(axes: Axes) -> None:
    """Give axes a quiet grid and no box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e5e8", linewidth=0.8)
    axes.set_axisbelow(True)


def tint(colour: str, share: float) -> str:
    """Mix a colour ``#rrggbb`` with white: all of it at share 1, white at 0."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in parts)
