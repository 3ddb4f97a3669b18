"""Dispatch within apparent-power limits."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import (
    ConeDispatch,
    CvxpyDispatch,
    GridError,
    JointGridEnv,
    OptimalDispatch,
    make_case,
    make_dispatch,
    team_optimal,
)
from rllib_grid.physics.lindistflow import branch_flows

CASE = make_case("ieee13-inverter")
STATES = CASE.demand.sample(np.random.default_rng(0), 40)


def test_optima_respect_the_rating_and_agree_with_cvxpy() -> None:
    own = ConeDispatch(CASE).solve(*STATES)
    assert own.feasible.all() and own.kkt_residual.max() < 1e-6
    load_kva = np.hypot(own.p_ctrl_kw, own.q_ctrl_kvar)
    assert load_kva.max() <= 105 * (1 + 1e-6)
    assert np.mean((load_kva > 104.9).any(axis=1)) > 0.5  # it binds somewhere in most states
    reference = CvxpyDispatch(CASE).solve(*STATES)
    assert own.cost_kw == pytest.approx(reference.cost_kw, rel=1e-5)


def test_where_no_rating_binds_it_is_the_plain_dispatch() -> None:
    wide = CASE.replace(s_max_kva=1e4)
    plain = OptimalDispatch(wide.replace(s_max_kva=None)).solve(*STATES)
    assert ConeDispatch(wide).solve(*STATES).cost_kw == pytest.approx(plain.cost_kw, rel=1e-7)


def test_voltage_bounds_hold_together_with_ratings() -> None:
    case = make_case("ieee13-tight", s_max_kva=105.0)
    own = ConeDispatch(case).solve(*STATES)
    assert own.v_pu.max() <= case.v_max_pu + 1e-7
    assert own.cost_kw == pytest.approx(CvxpyDispatch(case).solve(*STATES).cost_kw, rel=1e-5)


def test_branch_limits_bind_the_flows() -> None:
    free = OptimalDispatch(CASE.replace(s_max_kva=None)).solve(*STATES)

    def loads_kva(found) -> np.ndarray:
        p, q = STATES[0] + found.p_ctrl_kw, STATES[1] + found.q_ctrl_kvar
        return np.hypot(*branch_flows(CASE.feeder, p, q))

    limit_kva = np.quantile(loads_kva(free), 0.99, axis=0) + 1.0
    case = CASE.replace(s_max_kva=None, branch_limit_kva=limit_kva)
    own = make_dispatch(case).solve(*STATES)
    reference = CvxpyDispatch(case).solve(*STATES)
    assert (own.feasible == reference.feasible).all() and own.feasible.any()
    ok = own.feasible
    assert (loads_kva(own)[ok] <= limit_kva * (1 + 1e-6)).all()
    assert (loads_kva(free)[ok] > limit_kva).any()
    assert own.cost_kw[ok] == pytest.approx(reference.cost_kw[ok], rel=1e-5)


def test_infeasible_states_are_told() -> None:
    case = CASE.replace(v_head_pu=1.2)
    assert not ConeDispatch(case).solve(*STATES).feasible.any()


def test_team_rule_within_ratings() -> None:
    p, q = team_optimal(CASE, *STATES)
    assert np.hypot(p, q).max() <= 105 * (1 + 1e-6)
    wide = CASE.replace(s_max_kva=1e4)
    loose, plain = team_optimal(wide, *STATES), team_optimal(wide.replace(s_max_kva=None), *STATES)
    assert np.hstack(loose) == pytest.approx(np.hstack(plain), abs=1e-2)


def test_environment_scales_an_overloaded_inverter_back() -> None:
    env = JointGridEnv(CASE, 3, seed=0)
    state = env.reset()
    full = np.ones((3, 24), np.float32)
    reward = env.step(full).reward
    share = np.float32(np.sqrt(0.5))
    p, q = CASE.layout.from_state(state)
    p_ctrl, q_ctrl = CASE.within_ratings(np.full((3, 12), 105.0), np.full((3, 12), 105.0))
    assert p_ctrl == pytest.approx(np.full((3, 12), 105 * share))
    v_pu = CASE.v_pu(p, q, p_ctrl, q_ctrl)
    cost = CASE.cost_kw(p, q, p_ctrl, q_ctrl) + CASE.penalty_kw(v_pu).sum(axis=1)
    assert -reward == pytest.approx(cost, rel=1e-4)
    assert len(env.action_circles) == 12


def test_bad_ratings_are_refused() -> None:
    with pytest.raises(GridError, match=r"bus 1: s_max_kva is 0, must be > 0"):
        CASE.replace(s_max_kva=0.0)
    with pytest.raises(GridError, match=r"branch_limit_kva has shape \(3,\)"):
        CASE.replace(branch_limit_kva=[1.0, 2.0, 3.0])
