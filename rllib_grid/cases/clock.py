"""The time of day as agents see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array

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
