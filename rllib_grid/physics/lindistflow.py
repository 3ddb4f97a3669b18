"""LinDistFlow on batches of states.

Consumption is positive, generation negative; P and Q are the total injections of the buses,
base plus control, in bus order. Equation numbers are those of the TS-MADDPG paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array
from rllib_grid.feeder import Feeder

Floats = NDArray[np.floating[Any]]


def v_sq_pu(feeder: Feeder, v_head_pu: float, p_kw: Array, q_kvar: Array) -> Array:
    """Squared voltage magnitudes, v_head^2 - 2 (R P + X Q) / (1000 v_base^2) (equation 1).

    Args:
        feeder: of n buses.
        v_head_pu: voltage of the head.
        p_kw: (B, n) active power.
        q_kvar: (B, n) reactive power.

    Returns:
        (B, n), p.u. squared. Loads beyond the reach of the linear model can make it negative.
    """
    drop: Array = p_kw @ feeder.v_sq_per_kw + q_kvar @ feeder.v_sq_per_kvar  # both symmetric
    return v_head_pu**2 - drop


def v_pu(feeder: Feeder, v_head_pu: float, p_kw: Array, q_kvar: Array) -> Array:
    """Voltage magnitudes (B, n) in p.u.; 0 where the linear model has collapsed (v_sq < 0)."""
    squared = v_sq_pu(feeder, v_head_pu, p_kw, q_kvar)
    return np.sqrt(np.maximum(squared, 0.0))


def magnitude_deviation_pu(deviation_sq: Floats, v_head_pu: float) -> Floats:
    """v - v_head_pu of any shape, in place, as no difference of two magnitudes.

    The signal is small beside 1 p.u.: v - v_head = d / (sqrt(v_head^2 + d) + v_head) keeps it to
    the last digit in float32 too.

    Args:
        deviation_sq: d = v_sq - v_head_pu^2 (equation 1); it is overwritten.
        v_head_pu: voltage of the head.

    Returns:
        `deviation_sq` itself; -v_head_pu where the linear model has collapsed (v_sq < 0).
    """
    precision = deviation_sq.dtype.type
    head_sq = precision(v_head_pu**2)
    np.maximum(deviation_sq, -head_sq, out=deviation_sq)
    root = deviation_sq + head_sq
    np.sqrt(root, out=root)
    root += precision(v_head_pu)
    deviation_sq /= root
    return deviation_sq


def branch_losses(feeder: Feeder, v_head_pu: float) -> tuple[Array, Array]:
    """What power through each branch loses in it, its current being that at the head's voltage.

    Args:
        feeder: of L branches.
        v_head_pu: voltage of the head.

    Returns:
        (L,) kW per kW^2, and (L,) kW per kvar^2.
    """
    return feeder.branch_loss_p / v_head_pu**2, feeder.branch_loss_q / v_head_pu**2


def losses(feeder: Feeder, v_head_pu: float) -> tuple[Array, Array]:
    """The matrices of the loss, P' loss_p P + Q' loss_q Q (equation 2).

    Args:
        feeder: of n buses.
        v_head_pu: voltage of the head.

    Returns:
        loss_p (n, n) in kW per kW^2, and loss_q (n, n) in kW per kvar^2.
    """
    return feeder.loss_p / v_head_pu**2, feeder.loss_q / v_head_pu**2


def loss_kw(feeder: Feeder, v_head_pu: float, p_kw: Array, q_kvar: Array) -> Array:
    """Line losses (equation 2); see `losses`.

    Args:
        feeder: of n buses.
        v_head_pu: voltage of the head.
        p_kw: (B, n) active power.
        q_kvar: (B, n) reactive power.

    Returns:
        (B,) in kW.
    """
    loss_p, loss_q = losses(feeder, v_head_pu)
    return _quadratic(p_kw, loss_p) + _quadratic(q_kvar, loss_q)


def branch_flows(feeder: Feeder, p_kw: Array, q_kvar: Array) -> tuple[Array, Array]:
    """Power through each branch: the sum over the buses below it (losses are not carried).

    Args:
        feeder: of n buses.
        p_kw: (B, n) active power.
        q_kvar: (B, n) reactive power.

    Returns:
        Active (B, L) in kW and reactive (B, L) in kvar; column l is the branch feeding node l + 1.
    """
    return p_kw @ feeder.paths, q_kvar @ feeder.paths


def _quadratic(x: Array, matrix: Array) -> Array:
    result: Array = np.einsum("bi,bi->b", x @ matrix, x)
    return result
