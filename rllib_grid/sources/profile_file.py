"""Days from a user's CSV file."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import known_fields, number
from rllib_grid.errors import GridError
from rllib_grid.physics.power_factor import kvar_per_kw
from rllib_grid.sources.profiles import Profiles, check_steps

_MINUTES = {24: 60, 96: 15}
_SINGLE = ("price_eur_per_kwh", "outdoor_c")
_QUANTITIES = ("time", "p_base_kw_1..n", "q_base_kvar_1..n", *_SINGLE)
_PLAUSIBLE = {"price_eur_per_kwh": (0.0, 10.0), "outdoor_c": (-60.0, 60.0)}


@dataclass(frozen=True)
class FileProfiles:
    """Whole days of a CSV file, one row per 15 minutes or per hour.

    Columns, in any order: `time` (ISO 8601 without a zone, standard time all year), `p_base_kw_1`
    to `p_base_kw_n`, `q_base_kvar_1` to `q_base_kvar_n`, `price_eur_per_kwh`, `outdoor_c`. The
    first row is a midnight, the last one the last step before a midnight, and no row is missing.
    Without any column of reactive power it follows active consumption at `power_factor`.

    Attributes:
        path: of the file.
        num_steps: steps per day T; a file of 15 minutes can be read as hourly means.
        power_factor: of consumption, where the file has no reactive power.
        sha256: of the file's bytes; filled in if left empty, and checked if not, so that a stored
            case is only ever used with the file that it was made with.

    Raises:
        GridError: if the file cannot be read, or is another than it was.
    """

    path: str
    num_steps: int = 24
    power_factor: float = 0.95
    sha256: str = ""

    kind: ClassVar[str] = "file"

    def __post_init__(self) -> None:
        check_steps(self.num_steps)
        number("power_factor", self.power_factor, above=0, at_most=1)
        try:
            found = hashlib.sha256(Path(self.path).read_bytes()).hexdigest()
        except OSError as error:
            raise GridError(f"cannot read profiles {self.path}: {error.strerror}") from None
        if self.sha256 not in ("", found):
            raise GridError(
                f"{self.path} is not the file of profiles that this case was made with (its "
                "sha256 differs): bring that one back, or make the case anew"
            )
        object.__setattr__(self, "sha256", found)

    def load(self, num_buses: int) -> Profiles:
        """The file's days.

        Raises:
            GridError: in one line, naming the line of the file: a missing or unknown column, a
                cell that is no number, a gap, a clock change, or steps of another length.
        """
        return _load(self, num_buses)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {"kind": self.kind, **{f.name: getattr(self, f.name) for f in fields(self)}}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FileProfiles:
        """The inverse of `to_dict`.

        Raises:
            GridError: on an unknown field, or a file that is not the same any more.
        """
        values = {k: v for k, v in data.items() if k != "kind"}
        known_fields("field of profiles from a file", cls, values)
        return cls(**values)


@lru_cache(maxsize=4)
def _load(source: FileProfiles, num_buses: int) -> Profiles:
    path = Path(source.path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            has_q = _check_header(header, num_buses)
            times, values = _read_rows(reader, header)
        steps = _check_times(times)
        days = _cut(times, values, header, num_buses, steps)
        if not has_q:
            tangent = kvar_per_kw(source.power_factor)
            days = replace(days, q_base_kvar=np.maximum(days.p_base_kw, 0) * tangent)
        if source.num_steps > steps:
            raise GridError(f"has a row per hour, {source.num_steps} steps per day need 15 minutes")
    except GridError as error:
        raise GridError(f"{path.name}: {error}") from None
    except OSError as error:
        raise GridError(f"cannot read profiles {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise GridError(f"cannot read profiles {path}: not a .csv file of text") from None
    return days if source.num_steps == steps else days.hourly()


def _check_header(header: list[str], num_buses: int) -> bool:
    """Whether there are columns of reactive power; refuse any other surprise."""
    p_names = [f"p_base_kw_{bus}" for bus in range(1, num_buses + 1)]
    q_names = [f"q_base_kvar_{bus}" for bus in range(1, num_buses + 1)]
    for name in header:
        if name not in ("time", *p_names, *q_names, *_SINGLE):
            raise GridError(
                f"line 1: unknown column {name!r}; units are part of the names, and n is "
                f"{num_buses}: {', '.join(_QUANTITIES)}"
            )
    has_q = any(name in header for name in q_names)
    for name in ("time", *p_names, *(q_names if has_q else ()), *_SINGLE):
        if header.count(name) != 1:
            raise GridError(
                f"line 1: column {name!r} is there {header.count(name)} times, must be once"
            )
    return has_q


def _read_rows(
    reader: Any, header: list[str]
) -> tuple[list[tuple[int, np.datetime64]], NDArray[np.float64]]:
    """Line and time of every row, and its numbers in the header's order (time: NaN)."""
    times, rows = [], []
    at = header.index("time")
    for row in filter(None, reader):  # blank lines are no rows
        line = reader.line_num
        if len(row) != len(header):
            raise GridError(f"line {line} has {len(row)} cells, must have {len(header)}")
        times.append((line, _time(row[at], line)))
        rows.append(list(_numbers(row, header, line)))
    if not rows:
        raise GridError("holds no rows, must hold whole days")
    return times, np.array(rows)


