"""AC optima with ratings: against an independent statement, and against the power flow itself."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from rllib_grid import Case, GridError, make_case
from rllib_grid.cases.branch_loading import highest_loading
from rllib_grid.dispatch.ac import AcDispatch
from rllib_grid.dispatch.ac_cone import AcConeDispatch
from rllib_grid.dispatch.optimum import make_dispatch
from rllib_grid.physics.ac import branch_currents_kva

STATES = 6


@pytest.fixture
def limited(ieee13: Case) -> Case:
    """Inverters at their ratings in most states, and the head's branch in the heaviest."""
    case = ieee13.replace(physics="ac", s_max_kva=60.0, v_head_pu=1.02)
    p, q = case.demand.sample(np.random.default_rng(1), STATES)
    free = make_dispatch(case).solve(p, q)
    current_kva = branch_currents_kva(case.feeder, 1.02, p + free.p_ctrl_kw, q + free.q_ctrl_kvar)
    rating = np.full(case.feeder.num_nodes, 1e4)
    rating[0] = 0.98 * current_kva[:, 0].max()
    return case.replace(branch_limit_kva=rating)


def by_cvxpy(case: Case, p_base_kw: np.ndarray, q_base_kvar: np.ndarray) -> float:
    """The branch flow model in MVA, a branch at a time."""
    feeder, n = case.feeder, case.num_buses
    p, q = cp.Variable(n), cp.Variable(n)
    flow_p, flow_q, square, v = (cp.Variable(feeder.num_nodes) for _ in range(4))
    limits = [cp.abs(p) <= case.p_limit_kw / 1e3, cp.abs(q) <= case.q_limit_kvar / 1e3]
    loss = 0.0
    for node in range(1, feeder.num_nodes + 1):
        branch, parent = node - 1, feeder.parent[node - 1]
        r, x = (ohm[branch] / feeder.v_base_kv**2 for ohm in (feeder.r_ohm, feeder.x_ohm))
        begin = v[parent - 1] if parent else case.v_head_pu**2
        leaving = [k for k in range(feeder.num_nodes) if feeder.parent[k] == node]
        for flow, z, base, ctrl in ((flow_p, r, p_base_kw, p), (flow_q, x, q_base_kvar, q)):
            own = sum(
                base[bus] / 1e3 + ctrl[bus] for bus, at in enumerate(feeder.served) if at == node
            )
            limits.append(flow[branch] - z * square[branch] == own + sum(flow[k] for k in leaving))
        fall = 2 * (r * flow_p[branch] + x * flow_q[branch]) - (r**2 + x**2) * square[branch]
        limits.append(v[branch] == begin - fall)
        power = cp.hstack([2 * flow_p[branch], 2 * flow_q[branch], square[branch] - begin])
        limits.append(cp.norm(power) <= square[branch] + begin)
        limits.append(square[branch] <= (case.branch_limit_kva[branch] / 1e3) ** 2)
        loss += 1e3 * r * square[branch]
    for bus, node in enumerate(feeder.served):
        limits += [v[node - 1] <= case.v_max_pu**2, v[node - 1] >= case.v_min_pu**2]
        limits.append(cp.norm(cp.hstack([p[bus], q[bus]])) <= case.s_max_kva[bus] / 1e3)
    cost = 1e6 * (case.alpha_p @ cp.square(p) + case.alpha_q @ cp.square(q))
    problem = cp.Problem(cp.Minimize(loss + cost), limits)
    problem.solve(solver="CLARABEL")
    return float(problem.value)


def test_agrees_with_an_independent_statement(limited: Case) -> None:
    p, q = limited.demand.sample(np.random.default_rng(1), STATES)
    found = make_dispatch(limited).solve(p, q)
    assert found.feasible.all()
    for state in range(STATES):
        wanted = by_cvxpy(limited, p[state], q[state])
        assert found.cost_kw[state] == pytest.approx(wanted, rel=1e-5)


def test_ratings_are_held_by_the_power_flow_itself(limited: Case) -> None:
    p, q = limited.demand.sample(np.random.default_rng(1), STATES)
    found = make_dispatch(limited).solve(p, q)
    loading = highest_loading(limited, p + found.p_ctrl_kw, q + found.q_ctrl_kvar)
    used_kva = np.hypot(found.p_ctrl_kw, found.q_ctrl_kvar).max(axis=1)
    assert loading.max() < 1 + 1e-5 and used_kva.max() < 60 * (1 + 1e-6)
    assert (loading > 0.999).any() and (used_kva > 59.9).any()  # both bind
    assert found.cost_kw == pytest.approx(
        limited.cost_kw(p, q, found.p_ctrl_kw, found.q_ctrl_kvar), rel=1e-12
    )
    assert found.kkt_residual.max() < 1e-5


def test_ratings_out_of_reach_change_nothing(ieee13: Case) -> None:
    case = ieee13.replace(physics="ac", s_max_kva=1e3)
    p, q = case.demand.sample(np.random.default_rng(2), STATES)
    free = AcDispatch(ieee13.replace(physics="ac")).solve(p, q)
    assert make_dispatch(case).solve(p, q).cost_kw == pytest.approx(free.cost_kw, rel=1e-5)


def test_states_that_nothing_can_serve_are_infeasible(limited: Case) -> None:
    p, q = (base[:3] for base in limited.demand.sample(np.random.default_rng(1), STATES))
    p[1] *= 20.0
    found = make_dispatch(limited).solve(p, q)
    assert found.feasible.tolist() == [True, False, True]
    assert np.isnan(found.cost_kw[1]) and np.isnan(found.p_ctrl_kw[1]).all()


def test_where_the_relaxation_is_not_exact_it_is_refused(ieee13: Case) -> None:
    """Far too much generation under a low upper bound: losses would be welcome."""
    case = ieee13.replace(physics="ac", s_max_kva=20.0, v_max_pu=1.005, v_min_pu=0.8)
    p, q = np.full((1, 12), -100.0), np.zeros((1, 12))
    with pytest.raises(GridError, match="state 0: no proven AC optimum, it costs"):
        AcConeDispatch(case).solve(p, q)


def test_no_states() -> None:
    case = make_case("ieee13-inverter", physics="ac")
    assert make_dispatch(case).solve(np.zeros((0, 12)), np.zeros((0, 12))).cost_kw.shape == (0,)
