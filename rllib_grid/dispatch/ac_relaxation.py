"""Optimal dispatch under AC power flow as a cone program, whose optimum bounds all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array
from rllib_grid.dispatch.clarabel_runs import ConeProgram
from rllib_grid.dispatch.lindistflow import joined_states


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

    Ratings are exact in it: p_ctrl^2 + q_ctrl^2 <= s_max_kva^2 for inverters, and for branches
    l <= branch_limit_kva^2, which limits their current. Stated once, and solved by Clarabel state
    by state.

    Args:
        case: what to dispatch.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        feeder, n, branches = case.feeder, case.num_buses, case.feeder.num_nodes
        limit = np.concatenate([case.p_limit_kw, case.q_limit_kvar])
        self._unit = float(limit.mean())  # kVA that count as 1, which keeps numbers near 1
        self._r = feeder.r_ohm * self._unit / feeder.base_kva_ohm
        self._columns = np.split(np.arange(2 * n + 4 * branches), _ends(n, branches))
        self._serves = np.zeros((branches, n))  # [l, b] = 1: branch l feeds bus b + 1
        self._serves[np.array(feeder.served) - 1, np.arange(n)] = 1.0
        self._rows, self._sides, self._cones = self._stated(limit / self._unit)
        alpha = np.concatenate([case.alpha_p, case.alpha_q])
        cost = np.zeros((2, self._rows.shape[1]))  # of x^2 and of x, all over the unit
        cost[0, : 2 * n] = alpha * self._unit
        cost[1, : 2 * n] = np.concatenate([case.beta_p, case.beta_q])
        cost[1, self._columns[3]] = self._r
        self._hessian, self._linear = np.diag(2 * cost[0]), cost[1]
        self._fixed = float((case.gamma_p + case.gamma_q).sum())

    def _stated(self, limit: Array) -> tuple[Array, Array, list[tuple[str, int]]]:
        """Rows A and sides b of A x + s = b, s in the cones, of x = (ctrl, P, Q, l, v)."""
        case, feeder = self.case, self.case.feeder
        n, branches = case.num_buses, feeder.num_nodes
        ctrl, flow_p, flow_q, square, volt = self._columns
        x_pu = feeder.x_ohm * self._unit / feeder.base_kva_ohm
        parent, every = np.array(feeder.parent), np.arange(branches)
        eye = np.eye(2 * n + 4 * branches)
        head_sq = case.v_head_pu**2
        inner, first = parent > 0, np.where(parent > 0, 0.0, head_sq)
        begin = np.zeros((branches, len(eye)))  # v where each branch begins, but for the head
        begin[every[inner], volt[parent[inner] - 1]] = 1.0
        leaving = np.zeros((branches, branches))  # [l, k] = 1: branch k begins where l ends
        leaving[parent[inner] - 1, every[inner]] = 1.0

        balance = np.zeros((2, branches, len(eye)))
        for side, (part, flow, z_pu) in enumerate(
            ((ctrl[:n], flow_p, self._r), (ctrl[n:], flow_q, x_pu))
        ):
            balance[side][:, flow] = np.eye(branches) - leaving
            balance[side][every, square] = -z_pu
            balance[side][:, part] = -self._serves
        drop = eye[volt] - begin
        drop[every, flow_p] += 2 * self._r
        drop[every, flow_q] += 2 * x_pu
        drop[every, square] -= self._r**2 + x_pu**2
        at_bus = eye[volt[np.array(feeder.served) - 1]]
        ones = np.ones(n)
        below = [(eye[ctrl], limit), (-eye[ctrl], limit)]
        below += [(at_bus, case.v_max_pu**2 * ones), (-at_bus, -(case.v_min_pu**2) * ones)]
        if case.branch_limit_kva is not None:
            below.append((eye[square], (case.branch_limit_kva / self._unit) ** 2))
        parts = [(balance.reshape(-1, len(eye)), np.zeros(2 * branches)), (drop, first), *below]
        cones = [("zero", 3 * branches), ("nonnegative", sum(len(side) for _, side in below))]
        # l v >= P^2 + Q^2 as |2P, 2Q, l - v| <= l + v
        tips = (eye[square] + begin, 2 * eye[flow_p], 2 * eye[flow_q], eye[square] - begin)
        parts.append(_circles(tips, (first, 0 * first, 0 * first, -first)))
        cones += [("second order", 4)] * branches
        if case.s_max_kva is not None:
            controls = (0 * eye[:n], eye[ctrl[:n]], eye[ctrl[n:]])
            parts.append(_circles(controls, (case.s_max_kva / self._unit, 0 * ones, 0 * ones)))
            cones += [("second order", 3)] * n
        rows, sides = zip(*parts, strict=True)
        return np.concatenate(rows), np.concatenate(sides), cones

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> RelaxedResult:
        """Dispatch N states.

        Args:
            p_base_kw, q_base_kvar: (N, n) base demand.

        Raises:
            GridError: on bad input, or if Clarabel finds neither an optimum nor a proof of
                infeasibility.
        """
        base = joined_states(self.case, p_base_kw, q_base_kvar)
        n, feeder = self.case.num_buses, self.case.feeder
        ctrl, v_pu = np.full_like(base, np.nan), np.full((len(base), n), np.nan)
        cost_kw, gap_kw = np.full((2, len(base)), np.nan)
        program = ConeProgram(self._hessian, self._rows, self._cones)
        sides, at_bus = self._sides.copy(), np.array(feeder.served) - 1
        for i, state in enumerate(base / self._unit):
            served = state.reshape(2, n) @ self._serves.T
            sides[: 2 * feeder.num_nodes] = served.reshape(-1)
            answer = program.solve(i, self._linear, sides)
            if answer is None:
                continue
            x = np.array(answer.x)
            c, p, q, square, v = (x[columns] for columns in self._columns)
            ctrl[i] = self._unit * c
            v_pu[i] = np.sqrt(v[at_bus])
            cost_kw[i] = self._unit * answer.obj_val + self._fixed
            begin = np.concatenate([[self.case.v_head_pu**2], v])[list(feeder.parent)]
            gap_kw[i] = self._unit * float(self._r @ (square - (p**2 + q**2) / begin))
        feasible = np.isfinite(cost_kw)
        return RelaxedResult(ctrl[:, :n], ctrl[:, n:], v_pu, cost_kw, feasible, gap_kw)


def _ends(n: int, branches: int) -> list[int]:
    """Where the parts of x = (ctrl, P, Q, l, v) end, but for the last."""
    return [2 * n + k * branches for k in range(4)]


def _circles(parts: Sequence[Array], sides: Sequence[Array]) -> tuple[Array, Array]:
    """Second-order cones of affine parts, tip first: rows and sides, a cone after the other."""
    rows = -np.stack(parts, axis=1)
    return rows.reshape(-1, rows.shape[2]), np.stack(sides, axis=1).reshape(-1)
