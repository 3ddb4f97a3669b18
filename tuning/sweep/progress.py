"""Live progress of a sweep: a table of trials on a terminal, lines in a file."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tuning.drawing.live import LiveTable, console_for
from tuning.options.search_space import Space
from tuning.records.measures import Measure

REFRESH_SECONDS = 1.0
_SPARE_LINES = 8  # of a terminal, beside the rows of the table
_STATES = {"PENDING": "waiting", "PAUSED": "paused", "RUNNING": "running"}  # by Tune's names
_STATES |= {"TERMINATED": "stopped", "ERROR": "failed"}
_STYLES = {
    "waiting": "dim",
    "paused": "dim",
    "running": "cyan",
    "finished": "green",
    "stopped": "dim",
    "failed": "bold red",
}


class SweepProgress(LiveTable):
    """Shows every trial: state, stage, episodes, what is validated and what it tries.

    Args:
        space: What is searched.
        measure: What trials are compared by.
        wanted: Number of trials.
        quiet: Show nothing.
        console: Where to; standard output if None.
    """

    def __init__(
        self,
        space: Space,
        measure: Measure,
        wanted: int,
        *,
        quiet: bool = False,
        console: Console | None = None,
    ) -> None:
        super().__init__(console or console_for(quiet=quiet))
        self._keys = [dimension.key for dimension in space.searched]
        self._measure = measure
        self._wanted = wanted
        self._trials: Sequence[Any] = ()
        self._rows: Mapping[str, Sequence[Mapping[str, Any]]] = {}
        self._states: dict[str, str] = {}
        self._announced: set[str] = set()
        self._shown = 0.0

    def refresh(
        self,
        trials: Sequence[Any],
        rows: Mapping[str, Sequence[Mapping[str, Any]]],
        ended: Mapping[str, str],
    ) -> None:
        """Show how far the trials are: beginnings and ends at once, the rest now and then.

        Args:
            trials: Tune's, in the order in which they are counted.
            rows: By trial, what it has reported.
            ended: By trial, how it has ended.
        """
        first = not self._trials
        self._trials, self._rows = trials, rows
        for number, trial in enumerate(trials, start=1):
            state = ended.get(trial.trial_id) or _STATES[trial.status]
            if state != self._states.get(trial.trial_id):
                self._states[trial.trial_id] = state
                self._announce(number, trial, state, known=first)
        now = time.monotonic()
        if self.on_terminal and now - self._shown >= REFRESH_SECONDS:
            self._shown = now
            self.draw(self._table())
        elif self.line_is_due():
            self.print(self._summary())

    def _announce(self, number: int, trial: Any, state: str, *, known: bool) -> None:
        """Print that a trial has begun or ended, once, and nothing that was so from the start."""
        text = None
        if state == "running" and trial.trial_id not in self._announced:
            self._announced.add(trial.trial_id)
            tried = ", ".join(f"{key} {value_text(trial.config[key])}" for key in self._keys)
            text = f"begun, {tried}"
        elif state in ("finished", "stopped", "failed") and not known:
            row = self._last(trial)
            after = (
                f", {self._validated(row)} after {row['episodes_total']:,} episodes" if row else ""
            )
            text = state + after
        if text is not None and not self.on_terminal:
            self.print(f"trial {number}: {text}")

    def _last(self, trial: Any) -> Mapping[str, Any] | None:
        rows = self._rows.get(trial.trial_id)
        return rows[-1] if rows else None

    def _summary(self) -> str:
        states = list(self._states.values())
        counted = [f"{states.count('finished')} of {self._wanted} trials finished"]
        for state in ("running", "stopped", "failed"):
            if count := states.count(state):
                counted.append(f"{count} {state}")
        rows = [row for trial in self._trials if (row := self._last(trial)) is not None]
        if rows:
            best = min(rows, key=self._order)
            counted.append(f"best {self._named} {self._validated(best)}")
        return ", ".join(counted)

    def _table(self) -> Group:
        """The running trials and the best others, as many as there is room for."""
        table = Table(box=box.SIMPLE, pad_edge=False)
        for name in ("trial", "state", "stage", "episodes", self._named, "s", *self._keys):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        ranked = sorted(enumerate(self._trials, start=1), key=lambda pair: self._rank(pair[1]))
        for number, trial in ranked[: max(1, self._console.height - _SPARE_LINES)]:
            row = self._last(trial)
            cells = ["", "", "", ""]
            if row is not None:
                episodes = f"{row['episodes_total']:,}"
                cells = [str(row["stage"]), episodes, self._validated(row), f"{row['wall_s']:.0f}"]
            tried = [value_text(trial.config[key]) for key in self._keys]
            name = self._states[trial.trial_id]
            table.add_row(str(number), Text(name, style=_STYLES[name]), *cells, *tried)
        return Group(table, Text(self._summary()))

    def _rank(self, trial: Any) -> tuple[bool, float]:
        row = self._last(trial)
        return self._states[trial.trial_id] != "running", self._order(row) if row else math.inf

    @property
    def _named(self) -> str:
        return f"validation {self._measure.what}"

    def _validated(self, row: Mapping[str, Any]) -> str:
        return self._measure.text(float(row[self._measure.validated]))

    def _order(self, row: Mapping[str, Any]) -> float:
        return self._measure.order(float(row[self._measure.validated]))


def value_text(value: Any) -> str:
    """Return a searched value as tables show it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
