"""Fields of the case by name: what ``--case-settings`` may change, one number or word each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tuning.errors import CommandError
from tuning.options.cases import is_day_case
from tuning.options.settings import named_words

METER_ERROR = "meter_error_pu"  # an option of its own, --meter-error
_NOT_SCALAR = ("name", "feeder", "groups", "demand", "profiles", "heat", "soc_start")


def read_case_settings(case: str, words: Sequence[str]) -> dict[str, Any]:
    """Read changes to a case as the command line has them; a later one wins.

    Args:
        case: Name of the case.
        words: ``NAME=VALUE`` each. A number stands for all buses where the field has one for each.

    Returns:
        Values by name, in the order of the case's fields.

    Raises:
        CommandError: A word without ``=``, an unknown field, or a value that the case refuses.
    """
    from rllib_grid.checks import number_or_word

    found: dict[str, Any] = {}
    for name, text in named_words("--case-settings", words, case_setting_names(case)):
        found[name] = number_or_word(text)
    return check_case_settings(case, found)


def check_case_settings(case: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes to a case in the order of its fields.

    Raises:
        CommandError: An unknown field, or a value that the case refuses.
    """
    from rllib_grid import GridError, make_case, make_day_case

    make = make_day_case if is_day_case(case) else make_case
    try:
        if settings:
            make(case, **settings)
    except GridError as error:
        raise CommandError(f"--case-settings: {error}") from error
    return {name: settings[name] for name in case_setting_names(case) if name in settings}


def write_case_settings(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The inverse of `read_case_settings`."""
    return tuple(f"{name}={value}" for name, value in settings.items())


def case_setting_names(case: str) -> list[str]:
    """Fields of a case that one number or word can be for."""
    from rllib_grid import Case, DayCase
    from rllib_grid.cases.by_name import SHIPPED_CHOICES
    from rllib_grid.feeders.shipped import is_shipped

    days = is_day_case(case)
    fields = dataclasses.fields(DayCase if days else Case)
    names = [field.name for field in fields if field.name not in _NOT_SCALAR]
    if days:
        return names
    return ["agents", "grouping", *names, *(SHIPPED_CHOICES if is_shipped(case) else ())]
