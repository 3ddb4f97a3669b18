"""Live progress of an optimal dispatch, on a terminal or as lines in a file."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 10.0


class DispatchProgress:
    """Shows how many states are solved; nothing of a dispatch that is done in `LINE_SECONDS`.

    Args:
        num_states: To solve in all.
        console: Where to; standard output if None.
    """

    def __init__(self, num_states: int, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._states = num_states
        self._bar = Progress(
            TextColumn("optimal dispatch"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} states"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=num_states)
        self._begun = self._printed = time.monotonic()

    def __enter__(self) -> DispatchProgress:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def update(self, solved: int) -> None:
        """Show that so many states are solved by now."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=solved)
            return
        now = time.monotonic()
        if now - self._printed >= LINE_SECONDS:
            left = (now - self._begun) * (self._states - solved) / solved
            text = f"optimal dispatch  {solved:,} of {self._states:,} states  {left:.0f} s left"
            self._console.print(text, soft_wrap=True)
            self._printed = now
