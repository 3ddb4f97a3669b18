"""AC power flow on batches of states; the twin of `rllib_grid.physics.lindistflow`.

Consumption is positive, generation negative; P and Q are the total injections of the buses, base
plus control, in bus order. Units and base are those of LinDistFlow, to which this converges for
small loads at a head of 1 p.u. Losses are the physical ones, whatever the feeder's `loss_q_from`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array
from rllib_grid.errors import GridError
from rllib_grid.feeder import Feeder
from rllib_grid.physics import lindistflow
from rllib_grid.physics.zbus import MOST_STEPS, Floating, Settled, ZBus

FLOOR_SHARE = 0.5  # of the head voltage, at all buses of a collapsed feeder


class AcFlow(NamedTuple):
    """AC power flow of B states."""

    v_pu: Array  # (B, n)
    loss_kw: Array  # (B,)
    converged: NDArray[np.bool_]  # (B,)
    iterations: int  # of the slowest state


def solve(
    feeder: Feeder,
    v_head_pu: float,
    p_kw: Array,
    q_kvar: Array,
    collapsed: Literal["raise", "floor"] = "raise",
) -> AcFlow:
    """Voltages and losses of the full power flow; see `ZBus`.

    A load beyond what the feeder can carry has no solution: the feeder collapses. What "floor"
    makes of such a state is worse than the same load just within reach, and tells more load from
    less: all buses at half the head voltage, where a bus at the end of a resistance collapses, and
    LinDistFlow's flows losing what they lose at that voltage.

    Args:
        feeder: of n buses.
        v_head_pu: voltage of the head.
        p_kw: (B, n) active power.
        q_kvar: (B, n) reactive power.
        collapsed: "raise" refuses collapsed states, "floor" answers as said above.

    Raises:
        GridError: naming the first state that collapses.
    """
    settled = _settled(feeder, v_head_pu, p_kw, q_kvar)
    lost = ~settled.converged
    if collapsed == "raise":
        _refuse(settled)
    v_pu = v_head_pu + magnitude_deviation_pu(settled.deviation, v_head_pu).T
    loss_kw = losses_kw(settled)
    if lost.any():
        v_pu[lost] = FLOOR_SHARE * v_head_pu
        loss_kw[lost] = floor_loss_kw(feeder, v_head_pu, p_kw[lost], q_kvar[lost])
    return AcFlow(v_pu, loss_kw, settled.converged, settled.steps)


def branch_currents_kva(feeder: Feeder, v_head_pu: float, p_kw: Array, q_kvar: Array) -> Array:
    """Current through each branch, as the apparent power that it carries at 1 p.u.

    Args:
        feeder: of n buses and L branches.
        v_head_pu: voltage of the head.
        p_kw: (B, n) active power.
        q_kvar: (B, n) reactive power.

    Returns:
        (B, L) in kVA; column l is the branch feeding node l + 1.

    Raises:
        GridError: naming the first state that collapses.
    """
    settled = _settled(feeder, v_head_pu, p_kw, q_kvar)
    _refuse(settled)
    real, imag = np.split(settled.current, 2)
    branch = (real + 1j * imag).T @ feeder.paths / v_head_pu  # (B, L), kVA at 1 p.u.
    current: Array = np.abs(branch)
    return current


def magnitude_deviation_pu(deviation: Floating, v_head_pu: float) -> NDArray[Any]:
    """|V| - v_head_pu (n, B), from w (2n, B) of `Settled`, as no difference of two magnitudes."""
    real, imag = np.split(deviation, 2)
    result: NDArray[Any] = real + 2
    result *= real
    result += imag * imag  # |1 + w|^2 - 1
    root = np.sqrt(result + 1)
    root += 1
    result /= root
    result *= deviation.dtype.type(v_head_pu)
    return result


def losses_kw(settled: Settled) -> NDArray[Any]:
    """Loss (B,): the active part of I' Z I, where Z I is already known as -w."""
    loss: NDArray[Any] = np.negative((settled.current * settled.deviation).sum(axis=0))
    return loss


def floor_loss_kw(feeder: Feeder, v_head_pu: float, p_kw: Array, q_kvar: Array) -> Array:
    """Loss (B,) that stands for a collapsed state; see `solve`."""
    p_flow, q_flow = lindistflow.branch_flows(feeder, p_kw, q_kvar)
    loss: Array = (p_flow**2 + q_flow**2) @ feeder.branch_loss_p / (FLOOR_SHARE * v_head_pu) ** 2
    return loss


def _settled(feeder: Feeder, v_head_pu: float, p_kw: Array, q_kvar: Array) -> Settled:
    power = np.ascontiguousarray(np.hstack([p_kw, q_kvar]).T, np.float64)
    return ZBus(feeder, v_head_pu).settle(power)


def _refuse(settled: Settled) -> None:
    if not settled.converged.all():
        state = int(np.argmin(settled.converged))
        raise GridError(
            f"state {state}: AC power flow does not converge (mismatch "
            f"{settled.step[state]:.1e} p.u. after {MOST_STEPS} iterations): the load is beyond "
            "what the feeder can carry"
        )
