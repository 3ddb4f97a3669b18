"""A small day case that the tests of days share."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Feeder
from rllib_grid.days.day_case import DayCase
from rllib_grid.days.diversity import SyntheticProfiles
from rllib_grid.days.heat import HeatPumps


@pytest.fixture(scope="session")
def small() -> DayCase:
    """Three buses, agents {1, 3} and {2}, and voltages that bind on both sides."""
    feeder = Feeder("fork", (0, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([1.1, 0.2, 0.3]), 2.5)
    return DayCase(
        "small",
        feeder,
        groups=((3, 1), (2,)),
        profiles=SyntheticProfiles(load_kw=20.0, solar_kwp=100.0),
        capacity_kwh=np.array([20.0, 30.0, 40.0]),
        p_limit_kw=np.array([8.0, 9.0, 10.0]),
        q_limit_kvar=np.array([4.0, 5.0, 6.0]),
        efficiency=0.9,
        alpha_p=np.array([1e-3, 2e-3, 3e-3]),
        alpha_q=np.array([4e-4, 5e-4, 6e-4]),
        soc_target=0.4,
        v_head_pu=1.01,
        v_min_pu=0.98,
        v_max_pu=1.02,
        penalty_eur_per_pu_h=50.0,
    )


@pytest.fixture(scope="session")
def warm(small) -> DayCase:
    """The small case with buildings 1 and 3 heated and building 2 cooled; all are light enough for
    a day to matter, and midnight may lie outside the band."""
    heat = HeatPumps(
        c_kwh_per_k=np.array([4.0, 5.0, 6.0]),
        r_k_per_kw=np.array([3.0, 2.0, 2.5]),
        cop=np.array([3.0, -2.5, 4.0]),
        p_heat_max_kw=np.array([4.0, 5.0, 3.0]),
        t_set_c=21.5,
        comfort_eur_per_k2_h=0.3,
        t_start_c=(19.0, 25.0),
    )
    return small.replace(name="warm", heat=heat)
