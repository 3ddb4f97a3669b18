"""Stages of one training as the frozen first stages of another."""

from __future__ import annotations

import pytest
from tiny_training import assert_equal, counts, run, tiny, weights

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def one_stage(ray_session):
    algo = tiny(num_stages=1).build_algo()
    run(algo)
    yield algo
    algo.stop()


def test_stages_built_on_others_are_those_of_one_training(one_stage):
    whole, behind = tiny(num_stages=2).build_algo(), tiny(num_stages=2).build_algo()
    try:
        run(whole)
        behind.build_on(one_stage)
        assert behind.counts.stage == 2
        assert not behind.finished
        run(behind)
        assert_equal(weights(behind), weights(whole))
        assert counts(behind)[:2] == counts(whole)[:2]
    finally:
        whole.stop()
        behind.stop()


def test_no_more_stages_are_taken_than_there_is_room_for(one_stage):
    """Of two stages the first alone, so that the second is trained anew."""
    earlier, behind = tiny(num_stages=2).build_algo(), tiny(num_stages=2, tau=0.5).build_algo()
    try:
        run(earlier)
        behind.build_on(earlier)
        assert behind.ended == earlier.ended[:1]
        assert_equal(behind.actor_weights(1), one_stage.actor_weights(1))
    finally:
        earlier.stop()
        behind.stop()


def test_what_does_not_fit_is_refused(one_stage):
    algo = tiny(num_stages=2).build_algo()
    try:
        with pytest.raises(ValueError, match="none has ended"):
            algo.build_on(algo)
    finally:
        algo.stop()
    for name, module in (("actor_width", "actor_1"), ("critic_width", "critic")):
        wide = tiny(num_stages=2).training(**{name: 9}).build_algo()
        try:
            with pytest.raises(ValueError, match=f"{module} have other shapes"):
                wide.build_on(one_stage)
        finally:
            wide.stop()


def test_a_critic_that_is_not_carried_over_may_be_another(one_stage):
    algo = tiny(num_stages=2).training(critic_net="paper", carry_critic=False).build_algo()
    try:
        algo.build_on(one_stage)
        run(algo)
        assert_equal(algo.actor_weights(1), one_stage.actor_weights(1))
    finally:
        algo.stop()
