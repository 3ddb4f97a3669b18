"""Reactive power at a power factor."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid.physics.power_factor import kvar_per_kw


def test_apparent_power_has_the_power_factor() -> None:
    factor = np.array([0.3, 0.8, 0.95, 1.0])
    assert 1 / np.hypot(1, kvar_per_kw(factor)) == pytest.approx(factor)
    assert kvar_per_kw(0.8) == pytest.approx(0.75)
