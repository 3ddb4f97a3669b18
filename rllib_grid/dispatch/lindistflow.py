"""Optimal dispatch: the cheapest controls that any controller could choose (equation 4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array, batch
from rllib_grid.dispatch.batch_qp import BatchQP, Solutions
from rllib_grid.errors import GridError
from rllib_grid.extras import extra_module
from rllib_grid.physics import lindistflow


class DispatchResult(NamedTuple):
    """Optimal controls of N states. Rows of infeasible states are NaN."""

    p_ctrl_kw: Array  # (N, n)
    q_ctrl_kvar: Array  # (N, n)
    v_pu: Array  # (N, n)
    cost_kw: Array  # (N,) loss and building costs, without penalty
    feasible: NDArray[np.bool_]  # (N,) False where no control meets the voltage bounds
    kkt_residual: Array  # (N,) largest violation of the KKT conditions, dimensionless


class Terms:
    """Equation 4 in matrices over the controls (p_ctrl, q_ctrl): what all its solvers start from.

    Args:
        case: what to dispatch.

    Attributes:
        hessian: (2n, 2n) of loss and costs.
        limit: (2n,) on the controls, either sign.
        drop: (n, 2n) rows of v_head_pu^2 - v_sq.
    """

    def __init__(self, case: Case) -> None:
        n, feeder = case.num_buses, case.feeder
        self._loss = np.zeros((2 * n, 2 * n))
        self._loss[:n, :n], self._loss[n:, n:] = lindistflow.losses(feeder, case.v_head_pu)
        self._beta = np.concatenate([case.beta_p, case.beta_q])
        head_sq = case.v_head_pu**2
        self._low, self._high = head_sq - case.v_max_pu**2, head_sq - case.v_min_pu**2
        self.hessian = 2 * (self._loss + np.diag(np.concatenate([case.alpha_p, case.alpha_q])))
        self.limit = np.concatenate([case.p_limit_kw, case.q_limit_kvar])
        self.drop = np.hstack([feeder.v_sq_per_kw, feeder.v_sq_per_kvar])

    def vectors(self, base: Array) -> tuple[Array, Array, Array]:
        """What depends on the state.

        Args:
            base: (N, 2n) p_base_kw, then q_base_kvar.

        Returns:
            Linear cost (N, 2n), and bounds (N, n) on what the controls add to the drop of v_sq.
        """
        drop = base @ self.drop.T
        return 2 * base @ self._loss + self._beta, self._low - drop, self._high - drop


class OptimalDispatch:
    """Equation 4 for batches of states.

    minimise    loss + costs of all buildings               over p_ctrl, q_ctrl
    subject to  |p_ctrl| <= p_limit_kw,  |q_ctrl| <= q_limit_kvar
                v_min_pu^2 <= v_sq <= v_max_pu^2            at every bus

    Convex, with one Hessian for all states: only the linear terms and the room that base
    demand leaves to v_sq change from state to state.

    Args:
        case: what to dispatch.

    Raises:
        GridError: if the case limits apparent power, or has AC physics.
    """

    def __init__(self, case: Case) -> None:
        if case.limits_apparent_power or case.physics == "ac":
            raise GridError(
                f"case {case.name} is no quadratic program (apparent power is limited, or physics "
                "are 'ac'): take make_dispatch"
            )
        self.case = case
        self._terms = Terms(case)
        self._program = BatchQP(self._terms.hessian, limit=self._terms.limit, rows=self._terms.drop)

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> DispatchResult:
        """Dispatch N states.

        Args:
            p_base_kw, q_base_kvar: (N, n) base demand.

        Raises:
            GridError: on bad input, or if an answer cannot be proven by its KKT residual.
        """
        base = joined_states(self.case, p_base_kw, q_base_kvar)
        linear, lower, upper = self._terms.vectors(base)
        return dispatch_result(self.case, base, self._program.solve(linear, lower, upper))

    def kkt_residual(self, base: Array, controls: Array, multipliers: Array) -> Array:
        """Largest violation (N,) of the KKT conditions by anybody's answer, dimensionless.

        Args:
            base: (N, 2n) p_base_kw, then q_base_kvar.
            controls: (N, 2n) p_ctrl_kw, then q_ctrl_kvar.
            multipliers: (N, 3n) of the limits on `controls` and of the bounds on the drop
                v_head_pu^2 - v_sq; positive at an upper bound, negative at a lower one.
        """
        linear, lower, upper = self._terms.vectors(base)
        return self._program.kkt_residual(linear, controls, multipliers, lower, upper)


class CvxpyDispatch:
    """The same program, written as one reads it and solved state by state.

    Stated once in cvxpy with parameters (disciplined parametrised programming) and solved by
    Clarabel. A reference to check `OptimalDispatch` and `ConeDispatch` against, not a fast route.

    Args:
        case: what to dispatch.
    """

    def __init__(self, case: Case) -> None:
        cp = extra_module("cvxpy", "bench")

        self.case = case
        n, feeder = case.num_buses, case.feeder
        self._p_base, self._q_base = cp.Parameter(n), cp.Parameter(n)
        self._p_ctrl, self._q_ctrl = cp.Variable(n), cp.Variable(n)
        p, q = self._p_base + self._p_ctrl, self._q_base + self._q_ctrl

        lost_p, lost_q = lindistflow.branch_losses(feeder, case.v_head_pu)
        loss_p = lost_p @ cp.square(feeder.paths.T @ p)
        loss_q = lost_q @ cp.square(feeder.paths.T @ q)
        cost_p = case.alpha_p @ cp.square(self._p_ctrl) + case.beta_p @ self._p_ctrl
        cost_q = case.alpha_q @ cp.square(self._q_ctrl) + case.beta_q @ self._q_ctrl
        drop = feeder.v_sq_per_kw @ p + feeder.v_sq_per_kvar @ q  # v_head^2 - v_sq
        uppers = [
            self._p_ctrl <= case.p_limit_kw,
            self._q_ctrl <= case.q_limit_kvar,
            drop <= case.v_head_pu**2 - case.v_min_pu**2,
        ]
        lowers = [
            self._p_ctrl >= -case.p_limit_kw,
            self._q_ctrl >= -case.q_limit_kvar,
            drop >= case.v_head_pu**2 - case.v_max_pu**2,
        ]
        self._bounds = list(zip(lowers, uppers, strict=True))
        circles: list[Any] = []
        if case.s_max_kva is not None:
            controls = cp.vstack([self._p_ctrl, self._q_ctrl])
            circles.append(cp.norm(controls, axis=0) <= case.s_max_kva)
        if case.branch_limit_kva is not None:
            flows = cp.vstack([feeder.paths.T @ p, feeder.paths.T @ q])
            circles.append(cp.norm(flows, axis=0) <= case.branch_limit_kva * case.v_head_pu)
        objective = cp.Minimize(loss_p + loss_q + cost_p + cost_q)
        self._problem = cp.Problem(objective, lowers + uppers + circles)
        self._has_circles = bool(circles)
        self._optimal, self._infeasible = cp.OPTIMAL, cp.INFEASIBLE

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> DispatchResult:
        """Dispatch N states; as `OptimalDispatch.solve`, without KKT residual under cone limits.

        Raises:
            GridError: on bad input, or if Clarabel finds neither an optimum nor a proof of
                infeasibility.
        """
        base = joined_states(self.case, p_base_kw, q_base_kvar)
        n = self.case.num_buses
        x, multipliers = np.full_like(base, np.nan), np.full((len(base), 3 * n), np.nan)
        for i, state in enumerate(base):
            self._p_base.value, self._q_base.value = state[:n], state[n:]
            self._problem.solve(solver="CLARABEL")
            if self._problem.status == self._optimal:
                x[i] = np.concatenate([self._p_ctrl.value, self._q_ctrl.value])
                multipliers[i] = np.concatenate(
                    [upper.dual_value - lower.dual_value for lower, upper in self._bounds]
                )
            elif self._problem.status != self._infeasible:
                raise GridError(f"state {i}: Clarabel ends with status {self._problem.status!r}")
        feasible = np.isfinite(x.sum(axis=1))
        residual = np.full(len(base), np.nan)
        if not self._has_circles:
            residual = OptimalDispatch(self.case).kkt_residual(base, x, multipliers)
        return dispatch_result(self.case, base, Solutions(x, multipliers, feasible, residual))


def joined_states(case: Case, p_base_kw: Array, q_base_kvar: Array) -> Array:
    """Check N states and put them side by side: (N, 2n), p_base_kw before q_base_kvar.

    Raises:
        GridError: on another shape, or numbers that are not finite.
    """
    p_kw = batch("p_base_kw", p_base_kw, case.num_buses)
    q_kvar = batch("q_base_kvar", q_base_kvar, case.num_buses)
    if len(p_kw) != len(q_kvar):
        raise GridError(f"{len(p_kw)} rows of p_base_kw, {len(q_kvar)} of q_base_kvar")
    return np.hstack([p_kw, q_kvar])


def dispatch_result(case: Case, base: Array, answer: Solutions) -> DispatchResult:
    """Read the solutions of N programs in (p_ctrl, q_ctrl) as a dispatch.

    Args:
        case: what was dispatched.
        base: (N, 2n), see `joined_states`.
        answer: with x of (N, 2n).
    """
    n = case.num_buses
    p_ctrl, q_ctrl = answer.x[:, :n], answer.x[:, n:]
    v_pu, cost_kw = np.full_like(p_ctrl, np.nan), np.full(len(base), np.nan)
    ok = answer.feasible
    states = (base[ok, :n], base[ok, n:], p_ctrl[ok], q_ctrl[ok])
    v_pu[ok], cost_kw[ok] = case.v_pu(*states), case.cost_kw(*states)
    return DispatchResult(p_ctrl, q_ctrl, v_pu, cost_kw, ok, answer.kkt_residual)
