"""How long work shows itself: drawn on a terminal, as a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import ClassVar, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def console_for(*, quiet: bool = False) -> Console:
    """Return the console of standard output.

    Args:
        quiet: Whether it prints nothing.
    """
    return Console(highlight=False, quiet=quiet)


class _Shown:
    """Starts and stops what is drawn on a terminal, and times the lines elsewhere.

    Args:
        console: Where to.
        drawn: On a terminal.

    Attributes:
        line_seconds: Between two lines elsewhere.
    """

    line_seconds: ClassVar[float]

    def __init__(self, console: Console, drawn: Progress | Live) -> None:
        self._console = console
        self._drawn = drawn
        self._printed = time.monotonic()

    @property
    def on_terminal(self) -> bool:
        """Whether it is drawn."""
        return self._console.is_terminal

    def __enter__(self) -> Self:
        if self.on_terminal:
            self._drawn.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.on_terminal:
            self._drawn.stop()

    def line_is_due(self, *, at_once: bool = False) -> bool:
        """Whether a line is to be printed now; the next one is due some seconds later.

        Args:
            at_once: Do not wait for its time.
        """
        now = time.monotonic()
        due = not self.on_terminal and (at_once or now - self._printed >= self.line_seconds)
        if due:
            self._printed = now
        return due

    def print(self, text: str) -> None:
        """Print a line, however long."""
        self._console.print(text, soft_wrap=True)


class LiveBars(_Shown):
    """Bars of tasks, each with a text, how much is done and the time left.

    Args:
        console: Where to.
        done: How much is done, in rich's words.

    Attributes:
        bars: Rich's, for tasks to be added and updated.
    """

    line_seconds = 10.0

    def __init__(self, console: Console, done: str = "{task.percentage:>3.0f} %") -> None:
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn(done),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        super().__init__(console, self.bars)


class LiveTable(_Shown):
    """A table that is drawn anew.

    Args:
        console: Where to.
    """

    line_seconds = 30.0

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, auto_refresh=False)
        super().__init__(console, self._live)

    def draw(self, table: RenderableType) -> None:
        """Draw the table as it is now."""
        self._live.update(table, refresh=True)
