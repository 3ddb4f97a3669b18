"""Optimal dispatch under AC power flow, for batches of states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array
from rllib_grid.dispatch.batch_qp import BatchQP, Solutions
from rllib_grid.dispatch.lindistflow import DispatchResult, dispatch_result, joined_states
from rllib_grid.errors import GridError
from rllib_grid.physics.sensitivity import gradient
from rllib_grid.physics.zbus import ZBus

MOST_STEPS = 60
KKT_TOLERANCE = 1e-7
_WIDENED_PU_SQ = 2e-3  # about 1e-3 p.u. of voltage
_MOST_TIMES_STUCK = 6


class _Program(NamedTuple):
    """The quadratic programs that stand for B states at their present controls."""

    linear: Array  # (B, 2n)
    lower: Array  # (B, n)
    upper: Array  # (B, n)


class AcDispatch:
    """Equation 4 of the TS-MADDPG paper, with AC losses and voltages in place of LinDistFlow's.

    minimise    AC loss + costs of all buildings            over p_ctrl, q_ctrl
    subject to  |p_ctrl| <= p_limit_kw,  |q_ctrl| <= q_limit_kvar
                v_min_pu <= v_pu <= v_max_pu                at every bus

    Sequential quadratic programming. LinDistFlow's Hessian and rows serve all states and all
    steps, so that `BatchQP` is set up once; what they get wrong at the present controls x and
    multipliers y is put right in the vectors: the linear term carries the true slope of the
    Lagrangian, f = grad(cost)(x) + (J(x) - A)' y - H x, and the bounds the true voltages,
    A x + bound - drop(x). A step that stands still therefore meets the KKT conditions of the AC
    problem itself (Diehl, Walther, Bock and Kostina, "An adjoint-based SQP algorithm with
    quasi-Newton Jacobian updates for inequality constrained optimization", Optimization Methods
    and Software, 2010), and every answer is proven by their residual. That is a local optimum;
    `ConeRelaxation` bounds how far below the global one could lie.

    Args:
        case: what to dispatch, without limits on apparent power.

    Raises:
        GridError: if the case limits apparent power.
    """

    def __init__(self, case: Case) -> None:
        for name in ("s_max_kva", "branch_limit_kva"):
            if getattr(case, name) is not None:
                raise GridError(
                    f"{name} is set, but AcDispatch has no limits on apparent power: take "
                    "make_dispatch"
                )
        self.case = case
        feeder, n = case.feeder, case.num_buses
        self._zbus = ZBus(feeder, case.v_head_pu)
        self._alpha = np.concatenate([case.alpha_p, case.alpha_q])
        self._beta = np.concatenate([case.beta_p, case.beta_q])
        self._hessian = np.zeros((2 * n, 2 * n))
        # Losses are physical here, for Q as for P.
        self._hessian[:n, :n] = self._hessian[n:, n:] = 2 * feeder.loss_p / case.v_head_pu**2
        self._loss = self._hessian.copy()
        self._hessian += 2 * np.diag(self._alpha)
        self._rows = np.hstack([feeder.v_sq_per_kw, feeder.v_sq_per_kvar])  # A (n, 2n)
        limit = np.concatenate([case.p_limit_kw, case.q_limit_kvar])
        self._program = BatchQP(self._hessian, limit, self._rows)

    def solve(self, p_base_kw: Array, q_base_kvar: Array) -> DispatchResult:
        """Dispatch N states.

        A state counts as infeasible where the programs at its controls keep having no answer, or
        where the feeder collapses under them. Within a hair of the edge a feasible state may be
        taken for an infeasible one, never the other way round.

        Args:
            p_base_kw, q_base_kvar: (N, n) base demand.

        Raises:
            GridError: on bad input, or if an answer cannot be proven by its KKT residual.
        """
        base = joined_states(self.case, p_base_kw, q_base_kvar)
        answer = self._flat(base)
        x, multipliers = answer.x.copy(), answer.multipliers.copy()
        x[~answer.feasible], multipliers[~answer.feasible] = 0.0, 0.0
        residual = np.full(len(base), np.nan)
        feasible = np.ones(len(base), np.bool_)
        left, times_stuck = np.arange(len(base)), np.zeros(len(base), np.int64)
        for _ in range(MOST_STEPS):
            left, program = self._programs(base, x, multipliers, left, feasible)
            residual[left] = self._program.kkt_residual(
                program.linear, x[left], multipliers[left], program.lower, program.upper
            )
            open_ = residual[left] > KKT_TOLERANCE
            left, program = left[open_], _Program(*(part[open_] for part in program))
            if not left.size:
                break
            found, stuck = self._step(program)
            times_stuck[left[stuck]] += 1
            feasible[left] = found.feasible & (times_stuck[left] <= _MOST_TIMES_STUCK)
            going = feasible[left]
            left = left[going]
            x[left], multipliers[left] = found.x[going], found.multipliers[going]
        else:
            raise GridError(
                f"state {left[0]}: no proven AC optimum (KKT residual {residual[left[0]]:.1e} "
                f"after {MOST_STEPS} steps, must be <= {KKT_TOLERANCE:g})"
            )
        for array in (x, multipliers, residual):
            array[~feasible] = np.nan
        case = self.case.replace(physics="ac")
        return dispatch_result(case, base, Solutions(x, multipliers, feasible, residual))

    def _step(self, program: _Program) -> tuple[Solutions, NDArray[np.bool_]]:
        """Solve programs, those without an answer with wider bounds: and which ones these are.

        The rows are not the true slopes, so near the edge of what is feasible they may leave
        nothing while there is something; from nearer by they tell better.
        """
        found = self._program.solve(*program)
        stuck = ~found.feasible
        if stuck.any():
            wider = self._program.solve(
                program.linear[stuck],
                program.lower[stuck] - _WIDENED_PU_SQ,
                program.upper[stuck] + _WIDENED_PU_SQ,
            )
            for array, values in zip(found[:3], wider[:3], strict=True):
                array[stuck] = values
        return found, stuck

    def _flat(self, base: Array) -> Solutions:
        """The first step: LinDistFlow at the head's voltage."""
        drop, head_sq = base @ self._rows.T, self.case.v_head_pu**2
        return self._program.solve(
            base @ self._loss + self._beta,
            head_sq - self.case.v_max_pu**2 - drop,
            head_sq - self.case.v_min_pu**2 - drop,
        )

    def _programs(
        self,
        base: Array,
        x: Array,
        multipliers: Array,
        left: NDArray[np.int64],
        feasible: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int64], _Program]:
        """Programs of the states `left`, and which of them have any; the others are infeasible."""
        n, case = self.case.num_buses, self.case
        power = np.ascontiguousarray((base[left] + x[left]).T)
        settled = self._zbus.settle(power)
        if not settled.converged.all():
            feasible[left] = settled.converged
            return self._programs(base, x, multipliers, left[settled.converged], feasible)
        at, prices = x[left], multipliers[left, 2 * n :]
        slope = gradient(self._zbus, case.v_head_pu, power, settled, prices.T).T
        slope += 2 * self._alpha * at + self._beta
        square = (1 + settled.deviation[:n]) ** 2 + settled.deviation[n:] ** 2
        drop = case.v_head_pu**2 * (1 - square).T
        shift = at @ self._rows.T - drop + case.v_head_pu**2
        linear = slope - prices @ self._rows - at @ self._hessian
        return left, _Program(linear, shift - case.v_max_pu**2, shift - case.v_min_pu**2)
