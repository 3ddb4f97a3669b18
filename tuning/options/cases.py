"""The cases that a command may name: cases of states, and cases of days."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tuning.errors import CommandError, did_you_mean
from tuning.records.files import plain

if TYPE_CHECKING:
    from rllib_grid import Case, DayCase


def is_day_case(name: str) -> bool:
    """Whether a name is that of a case of days."""
    from rllib_grid import day_case_names

    return name in day_case_names()


def check_case(name: str, *, days: str | None = None) -> None:
    """Refuse a ``--case`` that is no preset, synthetic case, case file or shipped network.

    Args:
        name: Of the case.
        days: Why a command takes no case of days, as the end of a sentence that begins with the
            case's name; None where it takes them.

    Raises:
        CommandError: With the nearest name and all others, or what is wrong with sizes or file.
    """
    from rllib_grid import GridError, case_names, day_case_names
    from rllib_grid.cases.by_name import make_case
    from rllib_grid.cases.case_file import is_case_file, load_case
    from rllib_grid.cases.synthetic import PATTERN, parse_name
    from rllib_grid.feeders.shipped import PATTERNS, is_shipped

    if is_day_case(name):
        if days is not None:
            raise CommandError(f"--case: {name} {days}")
        return
    try:
        if is_case_file(name):
            load_case(name)
            return
        if is_shipped(name):
            make_case(name)
            return
        synthetic = parse_name(name) is not None
    except GridError as error:
        raise CommandError(f"--case: {error}") from error
    if not synthetic and name not in case_names():
        names = (*case_names(), *(day_case_names() if days is None else ()))
        hint = did_you_mean(name, names)
        known = ", ".join((*names, PATTERN, *PATTERNS, "a .json file"))
        raise CommandError(f"--case: {name} is unknown{hint} (known: {known})")


def first_difference(
    one: Case | DayCase, other: Case | DayCase, aside: Collection[str] = ()
) -> str | None:
    """The first field in which two cases differ.

    Args:
        one: A case.
        other: Another.
        aside: Fields that may differ.

    Returns:
        Name of the field; None if the cases are the same.
    """
    mine, its = plain(one.to_dict()), plain(other.to_dict())
    missing = object()
    fields = (name for name in mine if name not in aside)
    return next((name for name in fields if its.get(name, missing) != mine[name]), None)
