"""What a day case refuses, how it is written down, and what its agents see."""

from __future__ import annotations

import json

import pytest

from rllib_grid import DayCase, GridError


def test_case_survives_json_and_refuses_nonsense(small):
    again = DayCase.from_dict(json.loads(json.dumps(small.to_dict())))
    assert again.to_dict() == small.to_dict()
    for change, says in (
        ({"efficiency": 1.2}, "efficiency is 1.2, must be > 0 and <= 1"),
        ({"capacity_kwh": 0.0}, "bus 1: capacity_kwh is 0, must be > 0"),
        ({"soc_start": (0.5, 1.2)}, "soc_start is 0.5 to 1.2, must be a range within 0..1"),
        ({"settle": "never"}, "unknown way to settle 'never'"),
        ({"groups": ((1, 2),)}, "no group holds bus 3"),
        ({"size": 3}, "unknown field of a day case 'size'"),
    ):
        with pytest.raises(GridError, match=says):
            small.replace(**change)


def test_a_case_saved_before_there_was_heat_is_read_as_it_was(small):
    saved = small.to_dict()
    assert saved.pop("heat") is None
    assert DayCase.from_dict(saved).to_dict() == small.to_dict()
