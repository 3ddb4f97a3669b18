"""How all pictures of this project look, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.records.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

GREY = "#5f6670"
SIZE_INCHES = (7.2, 4.2)


def save_picture(
    path: Path, draw_on: Callable[[Axes], None], size: tuple[float, float] = SIZE_INCHES
) -> None:
    """Draw one pair of axes and write it as PNG, atomically.

    The same drawing gives the same bytes: no date and no version stands in the file.

    Args:
        path: File to write.
        draw_on: Draws on the empty axes.
        size: Width and height in inches, at 100 points per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e5e8", linewidth=0.8)
    axes.set_axisbelow(True)
    draw_on(axes)
    with replacing(path) as file:
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})


def in_per_cent(axis: Axis) -> None:
    """Label fractions in per cent; on a logarithmic axis also the 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter

    def minor(value: float, _: int | None) -> str:
        return f"{100 * value:g}" if f"{value:e}"[0] in "25" else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axis.set_minor_formatter(FuncFormatter(minor))
