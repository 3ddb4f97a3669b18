"""Cone programs that Clarabel solves for one state after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.errors import GridError

_TOLERANCE = 1e-10


class ConeProgram:
    """minimise x'Hx / 2 + f'x  s.t.  A x + s = b, s in the cones; set up once for all f and b.

    Args:
        hessian: H (k, k).
        rows: A.
        cones: kind ("zero", "nonnegative" or "second order") and rows of each, in order.
    """

    def __init__(self, hessian: Array, rows: Array, cones: Sequence[tuple[str, int]]) -> None:
        import clarabel  # here, because few runs need them
        import scipy.sparse as sp

        kinds = {
            "zero": clarabel.ZeroConeT,
            "nonnegative": clarabel.NonnegativeConeT,
            "second order": clarabel.SecondOrderConeT,
        }
        self._new = clarabel.DefaultSolver
        self._hessian, self._rows = sp.csc_matrix(np.triu(hessian)), sp.csc_matrix(rows)
        self._cones = [kinds[kind](size) for kind, size in cones]
        self._settings = clarabel.DefaultSettings()
        self._settings.verbose = False
        self._settings.presolve_enable = False  # `update` needs all rows
        for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas"):
            setattr(self._settings, name, _TOLERANCE)
        self._solver: Any = None

    def solve(self, state: int, linear: Array, sides: Array) -> Any:
        """Solve for one f and b.

        Args:
            state: number of the program, for errors.
            linear: f (k,).
            sides: b.

        Returns:
            Clarabel's answer, which its residual has to prove; None if there is none.

        Raises:
            GridError: if Clarabel finds neither an optimum nor a proof of infeasibility.
        """
        if self._solver is None:
            self._solver = self._new(
                self._hessian, linear, self._rows, sides, self._cones, self._settings
            )
        else:
            self._solver.update(q=linear, b=sides)
        answer = self._solver.solve()
        status = str(answer.status)
        if status in ("Solved", "AlmostSolved"):
            return answer
        if status not in ("PrimalInfeasible", "AlmostPrimalInfeasible"):
            raise GridError(f"state {state}: Clarabel ends with status {status!r}")
        return None
