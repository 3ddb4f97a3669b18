"""Which subject a case is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.subjects.subject import Subject

if TYPE_CHECKING:
    from rllib_grid import Case, DayCase


def subject_of(case: Case | DayCase) -> Subject:
    """Return what a case offers the commands."""
    from rllib_grid import DayCase
    from tuning.subjects.days import Days
    from tuning.subjects.states import States

    return Days(case) if isinstance(case, DayCase) else States(case)
