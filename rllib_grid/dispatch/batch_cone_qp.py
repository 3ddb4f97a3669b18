"""Many small quadratic programs with circular limits, which share everything but their vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array
from rllib_grid.dispatch.batch_qp import Solutions
from rllib_grid.dispatch.clarabel_runs import ConeProgram
from rllib_grid.errors import GridError

_KKT_TOLERANCE = 1e-6  # an interior point method stops short of the corner


class BatchConeQP:
    """minimise x'Hx / 2 + f'x  s.t.  |x| <= limit,  lower <= A x <= upper,  |c_j + C_j x| <= r_j.

    H, A, C, limit and r are shared; f, lower, upper and c differ from program to program. Each is
    solved by Clarabel (Goulart and Chen, "Clarabel: An interior-point solver for conic programs
    with quadratic objectives", 2024), which is set up once, and proven by its KKT residual.

    Args:
        hessian: H (k, k), positive definite.
        limit: (k,), > 0.
        rows: A (r, k).
        circles: C (J, 2, k), two rows for each circle.
        radius: r (J,), > 0.
    """

    def __init__(
        self, hessian: Array, limit: Array, rows: Array, circles: Array, radius: Array
    ) -> None:
        # Solved in units of the limits, with mean curvature 1, rows of length 1 and circles of
        # radius 1, so that all tolerances are relative.
        hessian = hessian * limit[:, None] * limit
        self._limit, self._radius = limit, radius
        self._per_cost = 1 / np.diag(hessian).mean()
        self._hessian = hessian * self._per_cost
        self._per_row = 1 / np.linalg.norm(rows * limit, axis=1)
        self._rows = rows * limit * self._per_row[:, None]
        self._circles = circles * limit / radius[:, None, None]
        self._per_multiplier = np.concatenate(
            [limit * self._per_cost, self._per_cost / self._per_row]
        )

    def solve(
        self, linear: Array, lower: Array, upper: Array, centre: Array | None = None
    ) -> Solutions:
        """Solve B programs.

        Args:
            linear: f (B, k).
            lower, upper: (B, r).
            centre: c (B, J, 2); zero if None.

        Returns:
            As `BatchQP.solve`; the multipliers of the circles are not among `multipliers`.

        Raises:
            GridError: if an answer cannot be proven.
        """
        size, k = linear.shape
        f = linear * (self._limit * self._per_cost)
        low, high = lower * self._per_row, upper * self._per_row
        count = len(self._radius)
        c = np.zeros((size, count, 2)) if centre is None else centre / self._radius[:, None]
        x, duals, feasible = self._run(f, low, high, c)
        side, row, cone = np.split(duals, [2 * k, 2 * k + 2 * len(self._rows)], axis=1)
        bounds = np.hstack([side[:, :k] - side[:, k:], np.subtract(*np.split(row, 2, axis=1))])
        residual = self._residual(f, low, high, c, x, bounds, cone.reshape(size, count, 3))
        for i in np.flatnonzero(feasible & ~(residual <= _KKT_TOLERANCE)):
            raise GridError(
                f"state {i}: no proven optimum (KKT residual {residual[i]:.1e}, must be <= "
                f"{_KKT_TOLERANCE:g}); impedances, limits or costs are too many orders of "
                "magnitude apart"
            )
        return Solutions(x * self._limit, bounds / self._per_multiplier, feasible, residual)

    def _run(
        self, f: Array, low: Array, high: Array, c: Array
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Scaled x (B, k), Clarabel's multipliers and whether there is an optimum (B,)."""
        size, k = f.shape
        count = len(self._radius)
        tips = np.concatenate([np.zeros((count, 1, k)), -self._circles], axis=1)
        eye = np.eye(k)
        constraints = np.vstack([eye, -eye, self._rows, -self._rows, tips.reshape(-1, k)])
        sides = np.hstack([np.ones((size, 2 * k)), high, -low, _tipped(c).reshape(size, -1)])
        cones = [("nonnegative", 2 * k + 2 * len(self._rows)), *[("second order", 3)] * count]
        program = ConeProgram(self._hessian, constraints, cones)
        x, duals = np.full_like(f, np.nan), np.full_like(sides, np.nan)
        feasible = np.zeros(size, np.bool_)
        for i in range(size):
            answer = program.solve(i, f[i], sides[i])
            if answer is not None:
                x[i], duals[i], feasible[i] = answer.x, answer.z, True
        return np.clip(x, -1.0, 1.0), duals, feasible

    def _residual(
        self, f: Array, low: Array, high: Array, c: Array, x: Array, bounds: Array, cone: Array
    ) -> Array:
        """Largest violation (B,) of the KKT conditions in scaled units; NaN without an optimum.

        With multipliers y of the bounds on (x, A x) and (t, u) of each circle, (t, u) in the
        second-order cone: H x + f + y_x + A' y_A = C' u; bounds and circles hold; y is only where a
        bound is met, and t + u'(c + C x) = 0.

        Args:
            f: (B, k).
            low, high: (B, r).
            c: (B, J, 2).
            x: (B, k).
            bounds: y (B, k + r).
            cone: (t, u), (B, J, 3).
        """
        k = x.shape[1]
        values = np.hstack([x, x @ self._rows.T])
        highs = np.hstack([np.ones_like(x), high])
        lows = np.hstack([-np.ones_like(x), low])
        at = c + np.einsum("jek,bk->bje", self._circles, x)
        t, u = cone[..., 0], cone[..., 1:]
        gradient = x @ self._hessian + f + bounds[:, :k] + bounds[:, k:] @ self._rows
        gradient -= np.einsum("bje,jek->bk", u, self._circles)
        slack = np.where(bounds > 0, highs - values, values - lows)
        violations = [
            np.abs(gradient),
            np.maximum(values - highs, lows - values),
            np.abs(bounds * slack),
            np.linalg.norm(at, axis=2) - 1.0,
            np.linalg.norm(u, axis=2) - t,
            np.abs(t + np.einsum("bje,bje->bj", u, at)),
        ]
        worst: Array = np.hstack(violations).max(axis=1)
        return worst


def _tipped(c: Array) -> Array:
    """(B, J, 2) -> (B, J, 3): the radius 1 before each centre, as Clarabel has its cones."""
    return np.concatenate([np.ones((*c.shape[:2], 1)), c], axis=2)
