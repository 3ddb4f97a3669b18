"""Rows of pandapower's tables: which are in service, what they are called, blanks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rllib_grid.errors import FeederError

Row = Mapping[str, Any]

_ELEMENT = "_element"  # of a row: what to call it in a message
_UNLIMITED = ("max_i_ka",)  # columns in which infinity means something


def rows(net: Any, table: str, *, out_of_service: bool = False) -> Iterator[tuple[int, Row]]:
    """Index and row of every element, of those in service alone unless asked otherwise."""
    if table not in net or not len(net[table]):
        return
    frame = net[table]
    for index, row in zip(frame.index, frame.to_dict("records"), strict=True):
        if out_of_service or bool(row.get("in_service", True)):
            yield int(index), {**row, _ELEMENT: named(table, int(index), row)}


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
    """A cell as a number; the default where it is blank or there is no such column.

    Raises:
        FeederError: naming the element whose cell is no number.
    """
    cell: Any = row.get(column)
    if not is_given(cell):
        return default
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value) or (math.isinf(value) and column not in _UNLIMITED):
        raise FeederError(f"{row[_ELEMENT]}: {column} is {cell!r}, must be a number")
    return value


def power(row: Row, column: str) -> float:
    """A cell that may not be blank where there is such a column; 0 where there is none.

    Raises:
        FeederError: naming the element whose cell is blank or no number.
    """
    value = number(row, column, math.nan if column in row else 0.0)
    if math.isnan(value):
        raise FeederError(f"{row[_ELEMENT]}: {column} is blank, must be a number")
    return value


def whole(row: Row, column: str) -> int:
    """A cell as an index.

    Raises:
        FeederError: naming the element whose cell is none.
    """
    value = number(row, column, math.nan)
    if not value.is_integer():
        raise FeederError(f"{row[_ELEMENT]}: {column} is {row.get(column)}, must be an index")
    return int(value)


def buses(net: Any, row: Row, *columns: str) -> list[int]:
    """Indices of the buses that an element stands at or between.

    Raises:
        FeederError: naming the element, if the net has no such bus.
    """
    found = []
    for column in columns:
        bus = whole(row, column)
        if bus not in net.bus.index:
            raise FeederError(f"{row[_ELEMENT]}: {column} is {bus}, which is no bus of the net")
        found.append(bus)
    return found
