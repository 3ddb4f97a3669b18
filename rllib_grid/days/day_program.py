"""The dispatch of the rest of a day as one quadratic program."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array
from rllib_grid.days.day_case import DayCase
from rllib_grid.errors import GridError

TOLERANCE = 1e-6  # of cost and of constraints, relative to the size of the program's numbers
_EXCESS_PU = 1e-9  # voltage excess that still counts as none

Rows = NDArray[np.bool_]


class DaySolution(NamedTuple):
    """The optimum of H steps."""

    p_ctrl_kw: Array  # (H, n)
    q_ctrl_kvar: Array  # (H, n)
    soc_kwh: Array  # (H, n) behind each step
    cost_eur: float  # of the rest of the day, its end included
    bound_eur: float  # the dual's value: no dispatch of these steps costs less
    waste_kwh: float  # most energy that any battery throws away in a step; 0: the bound is tight


class DayProgram:
    """Minimise the cost of `DayCase` over the H last steps of a day that is known in advance.

    Over p_ctrl, q_ctrl and soc of every step and bus, and the voltages' excess low, high >= 0:

        |p_ctrl| <= p_limit_kw,  |q_ctrl| <= q_limit_kvar,  0 <= soc <= capacity
        soc_t <= soc_t-1 + h efficiency p_ctrl,  soc_t <= soc_t-1 + h p_ctrl / efficiency
        v_sq >= v_min^2 - 2 v_min low,  v_sq <= v_max^2 + 2 v_max high

    A battery's charge is the smaller of the two right-hand sides; that it may also be less is a
    convex relaxation, under which energy could be thrown away. So the optimum bounds the cost of
    every controller from below, and it is what a controller could do wherever nothing is wasted.

    Voltage rows are taken up only where an answer without them violates them, and the program is
    solved again: those left out hold all the same. Solved by Clarabel (interior point), matrices
    built directly; each answer is proven by its residuals and its duality gap.

    Args:
        case: what to dispatch.
        steps: H, at least 1.
        step_h: hours per step.
    """

    def __init__(self, case: DayCase, steps: int, step_h: float) -> None:
        self.case, self.steps, self.step_h = case, steps, step_h
        self._shape = (steps, case.num_buses)
        self._size = steps * case.num_buses

    def solve(
        self,
        p_base_kw: Array,
        q_base_kvar: Array,
        price_eur_per_kwh: Array,
        soc_kwh: Array,
    ) -> DaySolution:
        """Dispatch one day's last H steps.

        Args:
            p_base_kw, q_base_kvar: (H, n).
            price_eur_per_kwh: (H,), > 0.
            soc_kwh: (n,) charge before these steps; the end of the day is settled against it.

        Raises:
            GridError: on a price that is not positive (losses would pay, and so would throwing
                energy away), or if the answer cannot be proven.
        """
        if not price_eur_per_kwh.min() > 0:  # true for NaN too
            raise GridError(
                f"price_eur_per_kwh is {price_eur_per_kwh.min():g} in a step, must be > 0: give "
                "the price that buildings pay, fees and taxes included"
            )
        hessian = self._hessian(price_eur_per_kwh)
        linear, constant = self._linear(p_base_kw, q_base_kvar, price_eur_per_kwh, soc_kwh)
        drop = self._drop(p_base_kw, q_base_kvar)
        low, high = self._beyond(drop)  # those that base demand alone violates are a first guess
        while True:
            x, cost, bound = self._optimum(hessian, linear, drop, soc_kwh, low, high)
            p, q, soc = x[: 3 * self._size].reshape(3, *self._shape)
            below, above = self._beyond(drop + self._drop(p, q))
            if not ((below & ~low) | (above & ~high)).any():
                break
            low, high = low | below, high | above
        waste = self._waste_kwh(p, soc, soc_kwh)
        return DaySolution(p, q, soc, cost + constant, bound + constant, waste)

    def _drop(self, p: Array, q: Array) -> Array:
        """v_head^2 - v_sq (H, n)."""
        feeder = self.case.feeder
        result: Array = p @ feeder.v_sq_per_kw + q @ feeder.v_sq_per_kvar
        return result

    def _beyond(self, drop: Array) -> tuple[Rows, Rows]:
        """Where voltages are too low, and where too high, (H, n) each."""
        case = self.case
        low = case.v_head_pu**2 - case.v_min_pu**2
        high = case.v_head_pu**2 - case.v_max_pu**2
        return drop > low + _EXCESS_PU, drop < high - _EXCESS_PU

    def _waste_kwh(self, p: Array, soc: Array, soc_before: Array) -> float:
        before = np.vstack([soc_before, soc[:-1]])
        eta = self.case.efficiency
        most = before + self.step_h * np.minimum(eta * p, p / eta)
        return float((most - soc).max())

    def _hessian(self, price: Array) -> Any:
        """Of the cost over (p, q, soc); the excess of voltages is linear."""
        from scipy import sparse

        case, h = self.case, self.step_h
        weights, every = sparse.diags(2 * h * price), sparse.identity(self.steps)
        sides = ((case.feeder.loss_p, case.alpha_p), (case.feeder.loss_q, case.alpha_q))
        blocks = [
            sparse.kron(weights, loss) + sparse.kron(every, np.diag(2 * h * alpha))
            for loss, alpha in sides
        ]
        end = np.zeros(self._shape)
        end[-1] = case.soc_bend_eur_per_kwh2
        return sparse.block_diag([*blocks, sparse.diags(end.reshape(-1))], format="csc")

    def _linear(
        self, p_base: Array, q_base: Array, price: Array, soc_before: Array
    ) -> tuple[Array, float]:
        """Linear cost over (p, q, soc), and what no control changes."""
        case, h = self.case, self.step_h
        priced = h * price[:, None]
        lost_p, lost_q = p_base @ case.feeder.loss_p, q_base @ case.feeder.loss_q
        soc, target = np.zeros(self._shape), case.soc_target * case.capacity_kwh
        soc[-1] = -case.soc_value_eur_per_kwh - case.soc_bend_eur_per_kwh2 * target
        linear = np.concatenate([priced * (1 + 2 * lost_p), priced * 2 * lost_q, soc]).reshape(-1)
        constant = float((priced * (lost_p * p_base + lost_q * q_base)).sum())
        constant += case.soc_value_eur_per_kwh * float(soc_before.sum())
        constant += case.soc_bend_eur_per_kwh2 / 2 * float(target @ target)
        return linear, constant

    @cached_property
    def _battery_rows(self) -> Any:
        """Rows over (p, q, soc) that no state of the feeder changes: storage, then limits."""
        from scipy import sparse

        eye, none = sparse.identity(self._size), sparse.csc_matrix((self._size, self._size))
        lag = sparse.diags([np.ones(self.steps - 1)], [-1], (self.steps, self.steps))
        stored = eye - sparse.kron(lag, np.eye(self.case.num_buses))
        h, eta = self.step_h, self.case.efficiency
        charge = [[-h * eta * eye, none, stored], [-h / eta * eye, none, stored]]
        box = sparse.identity(3 * self._size)
        return sparse.vstack([sparse.bmat(charge), box, -box], format="csc")

    @cached_property
    def _drop_rows(self) -> Any:
        """v_head^2 - v_sq over (p, q, soc), sparse rows."""
        from scipy import sparse

        every, feeder = sparse.identity(self.steps), self.case.feeder
        sides = [
            sparse.kron(every, matrix) for matrix in (feeder.v_sq_per_kw, feeder.v_sq_per_kvar)
        ]
        return sparse.hstack([*sides, sparse.csc_matrix((self._size,) * 2)], format="csr")

    def _battery_bounds(self, soc: Array) -> Array:
        """Right-hand side of `_battery_rows`."""
        case = self.case
        first = np.zeros(self._shape)
        first[0] = soc
        boxes = [
            np.tile(limit, self.steps)
            for limit in (case.p_limit_kw, case.q_limit_kvar, case.capacity_kwh)
        ]
        lower = [*boxes[:2], np.zeros(self._size)]
        return np.concatenate([first.reshape(-1), first.reshape(-1), *boxes, *lower])

    def _optimum(
        self, hessian: Any, linear: Array, drop: Array, soc: Array, low: Rows, high: Rows
    ) -> tuple[Array, float, float]:
        """Variables, cost and the dual's value, with these voltage rows and their excess."""
        import clarabel  # here, because few runs need it
        from scipy import sparse

        case = self.case
        lows, highs = low.reshape(-1), high.reshape(-1)
        count = int(lows.sum() + highs.sum())
        voltage = sparse.vstack([self._drop_rows[lows], -self._drop_rows[highs]])
        give = np.concatenate(
            [np.full(lows.sum(), 2 * case.v_min_pu), np.full(highs.sum(), 2 * case.v_max_pu)]
        )
        room_low = (case.v_head_pu**2 - case.v_min_pu**2 - drop).reshape(-1)[lows]
        room_high = (case.v_max_pu**2 - case.v_head_pu**2 + drop).reshape(-1)[highs]
        rows = sparse.bmat(
            [
                [self._battery_rows, None],
                [voltage, -sparse.diags(give)],
                [None, -sparse.identity(count)],
            ]
            if count
            else [[self._battery_rows]],
            format="csc",
        )
        right = [self._battery_bounds(soc), room_low, room_high, np.zeros(count)]
        price = np.full(count, self.step_h * case.penalty_eur_per_pu_h)
        cost, bounds = np.concatenate([linear, price]), np.concatenate(right)
        size = len(cost)
        padded = sparse.block_diag([hessian, sparse.csc_matrix((count, count))], format="csc")
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        answer = clarabel.DefaultSolver(
            sparse.triu(padded, format="csc"),
            cost,
            rows,
            bounds,
            [clarabel.NonnegativeConeT(len(bounds))],
            settings,
        ).solve()
        x, z = np.array(answer.x).reshape(size), np.array(answer.z)
        return x, *_proven(padded, cost, rows, bounds, x, z)


def _proven(
    hessian: Any, linear: Array, rows: Any, right: Array, x: Array, z: Array
) -> tuple[float, float]:
    """Value of the primal and of the dual of min x'Hx/2 + f'x, A x <= b, from x and multipliers.

    Raises:
        GridError: if they do not meet the optimality conditions.
    """
    curved = hessian @ x
    primal = float(x @ curved) / 2 + float(linear @ x)
    dual = -float(x @ curved) / 2 - float(right @ z)
    cost_size, room = 1.0 + float(np.abs(linear).max()), 1.0 + float(np.abs(right).max())
    residuals = {
        "stationarity": float(np.abs(curved + linear + rows.T @ z).max()) / cost_size,
        "constraints": max(float((rows @ x - right).max()), 0.0) / room,
        "multipliers": max(-float(z.min()), 0.0) / cost_size,
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
