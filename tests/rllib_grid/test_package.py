"""What importing the package costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rllib_grid

PROBE = """
import sys
import rllib_grid
from rllib_grid import Case, JointGridEnv, OptimalDispatch, load_states, make_case, team_optimal
JointGridEnv(make_case("ieee13"), 2, seed=0).reset()
print(sorted({"ray", "torch", "cvxpy", "gymnasium", "policies", "tuning"} & set(sys.modules)))
"""


def test_needs_neither_ray_nor_torch_nor_cvxpy() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_loads() -> None:
    assert set(rllib_grid.__all__) == set(rllib_grid._HOMES)
    for name in rllib_grid.__all__:
        home = getattr(getattr(rllib_grid, name), "__module__", "rllib_grid")
        assert home.startswith("rllib_grid")
    with pytest.raises(AttributeError, match="no attribute 'Grid'"):
        rllib_grid.Grid  # noqa: B018
