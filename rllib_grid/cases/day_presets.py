"""Day cases by their names: the feeders and groups of plain cases, with batteries and profiles."""

from __future__ import annotations

from typing import Any

from rllib_grid.cases.by_name import make_case
from rllib_grid.cases.day_case import DayCase
from rllib_grid.checks import known
from rllib_grid.devices.heat import HeatPumps
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles

# Which plain case lends feeder and groups, and what differs from the defaults of `DayCase`.
DAY_CASES: dict[str, dict[str, Any]] = {
    "ieee13-day": {"of": "ieee13"},
    "ieee13-day-bdew": {"of": "ieee13", "profiles": SyntheticProfiles(shapes="bdew")},
    "ieee13-day-heat": {"of": "ieee13", "heat": HeatPumps()},
    "ieee13-twelve-day": {"of": "ieee13-twelve"},
}


def day_case_names() -> tuple[str, ...]:
    """Names of the presets."""
    return tuple(DAY_CASES)


def make_day_case(name: str, **overrides: Any) -> DayCase:
    """A preset, with some of its fields changed.

    Raises:
        GridError: on an unknown name or field, or a bad value.
    """
    known("day case", name, DAY_CASES)
    preset = dict(DAY_CASES[name])
    plain = make_case(preset.pop("of"))
    case = DayCase(name, plain.feeder, plain.groups, **preset)
    return case.replace(**overrides) if overrides else case
