"""How loaded the branches of a feeder are, against the thermal limits of a case."""

from __future__ import annotations

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array
from rllib_grid.errors import GridError
from rllib_grid.physics import ac, lindistflow


def highest_loading(case: Case, p_kw: Array, q_kvar: Array) -> Array:
    """Current of the most loaded branch over that of its `branch_limit_kva` at 1 p.u.

    By LinDistFlow it is the current at the head's voltage, which the optimal dispatch limits.
    Losses are carried too, and voltages fall, so a loading near 1 is underestimated by about the
    share of the losses and the drop. Under AC it is the current itself.

    Args:
        case: with `branch_limit_kva`.
        p_kw: (B, n) active power of the buses, base plus control.
        q_kvar: (B, n) reactive power.

    Returns:
        (B,): 1 is a branch at its limit.

    Raises:
        GridError: if the case limits no branch, or under AC if a state collapses.
    """
    if case.branch_limit_kva is None:
        raise GridError(f"{case.name} has no branch_limit_kva to hold its branches against")
    if case.physics == "ac":
        current_kva = ac.branch_currents_kva(case.feeder, case.v_head_pu, p_kw, q_kvar)
    else:
        flows_kva = lindistflow.branch_flows(case.feeder, p_kw, q_kvar)
        current_kva = np.hypot(*flows_kva) / case.v_head_pu
    loading: Array = (current_kva / case.branch_limit_kva).max(axis=1)
    return loading
