"""Live progress of an optimal dispatch, on a terminal or as lines in a file."""

from __future__ import annotations

import time

from rich.console import Console

from tuning.drawing.live import LiveBars, console_for


class DispatchProgress(LiveBars):
    """Shows how many states are solved; of one that is done in `line_seconds` no line.

    Args:
        num_states: To solve in all.
        console: Where to; standard output if None.
    """

    def __init__(self, num_states: int, console: Console | None = None) -> None:
        done = "{task.completed:,.0f} of {task.total:,.0f} states"
        super().__init__(console or console_for(), done=done)
        self._states = num_states
        self._task = self.bars.add_task("optimal dispatch", total=num_states)
        self._begun = time.monotonic()

    def update(self, solved: int) -> None:
        """Show that so many states are solved by now."""
        self.bars.update(self._task, completed=solved)
        if self.line_is_due():
            left = (time.monotonic() - self._begun) * (self._states - solved) / solved
            self.print(
                f"optimal dispatch  {solved:,} of {self._states:,} states  {left:.0f} s left"
            )
