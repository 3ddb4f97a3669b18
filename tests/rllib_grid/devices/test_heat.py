"""Data of heat pumps: what is refused, and what survives JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.cases.day_case import DayCase
from rllib_grid.devices.heat import HeatPumps


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"t_high_c": 20.0}, "t_high_c is 20, must be > 20"),
        ({"t_set_c": 25.0}, r"t_set_c is 25, must be in 20\.\.24"),
        ({"comfort_eur_per_k2_h": -1.0}, "comfort_eur_per_k2_h is -1, must be >= 0"),
        ({"t_start_c": (22.0, 20.0)}, "t_start_c is 22 to 20, must be a range"),
        ({"cop": [3.0, 0.0, 3.0]}, "bus 2: cop is 0, must be > 0 to heat or < 0 to cool"),
        ({"r_k_per_kw": [1.0, 1.0, -1.0]}, "bus 3: r_k_per_kw is -1, must be > 0"),
        ({"c_kwh_per_k": [1.0, 2.0]}, "c_kwh_per_k has shape"),
    ],
)
def test_nonsense_is_refused_with_its_bound(small, change, says):
    with pytest.raises(GridError, match=says):
        small.replace(heat=HeatPumps(**change))


def test_a_case_with_heat_survives_json(warm):
    again = DayCase.from_dict(json.loads(json.dumps(warm.to_dict())))
    assert again.to_dict() == warm.to_dict()
    np.testing.assert_array_equal(again.heat.cop, [3.0, -2.5, 4.0])
    assert again.heat.t_start_c == (19.0, 25.0)
    with pytest.raises(GridError, match="unknown field of heat pumps 'sun'"):
        DayCase.from_dict({**warm.to_dict(), "heat": {"sun": 1.0}})
