"""Live progress of many trainings at once: a table on a terminal, lines in a file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tuning.drawing.live import LiveTable, console_for
from tuning.records.cells import Cell
from tuning.records.files import read_json
from tuning.records.measures import measure_of, measure_of_progress

State = Literal["waiting", "running", "done", "failed"]
_STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "bold red"}


class CampaignProgress(LiveTable):
    """Shows every cell: episodes and what is validated while it runs, what it is compared by after.

    Args:
        cells: All cells, finished ones included.
        episodes: Episodes of each cell in all, by cell.
        quiet: Show nothing.
        console: Where to; standard output if None.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        episodes: Mapping[Cell, int],
        *,
        quiet: bool = False,
        console: Console | None = None,
    ) -> None:
        super().__init__(console or console_for(quiet=quiet))
        self._cells = cells
        self._episodes = episodes
        self._states: dict[Cell, State] = {c: "done" if c.finished else "waiting" for c in cells}
        self._texts = {cell: _result(cell) if cell.finished else "." for cell in cells}
        self._done_episodes = {c: episodes[c] if c.finished else begun(c)[0] for c in cells}
        self._first = sum(self._done_episodes.values())
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self.print(self._summary())
        super().__enter__()
        if self.on_terminal:
            self.draw(self._table())
        return self

    def set(self, cell: Cell, state: State) -> None:
        """Note that a cell has begun, is done or has failed."""
        self._states[cell] = state
        if state == "done":
            self._texts[cell] = _result(cell)
            self._done_episodes[cell] = self._episodes[cell]
        elif state == "failed":
            self._texts[cell] = "failed"
        else:
            self._texts[cell] = "begun"
        if not self.on_terminal:
            self.print(f"{cell}: {self._texts[cell]}")

    def refresh(self) -> None:
        """Read how far the running cells are, and show it."""
        for cell in self._cells:
            if self._states[cell] == "running":
                episodes, validated = begun(cell)
                self._done_episodes[cell] = episodes
                if validated:
                    self._texts[cell] = f"{_short(episodes)} {validated}"
        if self.on_terminal:
            self.draw(self._table())
        elif self.line_is_due():
            self.print(self._summary())
            for cell in self._cells:
                if self._states[cell] == "running":
                    self.print(f"  {cell}: {self._texts[cell]}")

    def _summary(self) -> str:
        states = list(self._states.values())
        counted = [f"{states.count('done')} of {len(states)} trainings done"]
        counted += [f"{n} {s}" for s in ("running", "failed") if (n := states.count(s))]
        done, total = sum(self._done_episodes.values()), sum(self._episodes.values())
        counted.append(f"{done:,} of {total:,} episodes")
        seconds = time.monotonic() - self._started
        if done > self._first:
            left = (total - done) * seconds / (done - self._first)
            counted.append(f"about {_duration(left)} left")
        return ", ".join(counted)

    def _table(self) -> Group:
        """One row per case and algorithm, one column per seed."""
        table = Table(box=box.SIMPLE, pad_edge=False)
        seeds = sorted({cell.seed for cell in self._cells})
        cases = {cell.case for cell in self._cells}
        table.add_column("episodes, validation; result when done", no_wrap=True)
        for seed in seeds:
            table.add_column(f"seed {seed}", justify="right", no_wrap=True)
        by_place = {(c.case, c.algorithm, c.seed): c for c in self._cells}
        for case, algorithm in dict.fromkeys((c.case, c.algorithm) for c in self._cells):
            shown = []
            for seed in seeds:
                cell = by_place.get((case, algorithm, seed))
                style = _STYLES[self._states[cell]] if cell is not None else ""
                shown.append(Text(self._texts[cell] if cell is not None else "", style=style))
            name = f"{case}  {algorithm}" if len(cases) > 1 else algorithm
            table.add_row(name, *shown)
        return Group(table, Text(self._summary()))


def begun(cell: Cell) -> tuple[int, str]:
    """Return how many episodes ``progress.csv`` counts, and what was validated last as text."""
    rows = cell.run.progress()
    if not rows:
        return 0, ""
    measure = measure_of_progress(rows[-1])
    text = measure.text(float(rows[-1][measure.validated]))
    return int(rows[-1]["episodes_total"]), text


def _result(cell: Cell) -> str:
    report = read_json(cell.run.report_file)
    figure = report["stages"][-1][measure_of(report).figure]
    return "done" if figure is None else f"{figure:.2%}"


def _short(episodes: int) -> str:
    return f"{episodes / 1000:.1f}k" if episodes >= 1000 else str(episodes)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
