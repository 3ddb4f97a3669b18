"""Optimal dispatch under AC power flow of cases that limit apparent power."""

from __future__ import annotations

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array
from rllib_grid.dispatch.ac_relaxation import ConeRelaxation
from rllib_grid.dispatch.batch_qp import Solutions
from rllib_grid.dispatch.lindistflow import DispatchResult, dispatch_result, joined_states
from rllib_grid.errors import GridError

EXACT = 1e-5  # of the cost: how far an optimum may be from its bound
LEAST = 1e-3  # of the greatest cost of all states, which a smaller one counts as


class AcConeDispatch:
    """Equation 4 of the TS-MADDPG paper under AC, with the ratings of inverters and branches.

    minimise    AC loss + costs of all buildings            over p_ctrl, q_ctrl
    subject to  |p_ctrl| <= p_limit_kw,  |q_ctrl| <= q_limit_kvar
                v_min_pu <= v_pu <= v_max_pu                at every bus
                p_ctrl^2 + q_ctrl^2 <= s_max_kva^2          at every bus, where the case has it
                |current| <= that of branch_limit_kva       in every branch, likewise

    By `ConeRelaxation`. What its controls cost in the full power flow is held against its bound,
    which no control undercuts: where the two agree it is the global optimum.

    Args:
        case: what to dispatch.
    """

    def __init__(self, case: Case) -> None:
        self.case = case.replace(physics="ac")
        self._program = ConeRelaxation(self.case)

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> DispatchResult:
        """Dispatch N states; `kkt_residual` is how far each cost is above its bound, relative.

        Args:
            p_base_kw, q_base_kvar: (N, n) base demand.

        Raises:
            GridError: on bad input, or where the relaxation is not exact: upper voltage bounds
                bind there.
        """
        base = joined_states(self.case, p_base_kw, q_base_kvar)
        found = self._program.solve(p_base_kw, q_base_kvar)
        x = np.concatenate([found.p_ctrl_kw, found.q_ctrl_kvar], axis=1)
        limit = np.concatenate([self.case.p_limit_kw, self.case.q_limit_kvar])
        nothing = np.full(len(base), np.nan)
        solutions = Solutions(np.clip(x, -limit, limit), nothing[:, None], found.feasible, nothing)
        result = dispatch_result(self.case, base, solutions)
        size = np.abs(result.cost_kw)
        size = np.maximum(size, LEAST * np.nanmax(size, initial=0))
        residual = np.abs(result.cost_kw - found.cost_kw) / size
        for state in np.flatnonzero(found.feasible & ~(residual <= EXACT)):
            raise GridError(
                f"state {state}: no proven AC optimum, it costs {result.cost_kw[state]:.4g} kW and "
                f"its bound is {found.cost_kw[state]:.4g}: the relaxation is not exact where upper "
                'voltage bounds bind; leave out the ratings, or use physics="lindistflow"'
            )
        return result._replace(kkt_residual=residual)
