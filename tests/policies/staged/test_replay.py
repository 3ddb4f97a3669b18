"""The replay ring, by planting each row's time index in every column."""

from __future__ import annotations

import numpy as np
import pytest

from policies.staged.replay import JointReplay

WIDTHS = {"inputs": 3, "action": 2, "reward": 1}


def rows(start, count):
    """Rows start, start + 1, ...: column c of a row at time t holds 1000 c + t everywhere."""
    times = np.arange(start, start + count, dtype=np.float32)[:, None]
    return {name: times + np.full(w, 1000.0 * w, np.float32) for name, w in WIDTHS.items()}


def times(columns):
    """The times of rows, after checking that every column of a row agrees."""
    found = {name: column - 1000.0 * WIDTHS[name] for name, column in columns.items()}
    for name, column in found.items():
        assert column.dtype == np.float32 and column.shape[1] == WIDTHS[name]
        np.testing.assert_array_equal(column, np.repeat(found["reward"], WIDTHS[name], axis=1))
    return found["reward"][:, 0].astype(int)


def held(replay):
    return sorted(times({name: replay.column(name) for name in WIDTHS}))


def test_sampled_rows_stay_together_and_reach_every_row_held():
    replay = JointReplay(50, WIDTHS)
    for start in (0, 7, 30):
        replay.add(rows(start, 7))
    sampled = times(replay.sample(np.random.default_rng(0), 2000))
    counts = np.bincount(sampled, minlength=37)
    expected = [*range(14), *range(30, 37)]
    assert set(np.flatnonzero(counts)) == set(expected)
    assert counts[expected].min() > 0.5 * 2000 / 21 and counts.max() < 1.5 * 2000 / 21


def test_sampling_is_by_the_generator_alone():
    replay = JointReplay(50, WIDTHS)
    replay.add(rows(0, 40))
    draws = [times(replay.sample(np.random.default_rng(seed), 10)) for seed in (3, 3, 4)]
    assert list(draws[0]) == list(draws[1]) != list(draws[2])


def test_the_oldest_rows_are_overwritten():
    replay = JointReplay(10, WIDTHS)
    replay.add(rows(0, 7))
    assert len(replay) == 7
    replay.add(rows(7, 7))
    assert len(replay) == 10
    assert held(replay) == list(range(4, 14))
    replay.add(rows(14, 3))
    assert held(replay) == list(range(7, 17))


def test_more_rows_than_capacity_keep_the_last_ones():
    replay = JointReplay(10, WIDTHS)
    replay.add(rows(0, 3))
    replay.add(rows(3, 25))
    assert held(replay) == list(range(18, 28))
    replay.add(rows(28, 1))
    assert held(replay) == list(range(19, 29))


def test_clear_forgets():
    replay = JointReplay(10, WIDTHS)
    replay.add(rows(0, 12))
    replay.clear()
    assert len(replay) == 0
    replay.add(rows(50, 2))
    assert held(replay) == [50, 51]


@pytest.mark.parametrize("count", [4, 23])
def test_state_round_trip_goes_on_alike(count):
    first, second = JointReplay(10, WIDTHS), JointReplay(10, WIDTHS)
    first.add(rows(0, count))
    second.add(rows(90, 6))
    second.set_state(first.get_state())
    for replay in (first, second):
        replay.add(rows(count, 3))
    assert len(first) == len(second) == min(10, count + 3)
    draws = [times(replay.sample(np.random.default_rng(0), 20)) for replay in (first, second)]
    assert list(draws[0]) == list(draws[1])


def test_state_is_a_copy():
    replay = JointReplay(10, WIDTHS)
    replay.add(rows(0, 10))
    state = replay.get_state()
    replay.add(rows(10, 10))
    replay.set_state(state)
    assert held(replay) == list(range(10))


@pytest.mark.parametrize("capacity", [0, -3])
def test_capacity_must_be_positive(capacity):
    with pytest.raises(ValueError, match=rf"capacity is {capacity}, must be > 0"):
        JointReplay(capacity, WIDTHS)
