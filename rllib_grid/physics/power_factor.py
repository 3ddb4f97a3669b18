"""Reactive power from active power."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from rllib_grid.checks import Array

_Numbers = TypeVar("_Numbers", float, Array)


def kvar_per_kw(power_factor: _Numbers) -> _Numbers:
    """Magnitude of q over p at a power factor in (0, 1]."""
    result: _Numbers = np.sqrt(1 / power_factor**2 - 1)
    return result
