"""Steps of many lanes side by side, and the rows that they are."""

from __future__ import annotations

import numpy as np

from policies.sampling.rollout import Rollout, stacked


def planted(live, time_steps=1):
    """A rollout whose rows hold (step, lane)."""
    steps, lanes = live.shape
    place = np.stack(np.indices((steps, lanes)), -1).astype(np.float32)
    return Rollout({"place": place}, live, np.zeros_like(live), time_steps=time_steps)


def test_rows_keep_the_order_of_time_and_leave_idle_lanes_out():
    live = np.array([[True, True, True], [True, False, True], [False, False, True]])
    rollout = planted(live)
    expected = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 2], [2, 2]]
    assert rollout.rows()["place"].tolist() == expected
    assert rollout.env_steps == 6


def test_without_idle_lanes_all_steps_are_rows():
    rollout = planted(np.ones((2, 2), bool))
    assert rollout.rows()["place"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert rollout.env_steps == 4


def test_a_row_may_hold_several_time_steps():
    assert planted(np.array([[True, False]]), time_steps=3).env_steps == 3


def test_steps_are_stacked_over_time():
    one, two = ({"a": np.full((3, 2), t, np.float32)} for t in (1.0, 2.0))
    for steps in ([one], [one, two]):
        found = stacked(steps)["a"]
        assert found.shape == (len(steps), 3, 2)
        assert found[:, 0, 0].tolist() == [1.0, 2.0][: len(steps)]
