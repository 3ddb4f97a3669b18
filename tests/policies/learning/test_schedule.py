"""What is collected and updated when."""

from __future__ import annotations

import pytest

from policies.learning.schedule import StagePlan, cosine_decay, of_stage

PLAN = StagePlan(episodes=100, updates=80, warmup=20, collect_share=0.5)


@pytest.mark.parametrize(
    ("updates", "due"), [(0, 20), (1, 22), (10, 40), (20, 60), (39, 98), (40, 100), (80, 100)]
)
def test_episodes_are_due_evenly_over_the_first_share_of_updates(updates, due):
    assert PLAN.episodes_due(updates) == due


def test_due_never_falls_and_no_rounding_loses_an_episode():
    plan = StagePlan(episodes=49, updates=7, warmup=7, collect_share=1.0)
    assert [plan.episodes_due(i) for i in range(8)] == [7, 13, 19, 25, 31, 37, 43, 49]
    # 18 * 3 / (0.9 * 4) is 14.999999999999998 in floating point.
    assert StagePlan(episodes=20, updates=4, warmup=2, collect_share=0.9).episodes_due(3) == 17


def test_without_updates_all_episodes_are_due_at_once():
    assert StagePlan(episodes=9, updates=0, warmup=3, collect_share=0.5).episodes_due(0) == 9


def test_progress_is_the_share_of_updates():
    assert [PLAN.progress(i) for i in (0, 20, 80)] == [0.0, 0.25, 1.0]


@pytest.mark.parametrize(
    ("progress", "factor"), [(-1, 1.0), (0, 1.0), (1 / 3, 0.75), (0.5, 0.5), (1, 0.0), (2, 0.0)]
)
def test_cosine(progress, factor):
    assert cosine_decay(progress) == pytest.approx(factor, abs=1e-10)


def test_the_last_value_serves_all_later_stages():
    assert [of_stage([3.0, 1.0], stage) for stage in (1, 2, 3)] == [3.0, 1.0, 1.0]
    assert [of_stage([3.0], stage) for stage in (1, 2)] == [3.0, 3.0]
