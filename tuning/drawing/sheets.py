"""Tables as text cells, written in Markdown and on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 160  # columns, where the output is no terminal


@dataclass(frozen=True)
class Sheet:
    """A table, before it is written as Markdown or printed.

    Attributes:
        title: What stands above it.
        head: Names of the columns; the first is the row's name.
        rows: Cells as text, as many as there are columns.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def print_sheets(
    sheets: Sequence[Sheet], notes: Sequence[str], console: Console | None = None
) -> None:
    """Print tables, and lines below them.

    Args:
        sheets: The tables.
        notes: The lines.
        console: Where to; standard output if None.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    for sheet in sheets:
        table = Table(box=box.SIMPLE, title=sheet.title, title_justify="left", pad_edge=False)
        for i, name in enumerate(sheet.head):
            table.add_column(name, justify="right" if i else "left", no_wrap=i == 0)
        for row in sheet.rows:
            table.add_row(*row, style="dim" if row[0].startswith("  ") else None)
        console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True)


def to_markdown(title: str, sheets: Sequence[Sheet], notes: Sequence[str]) -> str:
    """Return tables under their titles, and the notes as a list."""
    parts = [f"# {title}"]
    for sheet in sheets:
        parts.append(f"## {sheet.title}")
        lines = [sheet.head, ["---", *["---:"] * (len(sheet.head) - 1)], *sheet.rows]
        parts.append("\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines))
    parts.append("\n".join(f"- {_escaped(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def number(value: float | None, factor: float = 1.0) -> str:
    """Two decimals, or three where the number is less than a tenth."""
    if value is None:
        return ""
    scaled = value * factor
    return f"{scaled:.3f}" if 0 < abs(scaled) < 0.1 else f"{scaled:,.2f}"


def _escaped(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
