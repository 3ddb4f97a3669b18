"""What agents see and set in a day case, and by which scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.day_layout import DayLayout, PerBus, Shared
from rllib_grid.checks import Array

if TYPE_CHECKING:
    from rllib_grid.cases.day_case import DayCase

CLOCK = ("day_sin", "day_cos", "half_day_sin", "half_day_cos")


def clock(step: NDArray[np.int64], num_steps: int) -> Array:
    """The time of day as `CLOCK` names it: the hand of a clock of 24 and of one of 12 hours.

    Args:
        step: (...,) whole numbers 0..T.
        num_steps: T.

    Returns:
        (..., 4).
    """
    angle = 2 * np.pi * np.asarray(step) / num_steps
    hands = (np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle))
    return np.stack(hands, axis=-1)


def layout_of(case: DayCase) -> DayLayout:
    """Order and scale of the joint arrays; scales are taken from the training days.

    Heat pumps add the indoor temperature of every bus, the outdoor temperature and p_heat.
    """
    days, half = case.days("train"), case.capacity_kwh / 2
    ones, zeros = np.ones(case.num_buses), np.zeros(case.num_buses)
    per_bus = (("p_base_kw", days.p_base_kw), ("q_base_kvar", days.q_base_kvar))
    state = [
        PerBus(name, values.mean(axis=(0, 1)), values.std(axis=(0, 1)) + 1e-6)
        for name, values in per_bus
    ]
    state.append(PerBus("soc_kwh", half, half))
    shared = [_standardised("price_eur_per_kwh", days.price_eur_per_kwh)]
    action = [
        PerBus("p_ctrl_kw", zeros, case.p_limit_kw),
        PerBus("q_ctrl_kvar", zeros, case.q_limit_kvar),
    ]
    if case.heat is not None:
        low, high, most = case.heat.t_low_c, case.heat.t_high_c, case.heat.p_heat_max_kw / 2
        state.append(PerBus("t_in_c", (low + high) / 2 * ones, (high - low) / 2 * ones))
        shared.append(_standardised("outdoor_c", days.outdoor_c))
        action.append(PerBus("p_heat_kw", most, most))
    return DayLayout(
        case.groups,
        state=tuple(state),
        shared=(*shared, *(Shared(name, 0.0, 1.0) for name in CLOCK)),
        action=tuple(action),
        observation=(PerBus("v_pu", case.v_head_pu * ones, case.obs_scale_pu * ones),),
    )


def _standardised(name: str, values: Array) -> Shared:
    return Shared(name, float(values.mean()), float(values.std()) + 1e-6)
