"""AC optimal dispatch against the cone relaxation, by finite differences and by closed form."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, Feeder, GridError, OptimalDispatch, make_case, make_dispatch
from rllib_grid.dispatch.ac import KKT_TOLERANCE, AcDispatch
from rllib_grid.dispatch.ac_cone import AcConeDispatch
from rllib_grid.dispatch.ac_relaxation import ConeRelaxation
from rllib_grid.physics.ac import solve
from rllib_grid.physics.sensitivity import gradient
from rllib_grid.physics.zbus import ZBus


@pytest.fixture(params=["ieee13", "ieee13-volt", "ieee13-tight"])
def case(request) -> Case:
    """Without and with voltage bounds that bind."""
    return make_case(request.param, physics="ac")


def test_gradient_by_finite_differences(ieee13: Case) -> None:
    rng = np.random.default_rng(0)
    power = rng.uniform(-400, 400, (24, 3))
    prices = rng.normal(0, 50, (12, 3))
    zbus = ZBus(ieee13.feeder, 1.03)

    def value(power):
        flow = solve(ieee13.feeder, 1.03, power[:12].T, power[12:].T)
        return flow.loss_kw + (prices * (1.03**2 - flow.v_pu.T**2)).sum(axis=0)

    slopes = gradient(zbus, 1.03, power, zbus.settle(power), prices)
    for number in range(24):
        step = np.zeros((24, 1))
        step[number] = 0.01
        rise = (value(power + step) - value(power - step)) / 0.02
        assert slopes[number] == pytest.approx(rise, rel=1e-5, abs=1e-8)


def test_agrees_with_the_cone_relaxation(case: Case) -> None:
    """Where the relaxation is exact its optimum is the global one, whatever the route there."""
    p, q = case.demand.sample(np.random.default_rng(1), 12)
    fast, relaxed = AcDispatch(case).solve(p, q), ConeRelaxation(case).solve(p, q)
    assert fast.feasible.all()
    assert relaxed.gap_kw.max() < 1e-6
    assert fast.cost_kw == pytest.approx(relaxed.cost_kw, rel=2e-6)
    assert fast.v_pu == pytest.approx(relaxed.v_pu, abs=1e-5)
    assert fast.p_ctrl_kw == pytest.approx(relaxed.p_ctrl_kw, abs=0.5)


def test_agrees_for_costs_limits_and_nodes_of_all_kinds(sparse_tree: Feeder) -> None:
    case = Case(
        "sparse",
        sparse_tree,
        ((1, 3), (2,)),
        p_limit_kw=np.array([300.0, 200.0, 250.0]),
        q_limit_kvar=np.array([100.0, 300.0, 150.0]),
        alpha_p=np.array([1e-4, 2e-4, 1e-4]),
        beta_p=np.array([0.02, -0.01, 0.0]),
        gamma_p=1.0,
        alpha_q=np.array([3e-4, 1e-4, 2e-4]),
        beta_q=np.array([-0.01, 0.0, 0.02]),
        v_head_pu=1.02,
        v_min_pu=0.97,
    )
    p, q = np.random.default_rng(2).uniform(0, 500, (2, 12, 3))
    fast, relaxed = AcDispatch(case).solve(p, q), ConeRelaxation(case).solve(p, q)
    assert relaxed.feasible.all() and fast.feasible.all()
    assert (fast.v_pu < 0.97 + 1e-6).any()  # the bound binds
    assert fast.cost_kw == pytest.approx(relaxed.cost_kw, rel=1e-6)


def test_answers_are_feasible_in_ac_and_proven(case: Case) -> None:
    p, q = case.demand.sample(np.random.default_rng(3), 300)
    result = AcDispatch(case).solve(p, q)
    assert result.kkt_residual.max() <= KKT_TOLERANCE
    assert np.abs([result.p_ctrl_kw, result.q_ctrl_kvar]).max() <= 105.0
    flow = solve(case.feeder, case.v_head_pu, p + result.p_ctrl_kw, q + result.q_ctrl_kvar)
    assert result.v_pu == pytest.approx(flow.v_pu, abs=1e-9)
    assert flow.v_pu.min() > 0.95 - 1e-7
    assert flow.v_pu.max() < 1.05 + 1e-7
    buildings = case.control_cost_kw(result.p_ctrl_kw, result.q_ctrl_kvar).sum(axis=1)
    assert result.cost_kw == pytest.approx(flow.loss_kw + buildings, rel=1e-9)
    # the optimum of the linear model costs more, or violates
    linear = OptimalDispatch(case.replace(physics="lindistflow")).solve(p, q)
    flow = solve(case.feeder, case.v_head_pu, p + linear.p_ctrl_kw, q + linear.q_ctrl_kvar)
    buildings = case.control_cost_kw(linear.p_ctrl_kw, linear.q_ctrl_kvar).sum(axis=1)
    inside = (flow.v_pu > 0.95) & (flow.v_pu < 1.05)
    dearer = (flow.loss_kw + buildings - result.cost_kw)[inside.all(axis=1)]
    assert dearer.size > 200
    assert -1e-6 < dearer.min() < dearer.max()


def test_a_voltage_bound_that_binds_in_closed_form(one_bus: Feeder) -> None:
    """Only p can move (x = 0): v (v0 - v) = r P at v = 0.96."""
    feeder = Feeder("line", (0,), one_bus.r_ohm, np.array([0.0]), v_base_kv=2.0)
    case = Case("line", feeder, ((1,),), 200.0, 105.0, alpha_p=1.0, v_min_pu=0.96, physics="ac")
    result = AcDispatch(case).solve(np.array([[400.0]]), np.array([[0.0]]))
    assert result.v_pu.item() == pytest.approx(0.96, abs=1e-7)
    assert 400 + result.p_ctrl_kw.item() == pytest.approx(0.96 * 0.04 * 4000 / 0.5, abs=1e-3)


def test_infeasible_states_are_named(ieee13: Case) -> None:
    """Too much generation under a high head: the relaxation has to burn power that is not there."""
    case = ieee13.replace(v_head_pu=1.05, physics="ac")
    p, q = (base - 100.0 for base in case.demand.sample(np.random.default_rng(5), 12))
    result, relaxed = AcDispatch(case).solve(p, q), ConeRelaxation(case).solve(p, q)
    assert 0 < (~result.feasible).sum() < 12
    assert (result.feasible == (relaxed.gap_kw < 1e-5)).all()
    for name in ("p_ctrl_kw", "q_ctrl_kvar", "v_pu", "cost_kw", "kkt_residual"):
        missing = np.isnan(getattr(result, name)).reshape(12, -1)
        assert (missing == ~result.feasible[:, None]).all()


def test_collapse_is_infeasible(one_bus: Feeder) -> None:
    case = Case("one", one_bus, ((1,),), 10.0, 10.0, v_min_pu=0.4, physics="ac")
    p = np.array([[100.0], [9000.0]])
    assert AcDispatch(case).solve(p, 0 * p).feasible.tolist() == [True, False]


def test_dispatch_follows_the_physics(ieee13: Case) -> None:
    assert isinstance(make_dispatch(ieee13.replace(physics="ac")), AcDispatch)
    assert isinstance(make_dispatch(ieee13), OptimalDispatch)


def test_limits_on_apparent_power_are_refused(ieee13: Case) -> None:
    limited = ieee13.replace(physics="ac", s_max_kva=100.0)
    with pytest.raises(GridError, match=r"s_max_kva is set, .* take make_dispatch"):
        AcDispatch(limited)
    assert isinstance(make_dispatch(limited), AcConeDispatch)


def test_no_states(ieee13: Case) -> None:
    result = AcDispatch(ieee13).solve(np.zeros((0, 12)), np.zeros((0, 12)))
    assert result.cost_kw.shape == (0,)


def test_states_at_the_edge_are_not_given_up(ieee13: Case) -> None:
    """The linear rows leave them nothing at first; the relaxation, exact there, knows better."""
    case = ieee13.replace(v_head_pu=1.05, physics="ac")
    states = case.demand.sample(np.random.default_rng(5), 400)
    p, q = (base[[108, 332]] - 100.0 for base in states)
    result, relaxed = AcDispatch(case).solve(p, q), ConeRelaxation(case).solve(p, q)
    assert relaxed.gap_kw.max() < 1e-5
    assert result.feasible.all()
    assert result.cost_kw == pytest.approx(relaxed.cost_kw, rel=1e-5)
