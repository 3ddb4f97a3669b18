"""Which optimal dispatch is that of a case."""

from __future__ import annotations

from typing import Protocol

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array
from rllib_grid.dispatch.ac import AcDispatch
from rllib_grid.dispatch.ac_cone import AcConeDispatch
from rllib_grid.dispatch.cone import ConeDispatch
from rllib_grid.dispatch.lindistflow import DispatchResult, OptimalDispatch


class Dispatch(Protocol):
    """What every optimal dispatch offers."""

    case: Case

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> DispatchResult:
        """Dispatch N states: p_base_kw (N, n), q_base_kvar (N, n)."""


def make_dispatch(case: Case) -> Dispatch:
    """The optimal dispatch of a case, by its physics and what limits it has.

    Args:
        case: what to dispatch.
    """
    if case.physics == "ac":
        return AcConeDispatch(case) if case.limits_apparent_power else AcDispatch(case)
    if case.limits_apparent_power:
        return ConeDispatch(case)
    return OptimalDispatch(case)
