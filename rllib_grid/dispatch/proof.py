"""The proof of a quadratic program's answer: its optimality conditions, and its duality gap."""

from __future__ import annotations

from typing import Any

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.errors import GridError

TOLERANCE = 1e-6  # of cost and of constraints, relative to the size of the program's numbers


def proven(
    hessian: Any,
    linear: Array,
    rows: Any,
    right: Array,
    x: Array,
    z: Array,
    *,
    equalities: int = 0,
) -> tuple[float, float]:
    """Value of the primal and of the dual of min x'Hx/2 + f'x, A x <= b, from x and multipliers.

    Args:
        hessian: H, positive semidefinite.
        linear: f.
        rows: A.
        right: b.
        x: the answer.
        z: its multipliers, one per row.
        equalities: how many of the first rows are A x = b; their multipliers have either sign.

    Raises:
        GridError: if they do not meet the optimality conditions.
    """
    curved = hessian @ x
    primal = float(x @ curved) / 2 + float(linear @ x)
    dual = -float(x @ curved) / 2 - float(right @ z)
    cost_size, room = 1.0 + float(np.abs(linear).max()), 1.0 + float(np.abs(right).max())
    over = rows @ x - right
    over[:equalities] = np.abs(over[:equalities])
    residuals = {
        "stationarity": float(np.abs(curved + linear + rows.T @ z).max()) / cost_size,
        "constraints": max(float(over.max()), 0.0) / room,
        "multipliers": max(-float(z[equalities:].min()), 0.0) / cost_size,
        "duality gap": abs(primal - dual) / (1.0 + abs(primal)),
    }
    for name, value in residuals.items():
        if not value <= TOLERANCE:  # true for NaN
            raise GridError(
                f"no proven optimum of the day: {name} off by {value:.1e}, must be <= "
                f"{TOLERANCE:g}; impedances, prices or limits are too many orders of magnitude "
                "apart"
            )
    return primal, dual
