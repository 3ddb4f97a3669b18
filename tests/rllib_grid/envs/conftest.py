"""What the tests of days share."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from rllib_grid import DayCase, JointDayEnv


@pytest.fixture
def actions() -> Callable[..., np.ndarray]:
    """Return a function that draws the actions of a day (24, B, A)."""

    def draw(env: JointDayEnv, seed: int = 0) -> np.ndarray:
        width = env.case.layout.action.width
        rng = np.random.default_rng(seed)
        return rng.uniform(-1, 1, (24, env.num_envs, width)).astype(np.float32)

    return draw


@pytest.fixture
def days_of_lanes() -> Callable[..., SimpleNamespace]:
    """Return a function that gives the days of lanes; `Profiles` itself refuses repeated ones."""

    def alike(case: DayCase, day: np.ndarray) -> SimpleNamespace:
        days = case.days("train")
        names = ("p_base_kw", "q_base_kvar", "price_eur_per_kwh", "outdoor_c")
        arrays = {name: getattr(days, name)[day] for name in names}
        return SimpleNamespace(num_days=len(day), num_steps=24, step_h=1.0, **arrays)

    return alike
