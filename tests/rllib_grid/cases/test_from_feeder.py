"""Cases on imported feeders."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rllib_grid import Case, GridError
from rllib_grid.cases.from_feeder import case_of
from rllib_grid.feeders import from_csv, read_feeder

TOWN = """from_bus,to_bus,r_ohm,x_ohm,p_kw,q_kvar
0,trunk,0.5,1,0,0
trunk,A,0.3,0.2,20,0
trunk,B,0.25,0.5,30,40
"""


@pytest.fixture
def town(write):
    return from_csv(write("town.csv", TOWN), v_base_kv=10)


def test_buildings_are_as_large_as_their_loads(town) -> None:
    case = case_of(town, agents=2, demand_share=2, limit_share=0.25)
    assert case.name == "town" and case.groups == ((1,), (2,)) and case.num_buses == 2
    assert case.p_limit_kw.tolist() == [10, 15]
    assert case.q_limit_kvar.tolist() == pytest.approx([10, 20])  # of B: a quarter of 80 kvar
    p_kw, q_kvar = case.demand.sample(np.random.default_rng(0), 20_000)
    assert np.abs(p_kw).max(axis=0).tolist() == pytest.approx([40, 60], rel=1e-3)
    assert (p_kw.min(axis=0) < -39).all()
    np.testing.assert_allclose(q_kvar, p_kw * [0, 4 / 3], atol=1e-9)
    assert Case.from_dict(case.to_dict()).to_dict() == case.to_dict()


def test_the_usual_cost_is_what_a_building_loses_on_its_way(town) -> None:
    """(0.8 + 0.75) / 2 ohm at 10 kV, to two digits."""
    assert case_of(town, agents=1).alpha_p[0] == float(f"{0.775 / 1e5:.1e}")
    assert case_of(town, agents=1, alpha=3e-4).alpha_q.tolist() == [3e-4, 3e-4]


def test_demand_of_a_feeder_without_loads(write) -> None:
    bare = from_csv(
        write("x.csv", TOWN.replace(",20,0", ",,").replace(",30,40", ",,")), v_base_kv=1
    )
    with pytest.raises(GridError, match="x holds no loads: say demand_kw"):
        case_of(bare, agents=1)
    case = case_of(bare, "named", agents=3, demand_kw=5, v_head_pu=1.03, v_max_pu=1.1)
    assert case.name == "named" and case.p_limit_kw.tolist() == [2.5] * 3
    assert case.v_head_pu == 1.03 and case.v_max_pu == 1.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"demand_share": 0}, "demand_share is 0, must be > 0"),
        ({"limit_share": -1}, "limit_share is -1, must be > 0"),
        ({"demand_kw": math.nan}, "demand_kw is nan, must be finite"),
        ({"agents": 3}, "agents is 3, must be <= 2"),
        ({"alpha": -1.0}, "alpha_p is -1, must be >= 0"),
    ],
)
def test_bad_numbers(town, changes: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        case_of(town, **{"agents": 2, **changes})


def test_files_by_their_suffix(write, tmp_path) -> None:
    path = write("town.csv", TOWN)
    assert read_feeder(path, v_base_kv=10).feeder.num_buses == 2
    for file, v_base_kv, message in (
        (path, None, r"town.csv: a \.csv needs v_base_kv"),
        (tmp_path / "x.m", 10.0, r"\(--v-base-kv\) is for \.csv alone"),
        (tmp_path / "x.xlsx", None, "x.xlsx is no feeder file by its suffix"),
        (tmp_path / "x.m", None, r"cannot read .*x\.m"),
        (tmp_path / "x.json", None, r"cannot read .*x\.json"),
    ):
        with pytest.raises(GridError, match=message):
            read_feeder(file, v_base_kv=v_base_kv)
