"""The few statements of MATLAB that MATPOWER's case files of feeders are written in.

A case file is a function. Beside tables of numbers, files of distribution feeders hold code at
the end that converts them: impedances from ohms, loads from kW or kVA. A reader that takes the
tables alone is wrong by orders of magnitude. This one runs assignments of arithmetic to names and
to columns of tables, and refuses every other statement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rllib_grid.errors import FeederError

Value = float | NDArray[np.float64]
Columns = list[int] | slice

# What MATPOWER's idx_bus and idx_brch return, in their order (its manual, appendix B).
# fmt: off
_IDX_BUS = {
    "PQ": 1, "PV": 2, "REF": 3, "NONE": 4,
    "BUS_I": 1, "BUS_TYPE": 2, "PD": 3, "QD": 4, "GS": 5, "BS": 6, "BUS_AREA": 7, "VM": 8,
    "VA": 9, "BASE_KV": 10, "ZONE": 11, "VMAX": 12, "VMIN": 13,
    "LAM_P": 14, "LAM_Q": 15, "MU_VMAX": 16, "MU_VMIN": 17,
}
_IDX_BRANCH = {
    "F_BUS": 1, "T_BUS": 2, "BR_R": 3, "BR_X": 4, "BR_B": 5, "RATE_A": 6, "RATE_B": 7,
    "RATE_C": 8, "TAP": 9, "SHIFT": 10, "BR_STATUS": 11, "PF": 14, "QF": 15, "PT": 16, "QT": 17,
    "MU_SF": 18, "MU_ST": 19, "ANGMIN": 12, "ANGMAX": 13, "MU_ANGMIN": 20, "MU_ANGMAX": 21,
}
# fmt: on
_INDICES = {"idx_bus": _IDX_BUS, "idx_brch": _IDX_BRANCH}

_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "acos": np.arccos,
    "asin": np.arcsin,
    "sqrt": np.sqrt,
}
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(rf"\s*({_NUMBER}|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\.[*/^]|[-+*/^()\[\],:])")
_TABLES = ("bus", "branch", "gen")


class MatpowerCode:
    """A case file that has been run.

    Args:
        path: of the .m file.

    Attributes:
        tables: "bus", "branch" and "gen", as the function returns them: (rows, columns).
        base_mva: baseMVA.

    Raises:
        FeederError: naming the line and the statement that is not understood.
    """

    def __init__(self, path: Path) -> None:
        self.tables: dict[str, NDArray[np.float64]] = {}
        self.base_mva = math.nan
        self._struct = ""
        self._names: dict[str, Value] = {"pi": math.pi}
        self._path = path
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise FeederError(f"cannot read {path}: {error.strerror}") from None
        for line, statement in _statements(text):
            try:
                self._run(statement)
            except FeederError as error:
                raise FeederError(f"{error} (line {line} of {path.name})") from None
        for name in _TABLES:
            if name not in self.tables:
                raise FeederError(f"{path} is not a MATPOWER case: it has no mpc.{name}")
        if not self.base_mva > 0:
            raise FeederError(f"{path}: baseMVA is {self.base_mva:g}, must be > 0")

    def _run(self, statement: str) -> None:
        if match := re.fullmatch(r"function\s+(\w+)\s*=\s*\w+(?:\s*\(\s*\))?", statement):
            self._struct = match[1]
        elif re.match(r"function\b", statement):
            raise FeederError("not a case of format 2, which is `function mpc = NAME`")
        elif not self._struct:
            raise FeederError("not a MATPOWER case, which begins with `function mpc = NAME`")
        elif match := re.fullmatch(r"\[([^\]]*)\]\s*=\s*(\w+)", statement):
            self._name_columns(match[1], match[2])
        elif statement == "define_constants":
            self._names |= _IDX_BUS | _IDX_BRANCH
        elif match := re.match(rf"{self._struct}\.(\w+)\s*=(?!=)\s*", statement):
            self._set_field(match[1], statement[match.end() :])
        elif match := re.match(rf"{self._struct}\.(\w+)\s*\(([^=]*)\)\s*=(?!=)", statement):
            self._set_columns(match[1], match[2], statement[match.end() :])
        elif match := re.match(r"([A-Za-z]\w*)\s*=(?!=)", statement):
            self._names[match[1]] = self._value(statement[match.end() :])
        elif statement not in ("return", "end"):
            raise _unknown(statement)

    def _name_columns(self, names: str, source: str) -> None:
        if source not in _INDICES:
            raise FeederError(f"{source} is not handled, only idx_bus and idx_brch")
        known = _INDICES[source]
        given = names.replace(",", " ").split()
        if given != list(known)[: len(given)]:
            raise FeederError(f"names of {source} must be {', '.join(list(known)[:3])}, ...")
        self._names |= known

    def _set_field(self, field: str, text: str) -> None:
        if field == "version":
            if text.strip("'\" ") != "2":
                raise FeederError(f"version is {text}, must be '2'")
        elif field == "baseMVA":
            self.base_mva = float(self._value(text))
        elif field in _TABLES:
            self.tables[field] = self._table(field, text)
        elif field == "dcline" and text.strip("[] \n;"):
            raise FeederError(f"{self._struct}.dcline is not handled; replace it by generators")
        elif not re.fullmatch(r"[\[{'\"].*|[-+.\w]+", text, re.DOTALL):
            raise _unknown(f"{self._struct}.{field} = {text}")
        # Else a literal that no power flow depends on, such as gencost or bus_name.

    def _table(self, field: str, text: str) -> NDArray[np.float64]:
        """A table of numbers, or of arithmetic on them; rows end with a semicolon or a line."""
        if not (text.startswith("[") and text.endswith("]")):
            raise FeederError(f"mpc.{field} must be a table of numbers in brackets")
        rows = [row.replace(",", " ").split() for row in re.split(r"[;\n]", text[1:-1])]
        values = [[self._cell(cell) for cell in row] for row in rows if row]
        if not values or len({len(row) for row in values}) != 1:
            raise FeederError(f"mpc.{field} must have rows of one length, and at least one")
        return np.array(values)

    def _cell(self, text: str) -> float:
        try:
            return float(text)  # Inf and NaN too, which only columns that nobody reads may hold
        except ValueError:
            return float(self._value(text))

    def _set_columns(self, table: str, index: str, text: str) -> None:
        if table not in _TABLES:
            return  # gencost and the like
        columns = self._columns(table, index)
        value = self._value(text)
        held = self.tables[table]
        if np.ndim(value) and np.shape(value) != held[:, columns].shape:
            raise FeederError(f"{table}({index}) and its new value differ in shape")
        held[:, columns] = value

    def _columns(self, table: str, index: str) -> Columns:
        """Columns (from 0) of an index `:, X` or `:, [X Y]`: all rows, some columns."""
        rows, _, columns = index.partition(",")
        names = columns.replace(",", " ").strip(" []").split()
        if table not in self.tables or rows.strip() != ":" or not names:
            raise FeederError(f"{self._struct}.{table}({index}): must name whole columns")
        found = [self._value(name) for name in names]
        width = self.tables[table].shape[1]
        for name, column in zip(names, found, strict=True):
            if column not in range(1, width + 1):
                raise FeederError(f"{self._struct}.{table} has no column {name}, it has {width}")
        return [int(column) - 1 for column in found]

    def _value(self, text: str) -> Value:
        return _Arithmetic(text, self._names, self._element).value()

    def _element(self, name: str, index: str | None) -> Value:
        """What `mpc.name` or `mpc.name(index)` is."""
        table = name.removeprefix(f"{self._struct}.")
        if table == name:
            raise FeederError(f"{name} is not known here")
        if table == "baseMVA" and index is None:
            return self.base_mva
        if index is None or table not in self.tables:
            raise FeederError(f"{name} is not handled in arithmetic")
        row, _, column = index.partition(",")
        if row.strip() == ":":
            return self.tables[table][:, self._columns(table, index)]
        at = self._value(row)
        if at not in range(1, len(self.tables[table]) + 1):
            raise FeederError(f"{name} has no row {row.strip()}")
        first = self._columns(table, f":,{column}")
        return float(self.tables[table][int(at) - 1, first][0])


class _Arithmetic:
    """Numbers, names, functions and elements joined by + - * / ^ and brackets.

    `*` and `/` are MATLAB's matrix operations, which are those on elements where one side is a
    number; two tables need `.*` and `./`.
    """

    def __init__(
        self, text: str, names: dict[str, Value], element: Callable[[str, str | None], Value]
    ) -> None:
        self._text, self._at = text.strip(), 0
        self._names, self._element = names, element

    def value(self) -> Value:
        """Evaluate all of the text."""
        with np.errstate(all="ignore"):  # what is not finite is refused below
            value = self._sum()
        if self._at != len(self._text):
            raise _unknown(self._text)
        if not np.all(np.isfinite(value)):
            raise FeederError(f"{self._text} is not finite")
        return value

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match[1] if match else ""

    def _next(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise _unknown(self._text)
        self._at = match.end()
        return match[1]

    def _sum(self) -> Value:
        value = self._product()
        while self._peek() in ("+", "-"):
            value = value + self._product() if self._next() == "+" else value - self._product()
        return value

    def _product(self) -> Value:
        value = self._signed()
        while self._peek() in ("*", "/", ".*", "./"):
            sign = self._next()
            other = self._signed()
            tables = np.ndim(other) if sign == "/" else np.ndim(value) and np.ndim(other)
            if sign in ("*", "/") and tables:
                raise FeederError(f"{self._text}: a product of tables; must be .* or ./")
            value = value * other if "*" in sign else value / other
        return value

    def _signed(self) -> Value:
        if self._peek() in ("+", "-"):
            return -self._signed() if self._next() == "-" else self._signed()
        return self._power()

    def _power(self) -> Value:
        value = self._atom()
        while self._peek() in ("^", ".^"):
            sign = self._next()
            minus = self._peek() == "-" and bool(self._next())
            other = -self._atom() if minus else self._atom()
            if sign == "^" and (np.ndim(value) or np.ndim(other)):
                raise FeederError(f"{self._text}: a power of a table; must be .^")
            value = value**other
        return value

    def _atom(self) -> Value:
        token = self._next()
        if token == "(":
            value = self._sum()
            if self._next() != ")":
                raise _unknown(self._text)
            return value
        if re.fullmatch(_NUMBER, token):
            return np.float64(token)  # which divides by zero without an exception
        if not token[0].isalpha():
            raise _unknown(self._text)
        if self._peek() != "(":
            return self._names[token] if token in self._names else self._element(token, None)
        if token in _FUNCTIONS:
            return _FUNCTIONS[token](self._atom())
        return self._element(token, self._index())

    def _index(self) -> str:
        """What stands between the brackets that begin here."""
        begin = self._text.index("(", self._at)
        end = self._text.find(")", begin)
        if end < 0:
            raise _unknown(self._text)
        self._at = end + 1
        return self._text[begin + 1 : end]


def _unknown(statement: str) -> FeederError:
    shown = " ".join(statement.split())
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return FeederError(f"`{shown}` is code that is not run here, and may change the data")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements with the line that each begins on, without comments."""
    kept = ""
    begin = 1
    depth = 0
    in_block = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() in ("%{", "%}"):
            in_block = line.strip() == "%{"
            continue
        code = "" if in_block else _without_comment(line)
        if not kept.strip():
            begin = number
        continued = code.rstrip().endswith("...")
        code = code.rstrip()[:-3] + " " if continued else code + "\n"
        for sign in code:
            depth += sign in "[{("
            depth -= sign in "]})"
            if depth <= 0 and (sign == ";" or (sign == "\n")):
                if kept.strip():
                    yield begin, kept.strip()
                kept, begin, depth = "", number, 0
            else:
                kept += sign
    if kept.strip():
        yield begin, kept.strip()


def _without_comment(line: str) -> str:
    """The line up to a % that stands in no string."""
    in_string = False
    for i, sign in enumerate(line):
        if sign == "'":
            in_string = not in_string
        elif sign == "%" and not in_string:
            return line[:i]
    return line
