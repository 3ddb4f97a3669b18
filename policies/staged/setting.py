"""What a setting of an algorithm may be: its kind, bounds, default and words."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = float | int | bool | str | tuple[float, ...] | None


@dataclass(frozen=True)
class Setting:
    """A row of the table of settings.

    Attributes:
        name: As configurations and command lines call it.
        kind: float, int, bool or str.
        default: What it is where nobody says otherwise; a tuple where several numbers are taken.
        words: One line that says what it is.
        group: What it belongs to: "learning", "networks", "stages", "exploration", "bounds" or
            "recurrence".
        low: Least number; itself allowed only if `closed`.
        high: Greatest number; itself allowed unless `below`.
        closed: Whether `low` is allowed.
        below: Whether `high` is not.
        several: How many numbers it takes at most; of more than one it holds a list.
        choices: The words allowed, for str.
        optional: Whether None ("none" on a command line) is a value.
        families: The algorithms that have it; all if empty.
        differs: What differs in a family, by its name: fields of this class.
        fixed_by: Which option of ``train`` sets it where ``--settings`` does not, such as
            "--stages"; "" for all others.
    """

    name: str
    kind: type
    default: Value
    words: str
    group: str = "learning"
    low: float = 0.0
    high: float = math.inf
    closed: bool = False
    below: bool = False
    several: int = 1
    choices: tuple[str, ...] = ()
    optional: bool = False
    families: tuple[str, ...] = ()
    differs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fixed_by: str = ""

    def of(self, family: str) -> Setting:
        """The row as a family has it."""
        return dataclasses.replace(self, **self.differs.get(family, {}), differs={})

    @property
    def bounds(self) -> str:
        """What a value must be, in words."""
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return f"one of {', '.join(self.choices)}"
        text = f"{'>=' if self.closed else '>'} {self.low:g}"
        if self.high < math.inf:
            text += f" and {'<' if self.below else '<='} {self.high:g}"
        return f"a whole number {text}" if self.kind is int else text

    def checked(self, value: Any) -> Any:
        """Bring a value into the form that configurations hold.

        Args:
            value: A number, word, switch or None; of several numbers a sequence, or one number.

        Returns:
            The value; a new list where the setting takes several numbers.

        Raises:
            ValueError: Naming the setting, the value and what it must be.
        """
        if value is None and self.optional:
            return None
        if self.several == 1:
            return self._one(value, value)
        listed = list(value) if _is_sequence(value) else [value]
        if not 1 <= len(listed) <= self.several:
            raise ValueError(f"{self.name} is {value!r}, must be 1 to {self.several} number(s)")
        return [self._one(item, value) for item in listed]

    def _one(self, value: Any, shown: Any) -> Any:
        fine = False
        if self.kind is bool:
            fine = type(value).__name__ in ("bool", "bool_")  # numpy's, old and new, too
            value = bool(value) if fine else value
        elif self.kind is str:
            fine = isinstance(value, str) and value in self.choices
        elif isinstance(value, numbers.Real) and not isinstance(value, bool):
            fine = self._inside(float(value)) and (self.kind is float or float(value).is_integer())
            value = self.kind(value) if fine else value
        if not fine:
            raise ValueError(f"{self.name} is {shown!r}, must be {self.bounds}")
        return value

    def _inside(self, number: float) -> bool:
        above = self.low <= number if self.closed else self.low < number
        under = number < self.high if self.below else number <= self.high
        return math.isfinite(number) and above and under

    def read(self, text: str) -> Value:
        """Read a value as a command line has it; several numbers are divided by commas.

        Raises:
            ValueError: Naming the setting, the text and what it must be.
        """
        if self.optional and text == "none":
            return None
        if self.kind is bool:
            if text not in ("true", "false"):
                raise ValueError(f"{self.name}={text} must be true or false")
            return text == "true"
        if self.kind is str:
            return str(self.checked(text))
        words = text.split(",")
        if len(words) > self.several:
            raise ValueError(f"{self.name}={text} takes at most {self.several} number(s)")
        found = tuple(self._number(word) for word in words)
        return found if len(found) > 1 else found[0]

    def _number(self, word: str) -> Any:
        try:
            number = self.kind(word)
        except ValueError:
            kind = "whole number" if self.kind is int else "number"
            raise ValueError(f"{self.name}={word} is no {kind}") from None
        if not self._inside(number):
            raise ValueError(f"{self.name}={word} is out of bounds, must be {self.bounds}")
        return number

    def write(self, value: Any) -> str:
        """The inverse of `read`."""
        if value is None:
            return "none"
        if self.kind is bool:
            return "true" if value else "false"
        if _is_sequence(value):
            return ",".join(map(str, value))
        return str(value)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
