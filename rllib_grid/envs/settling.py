"""When a step is paid for what buildings hold: charge in batteries, and heat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.envs.day_model import DayModel, Floats


class Reserves(NamedTuple):
    """What the buildings of B feeders hold."""

    soc_kwh: Floats  # (B, n)
    t_in_c: Floats  # (B, n); of no account without heat pumps


def paid_eur(
    model: DayModel,
    start: Reserves,
    before: Reserves,
    after: Reserves,
    over: NDArray[np.bool_],
) -> NDArray[Any]:
    """What a step is paid for each bus: see `DayCase.settle`. Days add up to the same either way.

    Args:
        model: formulas and prices.
        start: at midnight.
        before, after: the step.
        over: (B,) where it was the last of its day.

    Returns:
        (B, n) in the precision of the model.
    """
    stepwise, end = model.case.settle == "stepwise", over[:, None]
    if stepwise:
        paid = model.settled_eur(before.soc_kwh, after.soc_kwh)
        bent = model.end_cost_eur(after.soc_kwh, after.soc_kwh)  # without what was settled
        paid = np.where(end, paid - bent, paid)
    else:
        paid = np.where(end, -model.end_cost_eur(start.soc_kwh, after.soc_kwh), 0)
    if model.thermal is None:
        return paid.astype(after.soc_kwh.dtype)
    if stepwise:
        return paid - model.thermal.end_cost_eur(before.t_in_c, after.t_in_c)
    kept = -model.thermal.end_cost_eur(start.t_in_c, after.t_in_c)
    result: NDArray[Any] = (paid + np.where(end, kept, 0)).astype(after.soc_kwh.dtype)
    return result
