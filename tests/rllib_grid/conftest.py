"""Small feeders and cases that the tests of the grid share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rllib_grid import Case, Feeder, UniformDemand, make_case


@pytest.fixture
def one_bus() -> Feeder:
    """Head and a single bus, 0.5 + j0.8 ohm at 2 kV."""
    return Feeder("one-bus", (0,), np.array([0.5]), np.array([0.8]), v_base_kv=2.0)


@pytest.fixture
def fork() -> Feeder:
    """Head - 1, with buses 2 and 3 below 1."""
    return Feeder("fork", (0, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), 1.0)


@pytest.fixture
def fork_case(fork: Feeder) -> Case:
    """Two agents, {1, 3} and {2}, with costs and limits of their own at every bus."""
    return Case(
        "fork",
        fork,
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
        demand=UniformDemand(limit_kw=5.0),
    )


@pytest.fixture(scope="session")
def ieee13() -> Case:
    """The default case."""
    return make_case("ieee13")


@pytest.fixture
def write_csv(tmp_path: Path):
    """Write lines to a .csv file and return its path."""

    def write(*lines: str, name: str = "feeder.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
