"""The replay ring, by planting each row's time index in every column; trajectories to go."""

from __future__ import annotations

import numpy as np
import pytest

from policies.sampling.memories import JointReplay, TrajectoryMemory, returns_to_go
from policies.sampling.rollout import Rollout

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
        replay.append(rows(start, 7))
    sampled = times(replay.sample(np.random.default_rng(0), 2000))
    counts = np.bincount(sampled, minlength=37)
    expected = [*range(14), *range(30, 37)]
    assert set(np.flatnonzero(counts)) == set(expected)
    assert counts[expected].min() > 0.5 * 2000 / 21 and counts.max() < 1.5 * 2000 / 21


def test_sampling_is_by_the_generator_alone():
    replay = JointReplay(50, WIDTHS)
    replay.append(rows(0, 40))
    draws = [times(replay.sample(np.random.default_rng(seed), 10)) for seed in (3, 3, 4)]
    assert list(draws[0]) == list(draws[1]) != list(draws[2])


def test_the_oldest_rows_are_overwritten():
    replay = JointReplay(10, WIDTHS)
    replay.append(rows(0, 7))
    assert len(replay) == 7
    replay.append(rows(7, 7))
    assert len(replay) == 10
    assert held(replay) == list(range(4, 14))
    replay.append(rows(14, 3))
    assert held(replay) == list(range(7, 17))


def test_more_rows_than_capacity_keep_the_last_ones():
    replay = JointReplay(10, WIDTHS)
    replay.append(rows(0, 3))
    replay.append(rows(3, 25))
    assert held(replay) == list(range(18, 28))
    replay.append(rows(28, 1))
    assert held(replay) == list(range(19, 29))


@pytest.mark.parametrize("count", [4, 23])
def test_state_round_trip_goes_on_alike(count):
    first, second = JointReplay(10, WIDTHS), JointReplay(10, WIDTHS)
    first.append(rows(0, count))
    second.append(rows(90, 6))
    second.set_state(first.get_state())
    for replay in (first, second):
        replay.append(rows(count, 3))
    assert len(first) == len(second) == min(10, count + 3)
    draws = [times(replay.sample(np.random.default_rng(0), 20)) for replay in (first, second)]
    assert list(draws[0]) == list(draws[1])


def test_state_is_a_copy():
    replay = JointReplay(10, WIDTHS)
    replay.append(rows(0, 10))
    state = replay.get_state()
    replay.append(rows(10, 10))
    replay.set_state(state)
    assert held(replay) == list(range(10))


@pytest.mark.parametrize("capacity", [0, -3])
def test_capacity_must_be_positive(capacity):
    with pytest.raises(ValueError, match=rf"capacity is {capacity}, must be > 0"):
        JointReplay(capacity, WIDTHS)


def rollout(lanes=3):
    """Four steps; rows are planted with ten times their step, plus their lane.

    Lane 0 ends at steps 1 and 3, lane 1 at step 2 and is idle then, lane 2 at the last.
    """
    over = np.zeros((4, lanes), bool)
    over[1, 0] = over[3, 0] = over[2, 1] = over[3, 2] = True
    live = np.ones((4, lanes), bool)
    live[3, 1] = False
    place = (10 * np.arange(4)[:, None] + np.arange(lanes)).astype(np.float32)
    reward = np.float32([[1, 1, 1], [2, 2, 2], [4, 4, 4], [8, 8, 8]])
    steps = {"inputs": place[..., None], "action": place[..., None], "reward": reward[..., None]}
    return Rollout(steps, live, over)


def test_a_rollout_is_taken_in_in_the_order_of_time():
    replay = JointReplay(50, {"inputs": 1, "action": 1, "reward": 1})
    replay.add(rollout())
    assert replay.column("action")[:, 0].tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 32]


# --- trajectories -----------------------------------------------------------------------


def test_returns_to_go_start_anew_where_a_trajectory_is_over():
    taken = rollout()
    found = returns_to_go(taken.steps["reward"], taken.over, 0.5)[..., 0]
    assert found.dtype == np.float32
    # Lane 0: 1 + 2 / 2, 2; then 4 + 8 / 2, 8. Lane 1: 1 + 2 / 2 + 4 / 4, ... Lane 2: to the end.
    assert found[:, 0].tolist() == [2, 2, 8, 8]
    assert found[:3, 1].tolist() == [3, 4, 4]
    assert found[:, 2].tolist() == [1 + 1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8]


def test_each_reward_column_has_its_own_return():
    reward = np.float32([[[1, 10]], [[2, 20]]])
    found = returns_to_go(reward, np.array([[False], [True]]), 1.0)
    assert found[:, 0].tolist() == [[3, 30], [2, 20]]


def test_a_trajectory_memory_gives_all_rows_once():
    memory = TrajectoryMemory(0.5)
    memory.add(rollout())
    memory.add(rollout())
    assert len(memory) == 22
    columns = memory.batches(np.random.default_rng(0), 1, 3)
    assert set(columns) == {"inputs", "action", "reward", "to_go"}
    times = [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 32]
    to_go = [2, 3, 4, 2, 4, 6, 8, 4, 8, 8, 8]
    assert columns["action"][:, 0].tolist() == 2 * times
    assert columns["to_go"][:, 0].tolist() == 2 * to_go
    assert len(memory) == 0


def test_a_trajectory_memory_keeps_its_state():
    memory, other = TrajectoryMemory(0.5), TrajectoryMemory(0.5)
    memory.add(rollout())
    state = memory.get_state()
    memory.add(rollout())
    other.set_state(state)
    assert (len(memory), len(other)) == (22, 11)
    np.testing.assert_array_equal(other.column("to_go"), memory.column("to_go")[:11])


def test_only_trajectories_are_worked_off_whole():
    assert TrajectoryMemory.whole and not JointReplay.whole
