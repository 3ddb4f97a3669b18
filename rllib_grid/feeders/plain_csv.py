"""Feeders from plain CSV, with the units in the header."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rllib_grid.checks import number
from rllib_grid.errors import FeederError
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.network import Branch, Bus, Network, listed
from rllib_grid.feeders.radial import radial_feeder

# Units of each quantity: factor to ohm, km, kW, kvar and kVA.
_UNITS: dict[str, dict[str, float]] = {
    "r": {"ohm": 1.0, "ohm_per_km": 1.0},
    "x": {"ohm": 1.0, "ohm_per_km": 1.0},
    "length": {"km": 1.0, "m": 1e-3},
    "p": {"kw": 1.0, "mw": 1e3, "w": 1e-3},
    "q": {"kvar": 1.0, "mvar": 1e3, "var": 1e-3},
    "s_limit": {"kva": 1.0, "mva": 1e3},
}
_PER_KM = "ohm_per_km"
_QUANTITY = re.compile(rf"({'|'.join(_UNITS)})(?:_(\w+))?")

Row = Mapping[str, str]


def from_csv(path: str | Path, *, v_base_kv: float, head: str | None = None) -> ImportedFeeder:
    """A feeder from a table with one row per branch.

    | column | meaning |
    |---|---|
    | `from_bus`, `to_bus` | names of its buses; from the head outwards |
    | `r_ohm`, `x_ohm` | impedance of the branch; or `r_ohm_per_km`, `x_ohm_per_km` and a length |
    | `length_km` or `length_m` | length, for impedances per km |
    | `p_kw`, `q_kvar` | load at `to_bus` (if wanted; also mw, w, mvar, var); both empty: none |
    | `s_limit_kva` | thermal rating of the branch (if wanted; also mva); empty for none |
    | `to_name` | what to call `to_bus` (if wanted) |

    Other columns are ignored, unless one holds a quantity above in an unknown unit alone.

    Args:
        path: of the .csv file.
        v_base_kv: nominal voltage, line to line of three phases.
        head: name of the bus that feeds all others; may be left out.

    Raises:
        FeederError: naming the column, or the line, the value and its bound.
    """
    path = Path(path)
    v_base_kv = number("v_base_kv", v_base_kv, above=0)
    header, rows = _read(path)
    units = _units(path, header)
    network = Network(path.stem, {})
    indices: dict[str, int] = {}

    def index(bus: str) -> int:
        if bus not in indices:
            indices[bus] = len(indices)
            network.buses[indices[bus]] = Bus(bus, v_base_kv)
        return indices[bus]

    fed = set()
    for line, row in rows:
        at = f"line {line} of {path.name}"
        ends = [row[column].strip() for column in ("from_bus", "to_bus")]
        if not all(ends):
            raise FeederError(f"from_bus is {ends[0]!r}, to_bus {ends[1]!r}: a gap ({at})")
        if ends[0] == ends[1]:
            raise FeederError(f"from_bus is {ends[0]!r}, to_bus {ends[1]!r}: must differ ({at})")
        start, end = index(ends[0]), index(ends[1])
        fed.add(end)
        network.branches.append(_branch(row, units, v_base_kv, start, end, at))
        _add_load(network.buses[end], row, units, at)
    _check_loaded_once(network, rows, indices, units, path)
    sources = [bus for bus in network.buses if bus not in fed]
    if not sources:
        raise FeederError(f"{path}: every bus is a to_bus, so there is no head: a loop")
    if head is not None and head not in indices:
        raise FeederError(f"{path} has no bus {head}")
    if head is None and len(sources) > 1:
        names = listed(bus for bus, i in indices.items() if i in sources)
        raise FeederError(
            f"{path}: branches lead away from {names}, but to none of these: the feeder is in "
            f"{len(sources)} pieces; must have one head"
        )
    network.head = sources[0] if head is None else indices[head]
    return radial_feeder(network)


def _read(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    rows: list[tuple[int, Row]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            header = [name.strip() for name in reader.fieldnames or []]
            _check_header(header, path)
            reader.fieldnames = header
            for row in reader:
                _check_width(row, header, f"line {reader.line_num} of {path.name}")
                rows.append((reader.line_num, row))
    except OSError as error:
        raise FeederError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise FeederError(f"cannot read {path}: not a .csv file of text") from None
    if not rows:
        raise FeederError(f"{path.name} has no branch, must have at least one")
    return header, rows


def _check_header(header: Sequence[str], path: Path) -> None:
    if not any(header):
        raise FeederError(f"{path.name} is empty, must begin with a header")
    if len(header) == 1 and ";" in header[0]:
        raise FeederError(
            f"{path.name} is separated by semicolons; must be commas, with decimal points"
        )
    for column in ("from_bus", "to_bus"):
        if column not in header:
            raise FeederError(f"{path.name} has no column {column}; it has {', '.join(header)}")


def _check_width(row: Mapping[Any, Any], header: Sequence[str], at: str) -> None:
    """Refuse cells beyond the header, as decimal commas make them."""
    beyond = row.get(None, [])
    if any(cell.strip() for cell in beyond):
        raise FeederError(
            f"{len(header) + len(beyond)} cells, but the header has {len(header)} ({at}); numbers "
            "need decimal points"
        )


def _units(path: Path, header: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Column and unit of each quantity.

    Raises:
        FeederError: on an unknown unit, a quantity that is there twice, or one that is missing.
    """
    found: dict[str, tuple[str, str]] = {}
    unknown: dict[str, tuple[str, str]] = {}
    for column in header:
        match = _QUANTITY.fullmatch(column)
        if match is None:
            continue
        quantity, unit = match[1], match[2] or ""
        if unit not in _UNITS[quantity]:
            unknown[quantity] = column, unit
        elif quantity in found:
            raise FeederError(f"{path.name}: {column} is there beside {found[quantity][0]}")
        else:
            found[quantity] = column, unit
    if not any(unit == _PER_KM for _, unit in found.values()):
        unknown.pop("length", None)  # which nobody needs
    for quantity, (column, unit) in unknown.items():
        if quantity not in found:
            raise FeederError(
                f"{path.name}: column {column} has the unit {unit or 'none'!r}, must be one of "
                f"{', '.join(f'{quantity}_{u}' for u in _UNITS[quantity])}"
            )
    for quantity in ("r", "x"):
        if quantity not in found:
            raise FeederError(
                f"{path.name} has no column {quantity}_ohm or {quantity}_{_PER_KM}; it has "
                f"{', '.join(header)}"
            )
        if found[quantity][1] == _PER_KM and "length" not in found:
            raise FeederError(f"{path.name}: {quantity}_{_PER_KM} needs length_km or length_m")
    return found


