"""A day is paid for what it leaves behind, at its end or step by step, the same in sum."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid.envs.day_model import DayModel
from rllib_grid.envs.settling import Reserves, paid_eur


def path(case, steps: int) -> list[Reserves]:
    rng = np.random.default_rng(0)
    charge = rng.uniform(0, 1, (steps + 1, 7, 3)) * case.capacity_kwh
    warmth = rng.uniform(15, 28, charge.shape)
    return [Reserves(soc, t) for soc, t in zip(charge, warmth, strict=True)]


def paid(case, reserves: list[Reserves]) -> np.ndarray:
    """(steps, B, n); the last step is that of the day."""
    model, last = DayModel(case, 1.0, np.float64), len(reserves) - 2
    return np.array(
        [
            paid_eur(model, reserves[0], *reserves[k : k + 2], np.full(7, k == last))
            for k in range(last + 1)
        ]
    )


@pytest.mark.parametrize("heated", [False, True])
def test_both_ways_add_up_to_the_cost_of_the_end(small, warm, heated):
    case = warm if heated else small
    reserves = path(case, 5)
    at_end, stepwise = (paid(case.replace(settle=way), reserves) for way in ("end", "stepwise"))
    assert not at_end[:-1].any() and np.abs(stepwise[:-1]).min() > 0
    model = DayModel(case, 1.0, np.float64)
    cost = model.end_cost_eur(reserves[0].soc_kwh, reserves[-1].soc_kwh)
    if heated:
        heat = model.thermal.end_cost_eur(reserves[0].t_in_c, reserves[-1].t_in_c)
        assert (heat > 0).any() and (heat < 0).any()
        cost = cost + heat
    np.testing.assert_allclose(at_end[-1], -cost)
    np.testing.assert_allclose(stepwise.sum(axis=0), -cost)
