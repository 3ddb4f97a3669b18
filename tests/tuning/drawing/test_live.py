"""Progress on a terminal and elsewhere: what is drawn, what is printed, and when."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tuning.drawing import live
from tuning.drawing.live import LiveBars, LiveTable


def to_text(*, terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=80), file


def test_lines_are_due_now_and_then(monkeypatch):
    now = 100.0
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    shown = LiveTable(to_text(terminal=False)[0])
    assert not shown.line_is_due()
    assert shown.line_is_due(at_once=True)
    now += shown.line_seconds - 1.0
    assert not shown.line_is_due()
    now += 1.0
    assert shown.line_is_due() and not shown.line_is_due()


@pytest.mark.parametrize("kind", [LiveBars, LiveTable])
def test_nothing_is_drawn_in_a_file(kind):
    console, file = to_text(terminal=False)
    with kind(console) as shown:
        shown.print("a line " * 40)
    assert file.getvalue() == "a line " * 40 + "\n"


def test_what_is_drawn_is_taken_away_and_lines_are_not_due():
    console, file = to_text(terminal=True)
    with pytest.raises(KeyboardInterrupt), LiveTable(console) as shown:
        shown.draw("a table")
        assert not shown.line_is_due(at_once=True)
        raise KeyboardInterrupt
    assert "a table" in file.getvalue() and "\x1b[?25h" in file.getvalue()  # the cursor is back
