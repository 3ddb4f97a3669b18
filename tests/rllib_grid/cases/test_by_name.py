"""Cases by their names, with changed fields; presets, files and others have tests of their own."""

from __future__ import annotations

import pytest

from rllib_grid import GaussianDemand, GridError, case_names, make_case


def test_overrides() -> None:
    case = make_case("ieee13", v_head_pu=1.02, demand={"law": "gaussian", "sigma_kw": 5.0})
    assert case.v_head_pu == 1.02
    assert case.demand == GaussianDemand(sigma_kw=5.0, num_buses=12)
    assert make_case("ieee13").v_head_pu == 1.0


def test_unknown_names() -> None:
    with pytest.raises(GridError, match="unknown case 'ieee14'; choose from ieee13, ieee13-conti"):
        make_case("ieee14")
    with pytest.raises(GridError, match="unknown case field 'alhpa_p'; choose from name, feeder"):
        make_case("ieee13", alhpa_p=1.0)


def test_the_presets_are_listed_and_the_synthetic_are_not() -> None:
    assert case_names()[0] == "ieee13" and "kerber-dorfnetz" in case_names()
    assert not any(name.startswith("synthetic") for name in case_names())
