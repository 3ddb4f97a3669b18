"""What all runs of the solver Clarabel have in common."""

from __future__ import annotations

from typing import Any

from rllib_grid.errors import GridError

TOLERANCE = 1e-10


def quiet_settings() -> Any:
    """Settings for programs that are solved again with other vectors."""
    import clarabel

    settings = clarabel.DefaultSettings()
    settings.verbose, settings.presolve_enable = False, False  # `update` needs all rows
    for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas"):
        setattr(settings, name, TOLERANCE)
    return settings


def solved(state: int, answer: Any) -> bool:
    """Whether there is an optimum, which its residual has to prove; False: it is infeasible.

    Args:
        state: number of the program, for errors.
        answer: Clarabel's.

    Raises:
        GridError: if it is neither.
    """
    status = str(answer.status)
    if status in ("Solved", "AlmostSolved"):
        return True
    if status not in ("PrimalInfeasible", "AlmostPrimalInfeasible"):
        raise GridError(f"state {state}: Clarabel ends with status {status!r}")
    return False
