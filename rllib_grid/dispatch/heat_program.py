"""Heat pumps as part of the program of a day: their variables, costs and rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.devices.heat import HeatPumps
from rllib_grid.devices.thermal_model import Climate, ThermalModel


class HeatProgram:
    """What heat pumps add to a `DayProgram`, with no relaxation.

    Over p_heat, t_in (behind each step) and comfort excess of every step and bus, and the
    shortfall of every bus at the end:

        t_t = a t_t-1 + (1 - a) (outdoor_t + R cop p_heat_t),    0 <= p_heat <= p_heat_max_kw
        excess >= t_low - t,    excess >= t - t_high
        shortfall >= sign (t_set - t_T),    shortfall >= 0

    Costs are h comfort excess^2 and worth shortfall. Excess needs no bound at 0: its square keeps
    it there within the band. Beside these variables, the program's p is p_ctrl + p_heat, which
    pays for the energy: losses and voltages, the dense parts, then ask for no p_heat of their own.

    Args:
        heat: one number per bus, n of them.
        steps: H.
        step_h: hours per step.

    Attributes:
        width: number of variables, 3 H n + n: p_heat, t_in, excess, shortfall.
        equalities: number of rows that are equalities, H n.
    """

    def __init__(self, heat: HeatPumps, steps: int, step_h: float) -> None:
        self._heat, self._steps, self._step_h = heat, steps, step_h
        self._thermal = ThermalModel(heat, step_h, np.float64)
        self._n = len(heat.p_heat_max_kw)
        self._size = steps * self._n
        self.width = 3 * self._size + self._n
        self.equalities = self._size

    def hessian(self, without: Any, worn: Any) -> Any:
        """Of the cost over p, q_ctrl and soc, and then these variables.

        Args:
            without: (3 H n, 3 H n) as if p were p_ctrl.
            worn: (H n, H n) curvature of the wear of p_ctrl = p - p_heat.
        """
        from scipy import sparse

        size, n = self._size, self._n
        behind = sparse.csc_matrix((size, 2 * size))  # q_ctrl and soc
        cross = sparse.vstack(
            [
                sparse.hstack([-worn, behind]),
                sparse.csc_matrix((size + n + size, 3 * size)),  # t_in, excess, shortfall
            ]
        )
        comfort = 2 * self._step_h * self._heat.comfort_eur_per_k2_h
        own = sparse.block_diag(
            [
                worn,
                sparse.csc_matrix((size, size)),
                comfort * sparse.identity(size),
                sparse.csc_matrix((n, n)),
            ]
        )
        return sparse.bmat([[without, cross.T], [cross, own]], format="csc")

    def linear(self, climate: Climate) -> tuple[Array, float]:
        """Linear cost over these variables, and what no control changes.

        Args:
            climate: see `bounds`.
        """
        worth = self._thermal.worth_eur_per_k
        cost = np.concatenate([np.zeros(3 * self._size), worth])
        at_first = np.full(self._n, self._heat.t_set_c)
        # Shortfall as it is before the steps: that of ending at t_set is 0.
        constant = float(self._thermal.end_cost_eur(climate.t_in_c, at_first).sum())
        return cost, constant

    def rows(self, battery: Any) -> Any:
        """Rows over p, q_ctrl, soc and these variables: equalities, the others', inequalities.

        Args:
            battery: rows over p_ctrl, q_ctrl and soc.
        """
        from scipy import sparse

        size, (equal, unequal) = self._size, self._own_rows
        rest = sparse.csc_matrix((battery.shape[0], self.width - size))
        less_heat = sparse.hstack([battery, -battery[:, :size], rest])
        none = [sparse.csc_matrix((own.shape[0], 3 * size)) for own in (equal, unequal)]
        outer = [sparse.hstack(pair) for pair in zip(none, (equal, unequal), strict=True)]
        return sparse.vstack([outer[0], less_heat, outer[1]], format="csc")

    @cached_property
    def _own_rows(self) -> tuple[Any, Any]:
        """Equalities and inequalities over these variables alone."""
        from scipy import sparse

        size, n, thermal = self._size, self._n, self._thermal
        eye, none = sparse.identity(size), sparse.csc_matrix((size, size))
        lag = sparse.diags([np.ones(self._steps - 1)], [-1], (self._steps, self._steps))
        kept = eye - sparse.kron(lag, np.diag(thermal.keep))
        gain = sparse.diags(np.tile(thermal.gain_k_per_kw, self._steps))
        equal = sparse.hstack([-gain, kept, none, sparse.csc_matrix((size, n))], format="csc")
        last = sparse.csc_matrix(sparse.identity(size))[size - n :]
        sign = sparse.diags(thermal.sign)
        unequal = sparse.bmat(
            [
                [eye, none, None, None],
                [-eye, None, None, None],
                [None, -eye, -eye, None],
                [None, eye, -eye, None],
                [None, -sign @ last, None, -sparse.identity(n)],
                [None, None, None, -sparse.identity(n)],
            ],
            format="csc",
        )
        return equal, unequal

    def bounds(self, battery: Array, climate: Climate) -> Array:
        """Right-hand side of `rows`.

        Args:
            battery: that of the battery's rows.
            climate: t_in_c (n,) before the steps, outdoor_c (H,).
        """
        heat, thermal, size = self._heat, self._thermal, self._size
        equal = np.outer(climate.outdoor_c, 1 - thermal.keep)
        equal[0] += thermal.keep * climate.t_in_c
        unequal = [
            np.tile(heat.p_heat_max_kw, self._steps),
            np.zeros(size),
            np.full(size, -heat.t_low_c),
            np.full(size, heat.t_high_c),
            -thermal.sign * heat.t_set_c,
            np.zeros(self._n),
        ]
        return np.concatenate([equal.reshape(-1), battery, *unequal])
