"""Checks on numbers and arrays that come from outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.errors import GridError

Array = NDArray[np.float64]


def known(kind: str, name: object, names: Iterable[str]) -> None:
    """Raise a `GridError` that lists the choices if `name` is not one of `names`."""
    choices = list(names)
    if name not in choices:
        raise GridError(f"unknown {kind} {name!r}; choose from {', '.join(choices)}")


def known_fields(kind: str, made: Any, names: Iterable[str]) -> None:
    """Raise a `GridError` unless all names are fields of a dataclass, or of its objects."""
    for name in names:
        known(kind, name, (field.name for field in fields(made)))


def number_or_word(text: str) -> int | float | str:
    """A number where a text is one, whole where it is written so; else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def number(
    name: str,
    value: Any,
    *,
    above: float = -np.inf,
    at_least: float = -np.inf,
    below: float = np.inf,
    at_most: float = np.inf,
) -> float:
    """A finite number within bounds: `above` and `below` are themselves out of bounds.

    Raises:
        GridError: naming the value and the bounds.
    """
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise GridError(f"{name} is {value!r}, must be a number") from None
    if not np.isfinite(result):
        raise GridError(f"{name} is {result}, must be finite")
    if not (above < result < below and at_least <= result <= at_most):
        limits = ((">", above), (">=", at_least), ("<", below), ("<=", at_most))
        must = " and ".join(f"{sign} {limit:g}" for sign, limit in limits if np.isfinite(limit))
        raise GridError(f"{name} is {result:g}, must be {must}")
    return result


def whole(name: str, value: Any, *, at_least: int) -> int:
    """A whole number, not below `at_least`.

    Raises:
        GridError: naming the value and the bound.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise GridError(f"{name} is {value!r}, must be a whole number >= {at_least}")
    return int(value)


def per_bus(
    name: str,
    value: Any,
    num_buses: int,
    *,
    above: float = -np.inf,
    at_least: float = -np.inf,
) -> Array:
    """One finite number per bus; a scalar stands for all of them.

    Args:
        name: of the quantity, for the error.
        value: a number, or `num_buses` of them.
        num_buses: n.
        above: largest value that is too small.
        at_least: smallest value allowed.

    Returns:
        Read-only array (n,).

    Raises:
        GridError: naming the bus, the value and the bound.
    """
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise GridError(f"{name} is {value!r}, must be a number or {num_buses} of them") from None
    if array.shape not in ((), (num_buses,)):
        raise GridError(
            f"{name} has shape {array.shape}, must be one number or {num_buses} (one per bus)"
        )
    array = np.broadcast_to(array, (num_buses,)).copy()
    for bus, element in enumerate(array, start=1):
        number(f"bus {bus}: {name}", element, above=above, at_least=at_least)
    array.setflags(write=False)
    return array


def batch(name: str, value: Any, width: int) -> Array:
    """A batch of finite rows.

    Args:
        name: of the quantity, for the error.
        value: array-like (B, width).
        width: numbers per row.

    Returns:
        float64 (B, width).

    Raises:
        GridError: naming the shape, or the first row that is not finite.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise GridError(f"{name} must be an array of numbers of shape (B, {width})") from None
    if array.ndim != 2 or array.shape[1] != width:
        raise GridError(f"{name} has shape {array.shape}, must be (B, {width})")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise GridError(
            f"{name}: row {row}, column {column} is {array[row, column]}, must be finite"
        )
    return array
