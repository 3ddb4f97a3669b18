"""Batches of small quadratic programs."""

from __future__ import annotations

import daqp
import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.dispatch import batch_qp as room
from rllib_grid.dispatch.batch_qp import BatchQP


def test_one_variable_by_hand() -> None:
    # min x^2 - c x within |x| <= 1: x = c / 2, clipped; the multiplier is what the bound costs.
    answer = BatchQP(np.array([[2.0]]), np.array([1.0])).solve(np.array([[-1.0], [-6.0], [6.0]]))
    assert answer.x == pytest.approx(np.array([[0.5], [1.0], [-1.0]]))
    assert answer.multipliers == pytest.approx(np.array([[0.0], [4.0], [-4.0]]))
    assert answer.feasible.all()


def test_a_row_that_binds_by_hand() -> None:
    # min (x^2 + y^2) / 2 with x + 2 y >= 5, within |x|, |y| <= 10: (1, 2), multiplier -1.
    program = BatchQP(np.eye(2), np.full(2, 10.0), np.array([[1.0, 2.0]]))
    answer = program.solve(np.zeros((1, 2)), np.array([[5.0]]), np.array([[99.0]]))
    assert answer.x == pytest.approx(np.array([[1.0, 2.0]]))
    assert answer.multipliers == pytest.approx(np.array([[0.0, 0.0, -1.0]]))


def test_infeasible_programs_are_named_and_their_neighbours_solved() -> None:
    program = BatchQP(np.eye(2), np.ones(2), np.array([[1.0, 2.0]]))
    lower = np.array([[2.9], [3.1], [2.9], [3.1]])  # x + 2 y reaches 3 at most
    answer = program.solve(np.zeros((4, 2)), lower, np.full((4, 1), 9.0))
    assert answer.feasible.tolist() == [True, False, True, False]
    assert np.isnan(answer.x).all(axis=1).tolist() == [False, True, False, True]
    assert np.isnan(answer.kkt_residual).tolist() == [False, True, False, True]
    assert answer.x[2] == pytest.approx(answer.x[0])


def test_no_programs() -> None:
    answer = BatchQP(np.eye(2), np.ones(2)).solve(np.zeros((0, 2)))
    assert answer.x.shape == (0, 2)
    assert answer.feasible.shape == (0,)


def test_the_residual_sees_every_kind_of_error() -> None:
    program = BatchQP(np.eye(2), np.full(2, 10.0), np.array([[1.0, 2.0]]))
    bounds = (np.array([[5.0]]), np.array([[99.0]]))

    def residual(x: list[float], multipliers: list[float]) -> float:
        linear, found = np.zeros((1, 2)), (np.array([x]), np.array([multipliers]))
        return program.kkt_residual(linear, *found, *bounds).item()

    assert residual([1.0, 2.0], [0.0, 0.0, -1.0]) < 1e-10
    assert residual([1.1, 2.0], [0.0, 0.0, -1.0]) > 1e-3  # not stationary, in the interior
    assert residual([0.0, 0.0], [0.0, 0.0, 0.0]) > 1e-3  # stationary, but outside the row
    assert residual([2.0, 4.0], [0.0, 0.0, -2.0]) > 1e-3  # stationary, but not complementary
    assert residual([1.0, 2.0], [-1.0, -2.0, 0.0]) > 1e-3  # multipliers of limits that are slack


def _broken(corrupt_cold: bool):
    """A DAQP that answers wrongly from a warm start, and from a cold one too if asked to."""

    real = daqp.Model

    class Broken:
        def __init__(self) -> None:
            self._model, self._warm = real(), False

        def setup(self, *args) -> None:
            self._model.setup(*args)

        def update(self, *args) -> None:
            self._warm = True
            self._model.update(*args)

        def solve(self):
            x, *rest = self._model.solve()
            return (x * 0.9 if self._warm or corrupt_cold else x, *rest)

        settings = property(lambda self: self._model.settings, lambda self, value: None)

    return Broken


def test_a_wrong_answer_is_solved_again(monkeypatch) -> None:
    linear = np.array([[-1.0], [-1.2], [-0.8]])
    right = BatchQP(np.array([[2.0]]), np.array([1.0])).solve(linear).x
    monkeypatch.setattr(room.daqp, "Model", _broken(corrupt_cold=False))
    assert BatchQP(np.array([[2.0]]), np.array([1.0])).solve(linear).x == pytest.approx(right)


def test_an_answer_without_proof_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(room.daqp, "Model", _broken(corrupt_cold=True))
    with pytest.raises(GridError, match=r"state 0: no proven optimum .* must be <= 1e-08"):
        BatchQP(np.array([[2.0]]), np.array([1.0])).solve(np.array([[-1.0]]))
