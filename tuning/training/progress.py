"""Live progress of a training, on a terminal or as lines in a file."""

from __future__ import annotations

import time
from collections.abc import Callable

from policies.staged.config import StagedConfig
from tuning.drawing.live import LiveBars, console_for
from tuning.subjects.progress_row import ProgressRow


class TrainingProgress(LiveBars):
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
        super().__init__(console_for(quiet=quiet))
        self._in_words = in_words
        self._plans = [config.plan(stage) for stage in range(1, config.num_stages + 1)]
        self._total = sum(plan.updates for plan in self._plans)
        self._task = self.bars.add_task("starting", total=max(1, self._total))
        self._begun: tuple[float, int] | None = None

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
        self.bars.update(self._task, completed=done, description=text)
        now = time.monotonic()
        first_line = self._begun is None
        if self._begun is None:
            self._begun = (now, done)
        if self.line_is_due(at_once=first_line or row.updates >= plan.updates):
            started, first = self._begun
            speed = (done - first) / (now - started) if now > started else 0.0
            left = f"  {(self._total - done) / speed:.0f} s left" if speed > 0 else ""
            self.print(text + left)
