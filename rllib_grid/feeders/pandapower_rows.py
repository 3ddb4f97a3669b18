"""Rows of pandapower's tables: which are in service, what they are called, blanks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]


def rows(net: Any, table: str, *, out_of_service: bool = False) -> Iterator[tuple[int, Row]]:
    """Index and row of every element, of those in service alone unless asked otherwise."""
    if table not in net or not len(net[table]):
        return
    frame = net[table]
    for index, row in zip(frame.index, frame.to_dict("records"), strict=True):
        if out_of_service or bool(row.get("in_service", True)):
            yield int(index), row


def named(table: str, index: int, row: Row) -> str:
    """What to call an element in a message: its table, index and, if it has one, name."""
    name = row.get("name")
    return f"{table} {index}" + (f" ({name})" if is_given(name) and str(name) else "")


def is_given(value: Any) -> bool:
    """Whether a cell holds something: neither None nor one of pandas' blanks."""
    if value is None or type(value).__name__ == "NAType":
        return False
    return not (isinstance(value, float) and math.isnan(value))


def number(row: Row, column: str, default: float = 0.0) -> float:
    """A cell as a number; the default where it is blank or there is no such column."""
    value: Any = row.get(column)
    return float(value) if is_given(value) else default
