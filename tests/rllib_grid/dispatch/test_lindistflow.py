"""Optimal dispatch by closed form, by its KKT conditions and against cvxpy."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import (
    Case,
    CvxpyDispatch,
    Feeder,
    GridError,
    OptimalDispatch,
    case_names,
    make_case,
)
from rllib_grid.physics.lindistflow import v_sq_pu

QUADRATIC = [name for name in case_names() if make_case(name).s_max_kva is None]


@pytest.fixture(params=QUADRATIC)
def case(request) -> Case:
    """Each preset that is a quadratic program."""
    return make_case(request.param)


def test_two_bus_closed_form(one_bus: Feeder) -> None:
    # d/dp [k (p_base + p)^2 + alpha p^2] = 0, k = r / (1000 v^2), then the limit.
    case = Case("two-bus", one_bus, ((1,),), 50.0, 50.0, alpha_p=1e-4, alpha_q=3e-4)
    p_base, q_base = np.array([[60.0], [-400.0]]), np.array([[30.0], [0.0]])
    result = OptimalDispatch(case).solve(p_base, q_base)
    k = 1.25e-4
    assert result.p_ctrl_kw == pytest.approx(np.array([[-k / (k + 1e-4) * 60], [50.0]]))
    assert result.q_ctrl_kvar == pytest.approx(np.array([[-k / (k + 3e-4) * 30], [0.0]]), abs=1e-9)
    squares = (p_base + result.p_ctrl_kw) ** 2 + (q_base + result.q_ctrl_kvar) ** 2
    costs = k * squares + 1e-4 * result.p_ctrl_kw**2 + 3e-4 * result.q_ctrl_kvar**2
    assert result.cost_kw == pytest.approx(costs[:, 0], rel=1e-10)


def test_a_voltage_bound_that_binds_in_closed_form(one_bus: Feeder) -> None:
    # Only p can move (r = 0.5, x = 0): 2 r (400 + p) / 4000 = 1 - 0.96^2 gives p = -86.4.
    feeder = Feeder("line", (0,), one_bus.r_ohm, np.array([0.0]), v_base_kv=2.0)
    case = Case("two-bus", feeder, ((1,),), 105.0, 105.0, alpha_p=1.0, v_min_pu=0.96)
    result = OptimalDispatch(case).solve(np.array([[400.0]]), np.array([[0.0]]))
    assert result.p_ctrl_kw.item() == pytest.approx(-86.4)
    assert result.v_pu.item() == pytest.approx(0.96)


def test_agrees_with_cvxpy(case: Case) -> None:
    p, q = case.demand.sample(np.random.default_rng(0), 25)
    fast, reference = OptimalDispatch(case).solve(p, q), CvxpyDispatch(case).solve(p, q)
    assert reference.feasible.all()
    assert fast.feasible.all()
    assert fast.cost_kw == pytest.approx(reference.cost_kw, rel=1e-6)
    assert fast.v_pu == pytest.approx(reference.v_pu, abs=1e-5)
    assert reference.kkt_residual.max() < 1e-6


def test_agrees_with_cvxpy_for_costs_and_limits_of_all_kinds(fork_case: Case) -> None:
    case = fork_case.replace(v_min_pu=1.0, v_max_pu=1.015)
    p, q = np.random.default_rng(1).uniform(-8, 8, (2, 40, 3))
    fast, reference = OptimalDispatch(case).solve(p, q), CvxpyDispatch(case).solve(p, q)
    assert 0 < fast.feasible.sum() <= 40
    assert (fast.feasible == reference.feasible).all()
    assert fast.cost_kw == pytest.approx(reference.cost_kw, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("changes", [{"s_max_kva": 105.0}, {"physics": "ac"}])
def test_other_programs_are_refused(ieee13: Case, changes: dict) -> None:
    with pytest.raises(GridError, match=r"case ieee13 is no quadratic program .* make_dispatch"):
        OptimalDispatch(ieee13.replace(**changes))


def test_answers_keep_limits_and_bounds(case: Case) -> None:
    p, q = case.demand.sample(np.random.default_rng(2), 2000)
    result = OptimalDispatch(case).solve(p, q)
    assert result.feasible.all()
    assert result.kkt_residual.max() < 1e-8
    assert np.abs(result.p_ctrl_kw).max() <= 105.0
    assert np.abs(result.q_ctrl_kvar).max() <= 105.0
    assert result.v_pu.min() >= 0.95 - 1e-9
    assert result.v_pu.max() <= 1.05 + 1e-9
    total = (p + result.p_ctrl_kw, q + result.q_ctrl_kvar)
    v_sq = v_sq_pu(case.feeder, case.v_head_pu, *total)
    assert result.v_pu == pytest.approx(np.sqrt(v_sq), rel=1e-10)
    cost = case.cost_kw(p, q, result.p_ctrl_kw, result.q_ctrl_kvar)
    assert result.cost_kw == pytest.approx(cost, rel=1e-10)


@pytest.mark.parametrize(
    ("name", "share"), [("ieee13", 0.0), ("ieee13-volt", 0.43), ("ieee13-tight", 0.97)]
)
def test_how_often_a_voltage_bound_binds(name: str, share: float) -> None:
    case = make_case(name)
    result = OptimalDispatch(case).solve(*case.demand.sample(np.random.default_rng(3), 4000))
    at_bound = (result.v_pu > 1.05 - 1e-9) | (result.v_pu < 0.95 + 1e-9)
    assert at_bound.any(axis=1).mean() == pytest.approx(share, abs=0.03)


def test_no_feasible_step_is_cheaper(case: Case) -> None:
    """First-order optimality without multipliers: no point of a cloud around it does better."""
    rng = np.random.default_rng(4)
    p, q = case.demand.sample(rng, 50)
    best = OptimalDispatch(case).solve(p, q)
    compared = 0
    for _ in range(20):
        p_try = np.clip(best.p_ctrl_kw + rng.normal(0, 3, p.shape), -105, 105)
        q_try = np.clip(best.q_ctrl_kvar + rng.normal(0, 3, p.shape), -105, 105)
        v = case.v_pu(p, q, p_try, q_try)
        inside = ((v >= 0.95) & (v <= 1.05)).all(axis=1)
        compared += inside.sum()
        dearer = case.cost_kw(p, q, p_try, q_try) - best.cost_kw
        assert dearer[inside].min(initial=1.0) > 0
    assert compared > 20


def test_infeasible_states_are_named(ieee13: Case) -> None:
    """Against cvxpy, and against states that no control can help whatever else it does."""
    case = ieee13.replace(v_head_pu=1.05)
    p, q = (base - 100.0 for base in case.demand.sample(np.random.default_rng(5), 400))
    result, reference = OptimalDispatch(case).solve(p, q), CvxpyDispatch(case).solve(p, q)
    assert (result.feasible == reference.feasible).all()
    assert 20 < (~result.feasible).sum() < 380
    full = np.full_like(p, 105.0)
    hopeless = (case.v_pu(p, q, full, full) > 1.05 + 1e-6).any(axis=1)
    assert hopeless.any()
    assert not result.feasible[hopeless].any()
    for name in ("p_ctrl_kw", "q_ctrl_kvar", "v_pu", "cost_kw", "kkt_residual"):
        missing = np.isnan(getattr(result, name)).reshape(400, -1)
        assert (missing.all(axis=1) == ~result.feasible).all()
        assert (missing.any(axis=1) == ~result.feasible).all()


def test_answers_do_not_depend_on_the_batch(case: Case) -> None:
    p, q = case.demand.sample(np.random.default_rng(6), 30)
    dispatch = OptimalDispatch(case)
    whole, again = dispatch.solve(p, q), dispatch.solve(p, q)
    assert (whole.p_ctrl_kw == again.p_ctrl_kw).all()
    single = dispatch.solve(p[17:18], q[17:18])
    assert single.p_ctrl_kw[0] == pytest.approx(whole.p_ctrl_kw[17], abs=1e-8)


def test_no_states(ieee13: Case) -> None:
    result = OptimalDispatch(ieee13).solve(np.zeros((0, 12)), np.zeros((0, 12)))
    assert result.cost_kw.shape == (0,)


@pytest.mark.parametrize("route", [OptimalDispatch, CvxpyDispatch])
def test_bad_states(ieee13: Case, route) -> None:
    dispatch, good = route(ieee13), np.zeros((2, 12))
    with pytest.raises(GridError, match=r"p_base_kw has shape \(2, 11\), must be \(B, 12\)"):
        dispatch.solve(good[:, 1:], good)
    with pytest.raises(GridError, match="q_base_kvar: row 0, column 0 is nan, must be finite"):
        dispatch.solve(good, np.full((2, 12), np.nan))
    with pytest.raises(GridError, match="2 rows of p_base_kw, 1 of q_base_kvar"):
        dispatch.solve(good, good[:1])
