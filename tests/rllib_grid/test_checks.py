"""What is refused, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.checks import known_fields, number, per_bus


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"above": 0}, "x is 0, must be > 0"),
        (-0.5, {"at_least": 0}, "x is -0.5, must be >= 0"),
        (1, {"below": 1}, "x is 1, must be < 1"),
        (1.5, {"above": 0, "at_most": 1}, "x is 1.5, must be > 0 and <= 1"),
        (float("nan"), {}, "x is nan, must be finite"),
        ("much", {}, "x is 'much', must be a number"),
    ],
)
def test_numbers_out_of_bounds(value, bounds: dict, message: str) -> None:
    with pytest.raises(GridError) as caught:
        number("x", value, **bounds)
    assert str(caught.value) == message


def test_numbers_at_their_bounds() -> None:
    assert number("x", "1", at_least=1, at_most=1) == 1.0
    assert number("x", 1e-9, above=0, below=1) == 1e-9


def test_one_number_per_bus() -> None:
    spread = per_bus("x", 2, 3, above=0)
    assert spread.tolist() == [2.0, 2.0, 2.0] and not spread.flags.writeable
    with pytest.raises(GridError, match="bus 2: x is 0, must be > 0"):
        per_bus("x", [1, 0], 2, above=0)
    with pytest.raises(GridError, match="bus 1: x is inf, must be finite"):
        per_bus("x", np.inf, 2)


def test_fields_by_name() -> None:
    @dataclass
    class Pair:
        left: int = 0
        right: int = 0

    known_fields("field", Pair, ["right"])
    with pytest.raises(GridError, match="unknown field 'up'; choose from left, right"):
        known_fields("field", Pair(), {"left": 1, "up": 2})
