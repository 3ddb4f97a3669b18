"""Day cases by their names."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridError, day_case_names, make_case, make_day_case


def test_presets_lend_their_feeder_from_plain_cases() -> None:
    assert day_case_names()[0] == "ieee13-day"
    case, plain = make_day_case("ieee13-twelve-day", efficiency=0.9), make_case("ieee13-twelve")
    assert (case.name, case.groups, case.efficiency) == ("ieee13-twelve-day", plain.groups, 0.9)
    assert case.feeder.to_dict() == plain.feeder.to_dict()
    with pytest.raises(GridError, match="unknown day case 'ieee14-day'; choose from ieee13-day"):
        make_day_case("ieee14-day")


def test_the_preset_heats_every_bus_through_the_coldest_hour_of_its_year():
    case = make_day_case("ieee13-day-heat")
    heat = case.heat
    assert heat.cop.shape == (case.num_buses,)
    most = case.year.outdoor_c.min() + heat.r_k_per_kw * heat.cop * heat.p_heat_max_kw
    assert np.all(most > heat.t_set_c)
    assert make_day_case("ieee13-day").heat is None