def _time(text: str, line: int) -> np.datetime64:
    text = text.strip().replace(" ", "T")
    if text.endswith("Z") or "+" in text[10:] or "-" in text[10:]:
        raise GridError(
            f"line {line}: time {text!r} has a zone; give standard time all year without one"
        )
    try:
        return np.datetime64(text, "m")
    except ValueError:
        raise GridError(f"line {line}: time is {text!r}, must be like 2023-01-31T14:45") from None


def _numbers(row: list[str], header: list[str], line: int) -> Iterator[float]:
    for name, text in zip(header, row, strict=True):
        if name == "time":
            yield float("nan")
            continue
        try:
            value = float(text)
        except ValueError:
            raise GridError(f"line {line}: {name} is {text!r}, must be a number") from None
        if not np.isfinite(value):
            raise GridError(f"line {line}: {name} is {value}, must be finite")
        if name in _PLAUSIBLE:
            low, high = _PLAUSIBLE[name]
            if not (low < value < high):
                raise GridError(
                    f"line {line}: {name} is {value:g}, must be > {low:g} and < {high:g}; is its "
                    "unit right?"
                )
        yield value


def _check_times(times: list[tuple[int, np.datetime64]]) -> int:
    """Steps per day T; refuse gaps, clock changes and days that are not whole."""
    first_line, first = times[0]
    if first != first.astype("datetime64[D]"):
        raise GridError(f"line {first_line}: the first time is {first}, must be a midnight")
    minutes = int((times[1][1] - first).astype(np.int64)) if len(times) > 1 else 0
    steps = {length: count for count, length in _MINUTES.items()}.get(minutes)
    if steps is None:
        raise GridError(
            f"line {times[min(1, len(times) - 1)][0]}: {minutes} minutes after the line before, "
            "must be 15 or 60"
        )
    for (_, before), (line, time) in pairwise(times):
        if (wanted := before + np.timedelta64(minutes, "m")) != time:
            raise GridError(f"line {line}: time is {time}, must be {wanted}: {_why(wanted, time)}")
    last_line, last = times[-1]
    after = last + np.timedelta64(minutes, "m")
    if after != after.astype("datetime64[D]"):
        raise GridError(f"line {last_line}: the last day ends after {last}, must be whole")
    return steps


def _why(wanted: np.datetime64, time: np.datetime64) -> str:
    """What is probably the matter where a time is not the one that was due."""
    jump = int((time - wanted).astype(np.int64))
    hour = int((wanted - wanted.astype("datetime64[D]")).astype(np.int64)) // 60
    sunday = wanted.astype("datetime64[D]").astype(np.int64) % 7 == 3  # 1970-01-01: Thursday
    if abs(jump) == 60 and sunday and hour <= 3:  # when most of the world changes its clocks
        day = 23 if jump > 0 else 25
        return f"a clock change (a day of {day} hours); give standard time all year"
    return "a gap" if jump > 0 else "a row too many, or out of order"


def _cut(
    times: list[tuple[int, np.datetime64]],
    values: NDArray[np.float64],
    header: list[str],
    num_buses: int,
    steps: int,
) -> Profiles:
    """Rows as days; reactive power is 0 where the file has none."""
    days = len(times) // steps

    def columns(name: str) -> NDArray[np.float64]:
        names = [f"{name}_{bus}" for bus in range(1, num_buses + 1)]
        if names[0] not in header:
            return np.zeros((days, steps, num_buses))
        found = values[:, [header.index(one) for one in names]]
        return found.reshape(days, steps, num_buses)

    price, outdoor = (values[:, header.index(name)].reshape(days, steps) for name in _SINGLE)
    dates = np.array([time for _, time in times[::steps]]).astype("datetime64[D]")
    return Profiles(dates, columns("p_base_kw"), columns("q_base_kvar"), price, outdoor)