def _branch(
    row: Row, units: Mapping[str, tuple[str, str]], v_base_kv: float, start: int, end: int, at: str
) -> Branch:
    ohm = {}
    for quantity in ("r", "x"):
        column, unit = units[quantity]
        ohm[quantity] = _quantity(row, units, quantity, at)
        if ohm[quantity] < 0:
            raise FeederError(f"{column} is {ohm[quantity]:g}, must be >= 0 ({at})")
        if unit == _PER_KM:
            length_km = _quantity(row, units, "length", at)
            if length_km <= 0:
                raise FeederError(f"{units['length'][0]} is {length_km:g}, must be > 0 ({at})")
            ohm[quantity] *= length_km
    limit_kva = math.inf
    if "s_limit" in units and row[units["s_limit"][0]].strip():
        limit_kva = _quantity(row, units, "s_limit", at)
        if limit_kva <= 0:
            raise FeederError(f"{units['s_limit'][0]} is {limit_kva:g}, must be > 0 ({at})")
    per_ohm = 1 / v_base_kv**2
    name = f"the branch from {row['from_bus'].strip()} to {row['to_bus'].strip()} ({at})"
    return Branch(name, start, end, ohm["r"] * per_ohm, ohm["x"] * per_ohm, 1.0, limit_kva)


def _add_load(bus: Bus, row: Row, units: Mapping[str, tuple[str, str]], at: str) -> None:
    if "p" in units and "q" in units:
        cells = {units[quantity][0]: row[units[quantity][0]].strip() for quantity in "pq"}
        gap = [column for column, cell in cells.items() if not cell]
        if len(gap) == 1:
            given = next(column for column in cells if column not in gap)
            raise FeederError(
                f"{gap[0]} is empty where {given} is {cells[given]}; write 0, or leave both empty "
                f"({at})"
            )
    if "p" in units:
        bus.p_load_kw += _quantity(row, units, "p", at, blank=0.0)
    if "q" in units:
        bus.q_load_kvar += _quantity(row, units, "q", at, blank=0.0)
    if row.get("to_name", "").strip():
        bus.name = row["to_name"].strip()


def _check_loaded_once(
    network: Network,
    rows: Sequence[tuple[int, Row]],
    indices: Mapping[str, int],
    units: Mapping[str, tuple[str, str]],
    path: Path,
) -> None:
    """A bus that two rows lead to would get its load twice, and is a loop or a wrong direction."""
    first: dict[int, int] = {}
    for line, row in rows:
        bus = indices[row["to_bus"].strip()]
        if bus in first:
            raise FeederError(
                f"bus {network.buses[bus].name} is a to_bus twice, on lines {first[bus]} and "
                f"{line} of {path.name}: a loop, or a branch that leads towards the head"
            )
        first[bus] = line


def _quantity(
    row: Row,
    units: Mapping[str, tuple[str, str]],
    quantity: str,
    at: str,
    blank: float | None = None,
) -> float:
    column, unit = units[quantity]
    text = (row[column] or "").strip()
    if not text and blank is not None:
        return blank
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FeederError(f"{column} is {text!r}, must be a number ({at})")
    return value * _UNITS[quantity][unit]
