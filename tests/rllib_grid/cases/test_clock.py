"""The hands of the clock that agents see."""

from __future__ import annotations

import numpy as np

from rllib_grid.cases.clock import clock


def test_clock_hands():
    np.testing.assert_allclose(clock(np.array(6), 24), [1, 0, 0, -1], atol=1e-10)
    np.testing.assert_allclose(
        clock(np.array([0, 48]), 96), [[0, 1, 0, 1], [0, -1, 0, 1]], atol=1e-10
    )
