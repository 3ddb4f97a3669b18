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


@pytest.mark.parametrize("v_head_pu", [0.96, 1.0, 1.05])
def test_under_ac_it_is_the_loading_that_pandapower_reports(v_head_pu) -> None:
    case = fork().replace(physics="ac", v_head_pu=v_head_pu)
    p_kw, q_kvar = np.array([[9.0, 11.0]]), np.array([[4.0, 3.0]])
    limits = {"v_head_pu": v_head_pu, "branch_limit_kva": case.branch_limit_kva}
    net = to_pandapower(case.feeder, p_kw[0], q_kvar[0], **limits)
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    loading = net.res_line.loading_percent.max() / 100
    assert highest_loading(case, p_kw, q_kvar) == pytest.approx([loading], rel=1e-6)
    linear = highest_loading(case.replace(physics="lindistflow"), p_kw, q_kvar)
    assert 1.01 * linear[0] < loading < 1.2 * linear[0]  # which carries no losses, at the head


def test_a_case_without_limits() -> None:
    with pytest.raises(GridError, match="ieee13 has no branch_limit_kva"):
        highest_loading(make_case("ieee13"), np.zeros((1, 12)), np.zeros((1, 12)))
