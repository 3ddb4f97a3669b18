"""Optimal dispatch under AC power flow as a cone program, whose optimum bounds all others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array
from rllib_grid.dispatch.lindistflow import joined_states
from rllib_grid.errors import GridError
from rllib_grid.extras import extra_module

_PER_MVA = 1000.0  # powers are in MVA inside, which keeps the solver's numbers near 1


class RelaxedResult(NamedTuple):
    """Optima of the relaxation for N states. Rows of infeasible states are NaN."""

    p_ctrl_kw: Array  # (N, n)
    q_ctrl_kvar: Array  # (N, n)
    v_pu: Array  # (N, n)
    cost_kw: Array  # (N,) loss and building costs: no feasible control is cheaper
    feasible: NDArray[np.bool_]  # (N,) False: AC dispatch is infeasible too
    gap_kw: Array  # (N,) loss that no power flow causes; 0 where the relaxation is exact


class ConeRelaxation:
    """The branch flow model with l v >= P^2 + Q^2 in place of equality, state by state.

    For every branch from node i to j, with sending-end power P + jQ, squared current l and
    squared voltage v (Farivar and Low, "Branch flow model: relaxations and convexification", IEEE
    Transactions on Power Systems, 2013):

        P - r l = p_j + sum of P leaving j,  Q - x l = q_j + sum of Q leaving j
        v_j = v_i - 2 (r P + x Q) + (r^2 + x^2) l
        l v_i >= P^2 + Q^2

    What it finds is the AC optimum where the last line holds with equality. On a radial feeder
    that is guaranteed where upper voltage bounds do not bind (Gan, Li, Topcu and Low, "Exact
    convex relaxation of optimal power flow in radial networks", IEEE Transactions on Automatic
    Control, 2015), and is checked here state by state.

    Stated once in cvxpy with parameters and solved by Clarabel. A reference to check `AcDispatch`
    against, not a fast route.

    Args:
        case: what to dispatch, without limits on apparent power.
    """

    def __init__(self, case: Case) -> None:
        cp = extra_module("cvxpy", "bench")

        self.case = case
        feeder, n, branches = case.feeder, case.num_buses, case.feeder.num_nodes
        self._r, self._x = feeder.r_ohm / feeder.v_base_kv**2, feeder.x_ohm / feeder.v_base_kv**2
        parent = np.array(feeder.parent)
        feeds = np.zeros((branches, branches + 1))  # [l, i] = 1: node i is where branch l begins
        feeds[np.arange(branches), parent] = 1.0
        serves = np.zeros((branches, n))  # [l, b] = 1: branch l feeds bus b + 1
        serves[np.array(feeder.served) - 1, np.arange(n)] = 1.0

        self._base = cp.Parameter(2 * n)
        self._ctrl = cp.Variable(2 * n)
        self._p, self._q = cp.Variable(branches), cp.Variable(branches)
        self._l, self._v = cp.Variable(branches), cp.Variable(branches + 1)
        self._begin = feeds @ self._v
        s = self._base + self._ctrl
        leaving_p, leaving_q = feeds[:, 1:].T @ self._p, feeds[:, 1:].T @ self._q
        fall = 2 * (cp.multiply(self._r, self._p) + cp.multiply(self._x, self._q))
        rise = cp.multiply(self._r**2 + self._x**2, self._l)
        bounds = np.concatenate([case.p_limit_kw, case.q_limit_kvar]) / _PER_MVA
        v_bus = self._v[np.array(feeder.served)]
        constraints = [
            self._p - cp.multiply(self._r, self._l) == serves @ s[:n] + leaving_p,
            self._q - cp.multiply(self._x, self._l) == serves @ s[n:] + leaving_q,
            self._v[1:] == self._begin - fall + rise,
            self._v[0] == case.v_head_pu**2,
            cp.abs(self._ctrl) <= bounds,
            v_bus >= case.v_min_pu**2,
            v_bus <= case.v_max_pu**2,
            # l v >= P^2 + Q^2 as |2P, 2Q, l - v| <= l + v
            cp.norm(cp.vstack([2 * self._p, 2 * self._q, self._l - self._begin]), axis=0)
            <= self._l + self._begin,
        ]
        alpha = np.concatenate([case.alpha_p, case.alpha_q]) * _PER_MVA**2
        beta = np.concatenate([case.beta_p, case.beta_q]) * _PER_MVA
        cost = alpha @ cp.square(self._ctrl) + beta @ self._ctrl
        self._fixed = float((case.gamma_p + case.gamma_q).sum())
        loss = _PER_MVA * (self._r @ self._l)
        self._problem = cp.Problem(cp.Minimize(loss + cost), constraints)
        self._optimal, self._infeasible = cp.OPTIMAL, cp.INFEASIBLE

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> RelaxedResult:
        """Dispatch N states.

        Args:
            p_base_kw, q_base_kvar: (N, n) base demand.

        Raises:
            GridError: on bad input, or if Clarabel finds neither an optimum nor a proof of
                infeasibility.
        """
        base = joined_states(self.case, p_base_kw, q_base_kvar)
        n = self.case.num_buses
        ctrl, v_pu = np.full_like(base, np.nan), np.full((len(base), n), np.nan)
        cost_kw, gap_kw = np.full((2, len(base)), np.nan)
        for i, state in enumerate(base):
            self._base.value = state / _PER_MVA
            self._problem.solve(solver="CLARABEL")
            if self._problem.status == self._optimal:
                ctrl[i] = _PER_MVA * self._ctrl.value
                v_pu[i] = np.sqrt(self._v.value[np.array(self.case.feeder.served)])
                cost_kw[i] = self._problem.value + self._fixed
                flow_sq = self._p.value**2 + self._q.value**2
                idle = self._l.value - flow_sq / self._begin.value
                gap_kw[i] = _PER_MVA * float(self._r @ idle)
            elif self._problem.status != self._infeasible:
                raise GridError(f"state {i}: Clarabel ends with status {self._problem.status!r}")
        feasible = np.isfinite(cost_kw)
        return RelaxedResult(ctrl[:, :n], ctrl[:, n:], v_pu, cost_kw, feasible, gap_kw)
