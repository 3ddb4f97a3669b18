"""Limits that tie two numbers of an action together, such as the rating of an inverter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def scale_back(action: NDArray[Any], circles: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Scale pairs of an action back into their circles; both numbers of a pair shrink together.

    Args:
        action: (..., A).
        circles: (J, 4), each (i, j, u, w): |(u a_i, w a_j)| <= 1.

    Returns:
        (..., A), the very array if there are no circles.
    """
    if not len(circles):
        return action
    pairs = circles[:, :2].astype(np.int64)
    pair = action[..., pairs]
    load = np.linalg.norm(pair * circles[:, 2:], axis=-1, keepdims=True)
    scaled = action.copy()
    scaled[..., pairs] = pair / np.maximum(load, 1.0)
    return scaled
