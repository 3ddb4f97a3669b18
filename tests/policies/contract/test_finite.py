"""Numbers that are not finite, in the arrays of any joint environment."""

from __future__ import annotations

import numpy as np
import pytest

from policies.contract.finite import check_finite

PARTS = {"a": slice(0, 2), 7: slice(2, 5)}
STEPS = np.array([4, 9, 0])


def test_finite_numbers_pass() -> None:
    check_finite("observation", np.zeros((3, 5), np.float32), PARTS, STEPS)
    check_finite("observation", np.zeros((3, 0), np.float32), {"a": slice(0, 0)}, STEPS)
    check_finite("reward", np.array([1e38]), {}, STEPS)


@pytest.mark.parametrize(
    ("row", "column", "name"),
    [
        (0, 0, "agent 'a': observation[0] is nan at step 4 of lane 0, must be finite"),
        (1, 1, "agent 'a': observation[1] is nan at step 9 of lane 1, must be finite"),
        (2, 2, "agent 7: observation[0] is nan at step 0 of lane 2, must be finite"),
        (2, 4, "agent 7: observation[2] is nan at step 0 of lane 2, must be finite"),
    ],
)
def test_the_first_other_one_is_named(row: int, column: int, name: str) -> None:
    values = np.zeros((3, 5), np.float32)
    values[row, column] = values[2, 4] = np.nan
    with pytest.raises(ValueError) as refused:
        check_finite("observation", values, PARTS, STEPS)
    assert str(refused.value).startswith(name)


def test_values_of_the_team_name_no_agent() -> None:
    with pytest.raises(ValueError, match=r"^the team's reward\[0\] is inf at step 9 of lane 1"):
        check_finite("reward", np.array([[0.0], [np.inf], [0.0]]), {}, STEPS)
