"""The Z-bus fixed point: many AC power flows of one feeder at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.feeder import Feeder

Floating = NDArray[np.floating[Any]]

MOST_STEPS = 200
_COMMON_STEPS = 12  # afterwards only the lanes that still move go on
_UNCHECKED_STEPS = 3  # which hardly any block can do without
_BLOCK_NUMBERS = 24_576  # of each array, so that a block stays in the processor's cache
# Largest step, in p.u. of the head voltage, of a voltage that counts as settled.
_TOLERANCES = {np.dtype(np.float32): 2e-7, np.dtype(np.float64): 1e-10}


class Settled(NamedTuple):
    """Voltages and currents of B states, batch last; those of a collapsed state mean nothing."""

    deviation: Floating  # (2n, B): w = V / v_head_pu - 1, real parts before imaginary ones
    current: Floating  # (2n, B): conj(S / (1 + w)) in kVA, real parts before imaginary ones
    step: Floating  # (B,) p.u. of the head voltage: how far the last step moved a voltage
    converged: NDArray[np.bool_]  # (B,)
    steps: int  # taken for the slowest state


class ZBus:
    """V = V_head - Z conj(S / V), solved for w = V / V_head - 1 by w <- -K conj(S / (1 + w)).

    K = (path_r_ohm + j path_x_ohm) / (1000 v_base_kv^2 v_head_pu^2), per kVA. Nodes that are no
    buses draw no current, so the buses' part of Z is all that is needed. The unknown is the
    deviation itself, never a difference of two magnitudes, so that float32 keeps it to seven
    digits. The map contracts where every voltage is well above half the head's, hence it finds the
    solution of high voltage if there is one (Wang, Bernstein, Le Boudec and Paolone, "Explicit
    conditions on existence and uniqueness of load-flow solutions in distribution networks", IEEE
    Transactions on Smart Grid, 2018).

    Args:
        feeder: of n buses.
        v_head_pu: voltage of the head.
        dtype: float32 or float64.
        order: (n,) indices of the buses in the order of all arrays here; bus order if None.

    Attributes:
        impedance: (2n, 2n), K as it acts on real parts before imaginary ones.
    """

    def __init__(
        self,
        feeder: Feeder,
        v_head_pu: float,
        dtype: type[np.floating[Any]] = np.float64,
        order: NDArray[np.int64] | None = None,
    ) -> None:
        places = np.arange(feeder.num_buses) if order is None else order
        pick = np.ix_(places, places)
        base = feeder.base_kva_ohm * v_head_pu**2
        r, x = feeder.path_r_ohm[pick] / base, feeder.path_x_ohm[pick] / base
        self.impedance: Floating = np.block([[r, -x], [x, r]]).astype(dtype)
        self._negative = np.ascontiguousarray(-self.impedance)
        self._tolerance = _TOLERANCES[np.dtype(dtype)]
        self._num_buses = len(places)

    def settle(self, power: Floating) -> Settled:
        """Solve B states.

        Args:
            power: (2n, B) p_kw of the buses, then q_kvar; consumption positive.
        """
        width, size = power.shape
        block = max(64, _BLOCK_NUMBERS // width)
        deviation, current = np.empty_like(power), np.empty_like(power)
        step = np.empty(size, power.dtype)
        steps = 0
        # A collapsing state divides by zero and overflows on its way; `converged` is what tells.
        with np.errstate(all="ignore"):
            for start in range(0, size, block):
                lanes = slice(start, start + block)
                w, i, moved, taken = self._iterate(power[:, lanes], None, _COMMON_STEPS)
                slow = np.flatnonzero(~(moved < self._tolerance))
                if slow.size:
                    rest = self._iterate(power[:, start + slow], w[:, slow], MOST_STEPS - taken)
                    w[:, slow], i[:, slow], moved[slow] = rest[:3]
                    taken += rest[3]
                deviation[:, lanes], current[:, lanes], step[lanes] = w, i, moved
                steps = max(steps, taken)
            converged = step < self._tolerance
        return Settled(deviation, current, step, converged, steps)

    def _iterate(
        self, power: Floating, start: Floating | None, most: int
    ) -> tuple[Floating, Floating, Floating, int]:
        """Deviation, current, last step (B,) of each state, and steps taken.

        The current is the one that the deviation follows from, to the last digit.
        """
        n = self._num_buses
        power = np.ascontiguousarray(power)
        p, q = power[:n], power[n:]
        current: Floating = power.copy()
        w_next: Floating = np.empty_like(power)
        active, reactive = current[:n], current[n:]
        if start is None:
            np.negative(q, out=reactive)
            w: Floating = self._negative @ current
        else:
            w = start.copy()
        real, imag, part = (np.empty_like(p) for _ in range(3))
        settled = False
        for taken in range(1, most + 1):
            # conj(S / (1 + w)) = (p - jq) (1 + w) / |1 + w|^2
            np.add(w[:n], 1, out=real)
            np.multiply(real, real, out=part)
            np.multiply(w[n:], w[n:], out=imag)
            part += imag
            np.reciprocal(part, out=part)
            real *= part
            np.multiply(w[n:], part, out=imag)
            np.multiply(p, real, out=active)
            np.multiply(q, imag, out=part)
            active += part
            np.multiply(p, imag, out=reactive)
            np.multiply(q, real, out=part)
            reactive -= part
            np.matmul(self._negative, current, out=w_next)
            if taken > _UNCHECKED_STEPS:
                w -= w_next  # how far this step goes
                settled = max(w.max(), -w.min()) < self._tolerance
            w, w_next = w_next, w
            if settled:
                break
        return w, current, np.abs(w_next).max(axis=0), taken
