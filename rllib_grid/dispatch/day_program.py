"""The dispatch of the rest of a day as one quadratic program."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.day_case import DayCase
from rllib_grid.checks import Array
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.dispatch.heat_program import HeatProgram
from rllib_grid.dispatch.proof import proven
from rllib_grid.errors import GridError
from rllib_grid.physics import lindistflow

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
    p_heat_kw: Array | None = None  # (H, n); None without heat pumps
    t_in_c: Array | None = None  # (H, n) behind each step


class DayProgram:
    """Minimise the cost of `DayCase` over the H last steps of a day that is known in advance.

    Over p_ctrl, q_ctrl and soc of every step and bus, and the voltages' excess low, high >= 0:

        |p_ctrl| <= p_limit_kw,  |q_ctrl| <= q_limit_kvar,  0 <= soc <= capacity
        soc_t <= soc_t-1 + h efficiency p_ctrl,  soc_t <= soc_t-1 + h p_ctrl / efficiency
        v_sq >= v_min^2 - 2 v_min low,  v_sq <= v_max^2 + 2 v_max high

    A battery's charge is the smaller of the two right-hand sides; that it may also be less is a
    convex relaxation, under which energy could be thrown away. So the optimum bounds the cost of
    every controller from below, and it is what a controller could do wherever nothing is wasted.

    Heat pumps add variables and rows of their own, and p is p_ctrl + p_heat: see `HeatProgram`.

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
        self._losses = lindistflow.losses(case.feeder, case.v_head_pu)
        heat = case.heat
        self._heat = None if heat is None else HeatProgram(heat, steps, step_h)

    def solve(
        self,
        p_base_kw: Array,
        q_base_kvar: Array,
        price_eur_per_kwh: Array,
        soc_kwh: Array,
        climate: Climate | None = None,
    ) -> DaySolution:
        """Dispatch one day's last H steps.

        Args:
            p_base_kw, q_base_kvar: (H, n).
            price_eur_per_kwh: (H,), > 0.
            soc_kwh: (n,) charge before these steps; the end of the day is settled against it.
            climate: indoor temperature (n,) before these steps, which is settled likewise, and
                outdoor temperature (H,); where the case has heat pumps, and only there.

        Raises:
            GridError: on a price that is not positive (losses would pay, and so would throwing
                energy away), on temperatures that are missing, or if the answer cannot be proven.
        """
        if (climate is None) != (self._heat is None):
            raise GridError(
                f"case {self.case.name}: temperatures must be given where a case has heat pumps, "
                "and only there"
            )
        if not price_eur_per_kwh.min() > 0:  # true for NaN too
            raise GridError(
                f"price_eur_per_kwh is {price_eur_per_kwh.min():g} in a step, must be > 0: give "
                "the price that buildings pay, fees and taxes included"
            )
        hessian = self._hessian(price_eur_per_kwh)
        linear, constant = self._linear(p_base_kw, q_base_kvar, price_eur_per_kwh, soc_kwh, climate)
        bounds = self._bounds(soc_kwh, climate)
        drop = self._drop(p_base_kw, q_base_kvar)
        low, high = self._beyond(drop)  # those that base demand alone violates are a first guess
        while True:
            x, cost, bound = self._optimum(hessian, linear, drop, bounds, low, high)
            p, q, soc = x[: 3 * self._size].reshape(3, *self._shape)
            below, above = self._beyond(drop + self._drop(p, q))
            if not ((below & ~low) | (above & ~high)).any():
                break
            low, high = low | below, high | above
        p_heat = t_in = None
        if self._heat is not None:
            p_heat, t_in = x[3 * self._size : 5 * self._size].reshape(2, *self._shape)
            p = p - p_heat
        waste = self._waste_kwh(p, soc, soc_kwh)
        values = cost + constant, bound + constant
        return DaySolution(p, q, soc, *values, waste, p_heat, t_in)

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
        """Of the cost over (p, q, soc) and heating; the excess of voltages is linear."""
        from scipy import sparse

        case, h = self.case, self.step_h
        weights, every = sparse.diags(2 * h * price), sparse.identity(self.steps)
        lost = [sparse.kron(weights, loss) for loss in self._losses]
        worn = [sparse.kron(every, np.diag(2 * h * a)) for a in (case.alpha_p, case.alpha_q)]
        blocks = [a + b for a, b in zip(lost, worn, strict=True)]
        end = np.zeros(self._shape)
        end[-1] = case.soc_bend_eur_per_kwh2
        curved = sparse.block_diag([*blocks, sparse.diags(end.reshape(-1))], format="csc")
        return curved if self._heat is None else self._heat.hessian(curved, worn[0])

    def _linear(
        self,
        p_base: Array,
        q_base: Array,
        price: Array,
        soc_before: Array,
        climate: Climate | None,
    ) -> tuple[Array, float]:
        """Linear cost over (p, q, soc) and heating, and what no control changes."""
        case, h = self.case, self.step_h
        priced = h * price[:, None]
        lost_p, lost_q = p_base @ self._losses[0], q_base @ self._losses[1]
        soc, target = np.zeros(self._shape), case.soc_target * case.capacity_kwh
        soc[-1] = -case.soc_value_eur_per_kwh - case.soc_bend_eur_per_kwh2 * target
        linear = np.concatenate([priced * (1 + 2 * lost_p), priced * 2 * lost_q, soc]).reshape(-1)
        constant = float((priced * (lost_p * p_base + lost_q * q_base)).sum())
        constant += case.soc_value_eur_per_kwh * float(soc_before.sum())
        constant += case.soc_bend_eur_per_kwh2 / 2 * float(target @ target)
        if self._heat is not None and climate is not None:
            heating, sunk = self._heat.linear(climate)
            return np.concatenate([linear, heating]), constant + sunk
        return linear, constant

    @cached_property
    def _rows(self) -> Any:
        """Rows over (p, q, soc) and heating that no state of the feeder changes: equalities of
        heating, storage, limits, inequalities of heating."""
        from scipy import sparse

        eye, none = sparse.identity(self._size), sparse.csc_matrix((self._size, self._size))
        lag = sparse.diags([np.ones(self.steps - 1)], [-1], (self.steps, self.steps))
        stored = eye - sparse.kron(lag, np.eye(self.case.num_buses))
        h, eta = self.step_h, self.case.efficiency
        charge = [[-h * eta * eye, none, stored], [-h / eta * eye, none, stored]]
        box = sparse.identity(3 * self._size)
        battery = sparse.vstack([sparse.bmat(charge), box, -box], format="csc")
        return battery if self._heat is None else self._heat.rows(battery)

    @cached_property
    def _drop_rows(self) -> Any:
        """v_head^2 - v_sq over (p, q, soc) and heating, sparse rows."""
        from scipy import sparse

        every, feeder = sparse.identity(self.steps), self.case.feeder
        sides = [
            sparse.kron(every, matrix) for matrix in (feeder.v_sq_per_kw, feeder.v_sq_per_kvar)
        ]
        parts = [*sides, sparse.csc_matrix((self._size,) * 2)]
        if self._heat is not None:
            parts.append(sparse.csc_matrix((self._size, self._heat.width)))
        return sparse.hstack(parts, format="csr")

    def _bounds(self, soc: Array, climate: Climate | None) -> Array:
        """Right-hand side of `_rows`."""
        case = self.case
        first = np.zeros(self._shape)
        first[0] = soc
        boxes = [
            np.tile(limit, self.steps)
            for limit in (case.p_limit_kw, case.q_limit_kvar, case.capacity_kwh)
        ]
        lower = [*boxes[:2], np.zeros(self._size)]
        battery = np.concatenate([first.reshape(-1), first.reshape(-1), *boxes, *lower])
        if self._heat is None or climate is None:
            return battery
        return self._heat.bounds(battery, climate)

    def _optimum(
        self, hessian: Any, linear: Array, drop: Array, fixed: Array, low: Rows, high: Rows
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
                [self._rows, None],
                [voltage, -sparse.diags(give)],
                [None, -sparse.identity(count)],
            ]
            if count
            else [[self._rows]],
            format="csc",
        )
        right = [fixed, room_low, room_high, np.zeros(count)]
        price = np.full(count, self.step_h * case.penalty_eur_per_pu_h)
        cost, bounds = np.concatenate([linear, price]), np.concatenate(right)
        size = len(cost)
        padded = sparse.block_diag([hessian, sparse.csc_matrix((count, count))], format="csc")
        equal = 0 if self._heat is None else self._heat.equalities
        unequal = clarabel.NonnegativeConeT(len(bounds) - equal)
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        answer = clarabel.DefaultSolver(
            sparse.triu(padded, format="csc"),
            cost,
            rows,
            bounds,
            [clarabel.ZeroConeT(equal), unequal] if equal else [unequal],
            settings,
        ).solve()
        x, z = np.array(answer.x).reshape(size), np.array(answer.z)
        return x, *proven(padded, cost, rows, bounds, x, z, equalities=equal)
