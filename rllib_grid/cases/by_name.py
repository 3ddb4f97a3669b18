"""The door to every case of states: a preset, a synthetic case or a file, by its name."""

from __future__ import annotations

from typing import Any

from rllib_grid.cases.case import Case
from rllib_grid.cases.case_file import is_case_file, load_case
from rllib_grid.cases.presets import CASES
from rllib_grid.cases.synthetic import PATTERN, parse_name, synthetic_case
from rllib_grid.checks import known


def case_names() -> tuple[str, ...]:
    """Names of the presets."""
    return tuple(CASES)


def make_case(name: str, **overrides: Any) -> Case:
    """A case by its name, with some of its fields changed.

    Args:
        name: one of `case_names()`, or `synthetic-BUSES-AGENTS`, such as "synthetic-100-10": the
            feeder of `synthetic_feeder`, its buses dealt out to the agents in turn; or the path of
            a .json file that holds a case, see `load_case`.
        **overrides: fields of `Case`.

    Raises:
        GridError: on an unknown name or field, a file that holds no case, or a bad value.
    """
    if is_case_file(name):
        case = load_case(name)
    elif (sizes := parse_name(name)) is not None:
        case = synthetic_case(*sizes)
    else:
        known("case", name, (*case_names(), PATTERN))
        case = CASES[name]()
    return case.replace(**overrides) if overrides else case
