"""What counts as proven: a program with an equality, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from rllib_grid import GridError
from rllib_grid.dispatch.proof import proven

# min (x^2 + y^2) / 2 with x + y = -2 and x >= 0: x = 0, y = -2, value 2.
HESSIAN, LINEAR = sparse.identity(2), np.zeros(2)
ROWS, RIGHT = sparse.csc_matrix([[1.0, 1.0], [-1.0, 0.0]]), np.array([-2.0, 0.0])
X, Z = np.array([0.0, -2.0]), np.array([2.0, 2.0])


def test_a_proven_answer_has_no_gap_and_signs_bind_inequalities_alone():
    assert proven(HESSIAN, LINEAR, ROWS, RIGHT, X, Z, equalities=1) == (2.0, 2.0)
    flipped, right = ROWS.copy(), RIGHT * [-1, 1]
    flipped[0] = -flipped[0]
    z = Z * [-1, 1]
    assert proven(HESSIAN, LINEAR, flipped, right, X, z, equalities=1) == (2.0, 2.0)
    with pytest.raises(GridError, match="no proven optimum of the day: multipliers off by"):
        proven(HESSIAN, LINEAR, flipped, right, X, z)


def test_a_point_within_an_inequality_violates_it_as_an_equality():
    x, z = np.zeros(2), np.zeros(2)
    right = np.array([2.0, 0.0])
    assert proven(HESSIAN, LINEAR, ROWS, right, x, z) == (0.0, 0.0)
    with pytest.raises(GridError, match="constraints off by"):
        proven(HESSIAN, LINEAR, ROWS, right, x, z, equalities=1)


def test_another_answer_is_refused():
    with pytest.raises(GridError, match="stationarity off by"):
        proven(HESSIAN, LINEAR, ROWS, RIGHT, np.array([1.0, -3.0]), Z, equalities=1)
