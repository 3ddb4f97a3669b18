"""Gradients of losses and voltages under AC power flow, by the adjoint."""

from __future__ import annotations

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.errors import GridError
from rllib_grid.physics.zbus import Settled, ZBus

_MOST_STEPS = 500
_TOLERANCE = 1e-10  # of the largest number of each state


def gradient(zbus: ZBus, v_head_pu: float, power: Array, settled: Settled, prices: Array) -> Array:
    """Slope of loss + prices' (v_head_pu^2 - v_sq) in every injection, for B converged states.

    With y = (w, real parts first), currents i = i(y, power) and y = -M i, all slopes follow from
    psi = (1 + M' (di/dy)')^-1 (d/di - M' d/dy) of that function. It is found by the same
    contraction as the power flow itself, psi <- (d/di - M' d/dy) - M' (di/dy)' psi.

    Args:
        zbus: of n buses, in float64.
        v_head_pu: voltage of the head.
        power: (2n, B) p_kw, then q_kvar.
        settled: what `zbus.settle` makes of it.
        prices: (n, B) kW per p.u. squared of the drop of v_sq below the head's.

    Returns:
        (2n, B) kW per kW, then kW per kvar.

    Raises:
        GridError: naming the first state at which the slopes are not finite: the nose of its
            power-voltage curve.
    """
    n = len(prices)
    p, q = power[:n], power[n:]
    real, imag = 1 + settled.deviation[:n], settled.deviation[n:]
    square = real * real + imag * imag
    turned = zbus.impedance.T
    by_voltage = -2 * v_head_pu**2 * np.vstack([real * prices, imag * prices])
    start = (zbus.impedance + turned) @ settled.current - turned @ by_voltage
    # di = h conj(dw) with h = -conj(S) / (1 + conj(w))^2, as its real and imaginary parts
    factor = -(p - 1j * q) / (real - 1j * imag) ** 2
    along, across = factor.real, factor.imag
    psi = start
    for _ in range(_MOST_STEPS):
        upper, lower = psi[:n], psi[n:]
        back = np.vstack([along * upper + across * lower, across * upper - along * lower])
        following = start - turned @ back
        moved = np.abs(following - psi).max(axis=0)
        psi = following
        steep = ~(moved <= _TOLERANCE * np.abs(psi).max(axis=0))
        if not steep.any():
            break
    else:
        raise GridError(
            f"state {int(np.argmax(steep))}: losses and voltages have no slope, the load is all "
            "that the feeder can carry"
        )
    upper, lower = psi[:n], psi[n:]
    slopes: Array = np.vstack([real * upper + imag * lower, imag * upper - real * lower])
    slopes[:n] /= square
    slopes[n:] /= square
    return slopes
