"""Many small quadratic programs that share everything but their vectors."""

from __future__ import annotations

from typing import NamedTuple

import daqp  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array
from rllib_grid.errors import GridError

_OPTIMAL, _INFEASIBLE = 1, -1  # DAQP's exit flags
_PRIMAL_TOLERANCE = 1e-9  # of scaled bounds; DAQP's own default of 1e-6 is 1e-4 kW here
_KKT_TOLERANCE = 1e-8


class Solutions(NamedTuple):
    """Answers to B programs; rows of infeasible ones are NaN."""

    x: Array  # (B, k)
    multipliers: Array  # (B, k + r), of the bounds on (x, A x); positive at an upper bound
    feasible: NDArray[np.bool_]  # (B,)
    kkt_residual: Array  # (B,)


class BatchQP:
    """minimise x'Hx / 2 + f'x  subject to  |x| <= limit,  lower <= A x <= upper.

    H, A and limit are shared; f, lower and upper differ from program to program. H is
    factorised once, then DAQP, a dual active-set method (Arnstrom, Bemporad and Axehill, IEEE
    Transactions on Automatic Control, 2022), solves one program after another, each from the
    active set of the one before. Every answer is proven by its KKT residual; what is not proven,
    infeasible programs included, is solved a second time from a cold start.

    Args:
        hessian: H (k, k), positive definite.
        limit: (k,), > 0.
        rows: A (r, k); none if left out.
    """

    def __init__(self, hessian: Array, limit: Array, rows: Array | None = None) -> None:
        rows = np.zeros((0, len(limit))) if rows is None else rows
        # Solved in units of the limits, with mean curvature 1 and rows of length 1, so that
        # all tolerances are relative.
        hessian = hessian * limit[:, None] * limit
        self._limit = limit
        self._per_cost = 1 / np.diag(hessian).mean()
        self._hessian = np.ascontiguousarray(hessian * self._per_cost)
        self._per_row = 1 / np.linalg.norm(rows * limit, axis=1)
        self._rows = np.ascontiguousarray(rows * limit * self._per_row[:, None])
        self._per_multiplier = np.concatenate(
            [limit * self._per_cost, self._per_cost / self._per_row]
        )

    def solve(
        self, linear: Array, lower: Array | None = None, upper: Array | None = None
    ) -> Solutions:
        """Solve B programs.

        Args:
            linear: f (B, k).
            lower, upper: (B, r); left out if A has no rows.

        Raises:
            GridError: if an answer cannot be proven.
        """
        f, low, high = self._scaled(linear, lower, upper)
        x, multipliers, flags = self._run(f, low, high)
        residual = self._residual(f, low, high, x, multipliers)
        for i in np.flatnonzero(~(residual <= _KKT_TOLERANCE)):  # true for NaN
            one = slice(i, i + 1)
            x[one], multipliers[one], flags[one] = self._run(f[one], low[one], high[one])
            residual[one] = self._residual(f[one], low[one], high[one], x[one], multipliers[one])
            if flags[i] != _INFEASIBLE and not residual[i] <= _KKT_TOLERANCE:
                raise GridError(
                    f"state {i}: no proven optimum (DAQP exit flag {flags[i]}, KKT residual "
                    f"{residual[i]:.1e}, must be <= {_KKT_TOLERANCE:g}); impedances, limits or "
                    "costs are too many orders of magnitude apart"
                )
        return Solutions(
            x * self._limit, multipliers / self._per_multiplier, flags == _OPTIMAL, residual
        )

    def kkt_residual(
        self,
        linear: Array,
        x: Array,
        multipliers: Array,
        lower: Array | None = None,
        upper: Array | None = None,
    ) -> Array:
        """Largest violation (B,) of the KKT conditions, in units of the limits and curvature.

        - stationarity: H x + f + y_x + A' y_A = 0, for multipliers y = (y_x, y_A);
        - primal feasibility: the bounds on (x, A x);
        - complementarity: y > 0 only at an upper bound, y < 0 only at a lower one.

        Args:
            linear: f (B, k).
            x: (B, k).
            multipliers: (B, k + r).
            lower, upper: (B, r); left out if A has no rows.
        """
        f, low, high = self._scaled(linear, lower, upper)
        return self._residual(f, low, high, x / self._limit, multipliers * self._per_multiplier)

    def _scaled(
        self, linear: Array, lower: Array | None, upper: Array | None
    ) -> tuple[Array, Array, Array]:
        """f (B, k), and bounds (B, k + r) on (x, A x), in scaled units."""
        size, k = linear.shape
        high = np.ones((size, k + len(self._rows)))
        low = -high
        if lower is not None and upper is not None:
            low[:, k:], high[:, k:] = lower * self._per_row, upper * self._per_row
        return linear * (self._limit * self._per_cost), low, high

    def _run(self, f: Array, low: Array, high: Array) -> tuple[Array, Array, NDArray[np.int64]]:
        """Scaled x and multipliers, NaN where there is no optimum; DAQP's exit flags (B,)."""
        x, multipliers = np.full_like(f, np.nan), np.full_like(low, np.nan)
        flags = np.zeros(len(f), np.int64)
        model = daqp.Model()
        for i in range(len(f)):
            if i == 0:
                model.setup(self._hessian, f[i], self._rows, high[i], low[i])
                model.settings = {**model.settings, "primal_tol": _PRIMAL_TOLERANCE}
            else:
                model.update(None, f[i], None, high[i], low[i])
            answer, _, flags[i], info = model.solve()
            if flags[i] == _OPTIMAL:
                np.clip(answer, -1.0, 1.0, out=x[i])  # a rounding error beyond a limit is beyond it
                multipliers[i] = info["lam"]
        return x, multipliers, flags

    def _residual(self, f: Array, low: Array, high: Array, x: Array, multipliers: Array) -> Array:
        """See `kkt_residual`; all in scaled units."""
        k = len(self._limit)
        values = np.hstack([x, x @ self._rows.T])
        gradient = x @ self._hessian + f + multipliers[:, :k] + multipliers[:, k:] @ self._rows
        outside = np.maximum(values - high, low - values)
        slack = np.where(multipliers > 0, high - values, values - low)
        violations = np.hstack([np.abs(gradient), outside, np.abs(multipliers * slack)])
        worst: Array = violations.max(axis=1)
        return worst
