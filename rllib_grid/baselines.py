"""What buildings do today, without any learning: fixed rules on their own demand and voltage.

Every rule takes a case and N states of base demand, (N, n), and returns the controls p_ctrl_kw
and q_ctrl_kvar, (N, n). Consumption is positive, so an inverter that injects has a negative q.

The rating of a building's inverter is s_max_kva where the case has it. Otherwise it is
q_limit_kvar for reactive power and p_limit_kw for active power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array, batch, number
from rllib_grid.errors import GridError

Controls = tuple[Array, Array]  # p_ctrl_kw (N, n), q_ctrl_kvar (N, n)
Response = Callable[[Array, Array], Controls]  # of v_pu (B, n), p_base_kw (B, n): controls (B, n)

TOLERANCE_PU = 1e-8  # how far a settled voltage may move when the rule is applied once more
MOST_STEPS = 500
_PROBE_PU = 1e-3  # change of voltage whose answer tells the gain of the loop


@dataclass(frozen=True)
class Characteristic:
    """A piecewise linear function of the voltage, constant beyond its ends.

    Attributes:
        v_pu: ascending voltages of its corners.
        share: value at each corner, as a share of the rating; consumption positive.

    Raises:
        GridError: if voltages do not ascend, or a corner has no value.
    """

    v_pu: tuple[float, ...]
    share: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.v_pu) != len(self.share) or len(self.v_pu) < 2:
            raise GridError(
                f"characteristic has {len(self.v_pu)} voltages and {len(self.share)} shares, "
                "must have as many, and at least two"
            )
        for low, high in zip(self.v_pu, self.v_pu[1:], strict=False):
            number("characteristic: voltage after it", high, above=low)

    def at(self, v_pu: Array) -> Array:
        """Value at voltages of any shape."""
        result: Array = np.interp(v_pu, self.v_pu, self.share)
        return result

    @property
    def steepest(self) -> float:
        """Largest slope, share of the rating per p.u."""
        return float(np.abs(np.diff(self.share) / np.diff(self.v_pu)).max())


# IEEE Std 1547-2018, table 8, category B, defaults: inject 44 % of the rating at 0.92 p.u. and
# below, nothing from 0.98 to 1.02 p.u., absorb 44 % at 1.08 p.u. and above.
VOLT_VAR = Characteristic((0.92, 0.98, 1.02, 1.08), (-0.44, 0.0, 0.0, 0.44))

# IEEE Std 1547-2018, table 10, defaults: feed in up to the rating at 1.06 p.u. and below, and
# nothing at 1.10 p.u. and above, which is P'2 of a unit that can also consume.
VOLT_WATT = Characteristic((1.06, 1.10), (1.0, 0.0))


def no_control(case: Case, p_base_kw: Array, q_base_kvar: Array) -> Controls:
    """Nobody does anything: zeros (N, n) and (N, n)."""
    p_base, q_base = _states(case, p_base_kw, q_base_kvar)
    return np.zeros_like(p_base), np.zeros_like(q_base)


def unity_power_factor(case: Case, p_base_kw: Array, q_base_kvar: Array) -> Controls:
    """Each building makes up for its own reactive power, as far as its limits let it.

    Args:
        case: limits and ratings.
        p_base_kw, q_base_kvar: (N, n) base demand.

    Returns:
        Controls (N, n), those of active power zero.

    Raises:
        GridError: on bad input.
    """
    p_base, q_base = _states(case, p_base_kw, q_base_kvar)
    limit = _reactive_limit_kvar(case)
    return np.zeros_like(p_base), np.clip(-q_base, -limit, limit)


def volt_var(
    case: Case, p_base_kw: Array, q_base_kvar: Array, curve: Characteristic = VOLT_VAR
) -> Controls:
    """Reactive power by the building's own voltage (IEEE Std 1547-2018, 5.3.3).

    Args:
        case: limits and ratings.
        p_base_kw, q_base_kvar: (N, n) base demand.
        curve: reactive power, as a share of the rating.

    Returns:
        Controls (N, n) that all buildings together settle at; those of active power zero.

    Raises:
        GridError: on bad input, or naming a state that does not settle.
    """
    return _by_voltage("volt-var", case, p_base_kw, q_base_kvar, curve, None)


def volt_watt(
    case: Case, p_base_kw: Array, q_base_kvar: Array, curve: Characteristic = VOLT_WATT
) -> Controls:
    """Less feed-in where the building's own voltage is high (IEEE Std 1547-2018, 5.4.2).

    The inverter carries the feed-in of the building (max(-p_base, 0)) up to its rating, and cuts
    it to the share of the rating that the curve allows; feed-in beyond the rating is not its own.

    Args:
        case: limits and ratings.
        p_base_kw, q_base_kvar: (N, n) base demand.
        curve: largest feed-in, as a share of the rating.

    Returns:
        Controls (N, n) that all buildings together settle at; those of reactive power zero.

    Raises:
        GridError: on bad input, or naming a state that does not settle.
    """
    return _by_voltage("volt-watt", case, p_base_kw, q_base_kvar, None, curve)


def volt_var_and_watt(case: Case, p_base_kw: Array, q_base_kvar: Array) -> Controls:
    """`volt_var` and `volt_watt` at once; reactive power goes first within s_max_kva."""
    return _by_voltage("volt-var and volt-watt", case, p_base_kw, q_base_kvar, VOLT_VAR, VOLT_WATT)


def linear_droop(
    case: Case,
    p_base_kw: Array,
    q_base_kvar: Array,
    slope_kvar_per_pu: float | None = None,
    v_set_pu: float | None = None,
) -> Controls:
    """Reactive power in proportion to the building's own voltage: q = k (v - v_set), clipped.

    A building absorbs (q > 0) where the voltage is high. In the sign of generators this is
    -k (v - v_set), the linear feedback of decentralised voltage control.

    Args:
        case: limits and ratings.
        p_base_kw, q_base_kvar: (N, n) base demand.
        slope_kvar_per_pu: k >= 0; if None, of each bus what reaches its limit at half the
            permitted band away from v_set.
        v_set_pu: voltage that is answered by nothing; the head's if None.

    Returns:
        Controls (N, n) that all buildings together settle at; those of active power zero.

    Raises:
        GridError: on bad input, or naming a state that does not settle.
    """
    limit = _reactive_limit_kvar(case)
    v_set = case.v_head_pu if v_set_pu is None else number("v_set_pu", v_set_pu, above=0)
    slope = limit / case.obs_scale_pu
    if slope_kvar_per_pu is not None:
        number("slope_kvar_per_pu", slope_kvar_per_pu, at_least=0)
        slope = np.full_like(limit, slope_kvar_per_pu)

    def respond(v_pu: Array, _: Array) -> Controls:
        return np.zeros_like(v_pu), np.clip(slope * (v_pu - v_set), -limit, limit)

    return settle("linear droop", case, p_base_kw, q_base_kvar, respond, (0 * slope, slope))


BASELINES: dict[str, Callable[[Case, Array, Array], Controls]] = {
    "no control": no_control,
    "unity power factor": unity_power_factor,
    "volt-var": volt_var,
    "volt-watt": volt_watt,
    "volt-var and volt-watt": volt_var_and_watt,
    "linear droop": linear_droop,
}


def settle(
    name: str,
    case: Case,
    p_base_kw: Array,
    q_base_kvar: Array,
    respond: Response,
    slopes: tuple[Array, Array],
) -> Controls:
    """Find the voltages at which buildings that answer their own voltage move no further.

    Every control moves the voltages of all, so the answers are a fixed point of
    v -> case.v_pu(controls at v), which damped steps find:

        v += (v_pu(respond(v)) - v) / (1 + g).

    g is the gain of the loop: how far the voltage of the worst bus falls, per p.u., when all
    buildings answer at their steepest. That bounds the spectral radius of the loop, whose
    eigenvalues are real and negative where one power answers, so the step does not overshoot.
    Where g is above 1, inverters that answer at once may hunt for ever.

    Args:
        name: of the rule, for the error.
        case: gives the power flow.
        p_base_kw, q_base_kvar: (N, n) base demand.
        respond: controls (B, n) for voltages (B, n) and active base demand (B, n).
        slopes: (n,) and (n,), the steepest answer of each bus, in kW and kvar per p.u.

    Returns:
        Controls (N, n) under which no voltage moves by more than `TOLERANCE_PU`.

    Raises:
        GridError: on bad input, or naming the first state that does not settle or that the power
            flow has no answer to.
    """
    p_base, q_base = _states(case, p_base_kw, q_base_kvar)
    p_ctrl, q_ctrl = np.zeros_like(p_base), np.zeros_like(q_base)
    moving = np.arange(len(p_base))
    v = case.v_pu(p_base, q_base, p_ctrl, q_ctrl)
    _check_voltages(name, moving, v)
    probe = [np.broadcast_to(_PROBE_PU * slope, v.shape) for slope in slopes]
    gain = (v - case.v_pu(p_base, q_base, *probe)).max(axis=1, keepdims=True) / _PROBE_PU
    damping = 1 / (1 + np.maximum(gain, 0.0))
    off = np.zeros(len(v))
    for _ in range(MOST_STEPS):
        controls = respond(v[moving], p_base[moving])
        p_ctrl[moving], q_ctrl[moving] = controls
        answer = case.v_pu(p_base[moving], q_base[moving], *controls)
        _check_voltages(name, moving, answer)
        step = answer - v[moving]
        v[moving] += damping[moving] * step
        off[moving] = np.abs(step).max(axis=1)
        moving = moving[off[moving] > TOLERANCE_PU]
        if not moving.size:
            return p_ctrl, q_ctrl
    state = moving[0]
    raise GridError(
        f"state {state}: {name} does not settle: after {MOST_STEPS} steps a voltage still moves by "
        f"{off[state]:.1e} p.u., must be <= {TOLERANCE_PU:g} (gain {gain[state, 0]:.3g}); take a "
        "smaller slope, or leave out this state"
    )


def _check_voltages(name: str, states: NDArray[np.intp], v_pu: Array) -> None:
    lost = states[~np.isfinite(v_pu).all(axis=1)]
    if lost.size:
        raise GridError(
            f"state {lost[0]}: {name}: the power flow has no answer; leave out this state, or "
            "lower its demand"
        )


def _by_voltage(
    name: str,
    case: Case,
    p_base_kw: Array,
    q_base_kvar: Array,
    var: Characteristic | None,
    watt: Characteristic | None,
) -> Controls:
    """The curves of IEEE Std 1547-2018, either or both."""
    rated_kvar = case.q_limit_kvar if case.s_max_kva is None else case.s_max_kva
    s_max = np.full(case.num_buses, np.inf) if case.s_max_kva is None else case.s_max_kva
    rated_kw = np.minimum(case.p_limit_kw, s_max)
    limit_kvar = _reactive_limit_kvar(case)

    def respond(v_pu: Array, p_base: Array) -> Controls:
        p_kw, q_kvar = np.zeros_like(v_pu), np.zeros_like(v_pu)
        if var is not None:
            q_kvar = np.clip(var.at(v_pu) * rated_kvar, -limit_kvar, limit_kvar)
        if watt is not None:
            carried = np.clip(-p_base, 0.0, rated_kw)
            p_kw = np.maximum(carried - watt.at(v_pu) * rated_kw, 0.0)
            p_kw = np.minimum(p_kw, np.sqrt(np.maximum(s_max**2 - q_kvar**2, 0.0)))
        return p_kw, q_kvar

    slopes = (
        np.zeros(case.num_buses) if watt is None else watt.steepest * rated_kw,
        np.zeros(case.num_buses) if var is None else var.steepest * rated_kvar,
    )
    return settle(name, case, p_base_kw, q_base_kvar, respond, slopes)


def _reactive_limit_kvar(case: Case) -> Array:
    """Largest |q_ctrl| (n,) of an inverter that moves no active power."""
    if case.s_max_kva is None:
        return case.q_limit_kvar
    return np.minimum(case.q_limit_kvar, case.s_max_kva)


def _states(case: Case, p_base_kw: Array, q_base_kvar: Array) -> Controls:
    p_base = batch("p_base_kw", p_base_kw, case.num_buses)
    q_base = batch("q_base_kvar", q_base_kvar, case.num_buses)
    if len(p_base) != len(q_base):
        raise GridError(f"{len(p_base)} rows of p_base_kw, {len(q_base)} of q_base_kvar")
    return p_base, q_base
