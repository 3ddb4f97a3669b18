"""Live progress of a training, on a terminal or as lines in a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from policies.staged.config import StagedConfig
from tuning.subjects.progress_row import ProgressRow

LINE_SECONDS = 10.0


class TrainingProgress:
    """Shows stage, episodes, validation, speed and time left.

    On a terminal one bar over all updates moves; elsewhere a line is printed now and then.

    Args:
        config: Of the training; gives the work of each stage.
        in_words: What a row of progress says of the validation.
        quiet: Show nothing.
    """

    def __init__(
        self,
        config: StagedConfig,
        in_words: Callable[[ProgressRow], str],
        *,
        quiet: bool = False,
    ) -> None:
        self._in_words = in_words
        self._console = Console(highlight=False, quiet=quiet)
        self._plans = [config.plan(stage) for stage in range(1, config.num_stages + 1)]
        self._total = sum(plan.updates for plan in self._plans)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=max(1, self._total))
        self._begun: tuple[float, int] | None = None
        self._printed = 0.0

    def __enter__(self) -> TrainingProgress:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def update(self, row: ProgressRow) -> None:
        """Show where the training stands."""
        stage = row.stage
        done = sum(plan.updates for plan in self._plans[: stage - 1]) + row.updates
        plan = self._plans[stage - 1]
        text = (
            f"stage {stage}/{len(self._plans)}  "
            f"episodes {row.episodes:,}/{plan.episodes:,}  "
            f"{self._in_words(row)}  "
            f"{row.env_steps_per_s:,.0f} steps/s  {row.updates_per_s:,.0f} updates/s"
        )
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done, description=text)
            return
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, done)
        finished = row.updates >= plan.updates
        if now - self._printed >= LINE_SECONDS or finished:
            started, first = self._begun
            speed = (done - first) / (now - started) if now > started else 0.0
            left = f"  {(self._total - done) / speed:.0f} s left" if speed > 0 else ""
            self._console.print(text + left, soft_wrap=True)
            self._printed = now
