"""Small cases whose limits are found in seconds."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, Feeder, UniformDemand

FORK = Feeder("fork", (0, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), 1.0)
TRUNK = Feeder("trunk", (0, 1, 1), np.array([3.0, 1.0, 1.0]), np.array([0.3, 0.2, 0.3]), 1.0)


@pytest.fixture
def costly():
    """Two unequal agents; costs and limits of their own at every bus; bounds that bind."""
    return Case(
        "costly",
        FORK,
        groups=((3, 1), (2,)),
        p_limit_kw=np.array([10.0, 20.0, 30.0]),
        q_limit_kvar=np.array([1.0, 2.0, 3.0]),
        alpha_p=np.array([1e-3, 2e-3, 3e-3]),
        beta_p=np.array([0.1, -0.2, 0.3]),
        gamma_p=np.array([1.0, 2.0, 3.0]),
        alpha_q=np.array([4e-3, 5e-3, 6e-3]),
        beta_q=np.array([-0.4, 0.5, 0.6]),
        gamma_q=np.array([10.0, 20.0, 30.0]),
        v_head_pu=1.01,
        demand=UniformDemand(limit_kw=40.0),
    )


@pytest.fixture
def small():
    """Two agents, wide voltage bounds and symmetric demand: the team rule is the exact limit."""
    return Case(
        "small",
        TRUNK,
        groups=((1, 3), (2,)),
        p_limit_kw=15.0,
        q_limit_kvar=8.0,
        alpha_p=5e-3,
        alpha_q=5e-3,
        v_min_pu=0.5,
        v_max_pu=1.5,
        demand=UniformDemand(limit_kw=20.0),
    )


@pytest.fixture
def drawn():
    """Draws joint states and actions of a case, each (size, 2n)."""

    def draw(case, size, seed=0):
        rng = np.random.default_rng(seed)
        state = case.layout.to_state(*case.demand.sample(rng, size))
        return state, rng.uniform(-1, 1, (size, state.shape[1])).astype(np.float32)

    return draw


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
