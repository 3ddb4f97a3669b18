"""Loading of branches, by hand and against a full power flow."""

from __future__ import annotations

import numpy as np
import pandapower as pp
import pytest

from rllib_grid import Case, Feeder, GridError, make_case
from rllib_grid.cases.branch_loading import highest_loading
from rllib_grid.feeders import to_pandapower


def fork():
    """Node 1 feeds nodes 2 and 3; buildings stand at 2 and 3."""
    r_ohm = np.array([0.1, 0.2, 0.3])
    feeder = Feeder("fork", (0, 1, 1), r_ohm, r_ohm, v_base_kv=0.4, served=(2, 3))
    limit_kva = np.array([20.0, 5.0, 12.0])
    return Case(
        "fork",
        feeder,
        ((1,), (2,)),
        p_limit_kw=5.0,
        q_limit_kvar=5.0,
        branch_limit_kva=limit_kva,
        v_head_pu=1.0,
    )


def test_by_hand() -> None:
    p_kw = np.array([[3.0, 9.0], [-3.0, 3.0], [0.0, -12.0]])
    q_kvar = np.array([[4.0, -4.0], [4.0, -4.0], [0.0, 9.0]])
    found = highest_loading(fork(), p_kw, q_kvar)
    assert found == pytest.approx([1.0, 1.0, 15 / 12])  # branches 2, 2 and 3


def test_under_ac_it_is_the_larger_end_of_the_branch() -> None:
    case = fork().replace(physics="ac")
    p_kw, q_kvar = np.array([[9.0, 11.0]]), np.array([[4.0, 3.0]])
    net = to_pandapower(case.feeder, p_kw[0], q_kvar[0], v_head_pu=case.v_head_pu)
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    ends = [
        1000 * np.hypot(net.res_line[f"p_{end}_mw"], net.res_line[f"q_{end}_mvar"])
        for end in ("from", "to")
    ]
    wanted = (np.maximum(*ends) / case.branch_limit_kva).max()
    assert highest_loading(case, p_kw, q_kvar) == pytest.approx([wanted], rel=1e-6)
    assert wanted > 1.01 * highest_loading(fork(), p_kw, q_kvar)[0]  # which carries no losses


def test_a_case_without_limits() -> None:
    with pytest.raises(GridError, match="ieee13 has no branch_limit_kva"):
        highest_loading(make_case("ieee13"), np.zeros((1, 12)), np.zeros((1, 12)))
