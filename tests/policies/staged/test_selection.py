"""Which actors a stage ends with: the best or the last, and what was trained beside them."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_training import assert_equal, run, tiny, weights

from policies import MADDPG, MADDPGConfig
from policies.learning.modules import actor_id
from policies.learning.schedule import StageCounts
from policies.sampling.runner import Validated
from policies.staged.selection import Selection


class Scored:
    """A runner that scores by a table: by the first number of the weights."""

    def __init__(self, table):
        self.table, self.asked = table, []

    def validate(self, weights, episodes, seed):
        key = float(weights["w"][0])
        self.asked.append((key, episodes, seed))
        return Validated(self.table[key], 5)


def state(actor, target):
    return {"actor.w": np.float32([actor]), "target.w": np.float32([target]), "begun": True}


def selection(**settings):
    return Selection(MADDPGConfig().training(validation_episodes=9, validation_seed=4, **settings))


def test_the_best_of_all_candidates_and_iterations_is_frozen():
    made, counts = selection(), StageCounts(1)
    runner = Scored({1: -3.0, 2: -2.0, 3: -9.0, 4: -7.0})
    made.validate(runner, state(1, 2), counts)
    assert (counts.validation_return, counts.best_return) == (-2.0, -2.0)
    made.validate(runner, state(3, 4), counts)
    assert (counts.validation_return, counts.best_return) == (-7.0, -2.0)
    assert counts.validation_probes == 4 * 5
    assert runner.asked == [(float(k), 9, 4) for k in (1, 2, 3, 4)]
    assert made.chosen(state(3, 4))["w"] == [2.0]
    assert made.end_stage(state(3, 4), counts)["w"] == [2.0]
    assert made.best is None  # of the next stage
    assert [{k: v["w"].tolist() for k, v in made.trained[0].items()}] == [
        {"actor": [3.0], "target": [4.0]}
    ]


def test_the_last_is_frozen_whatever_it_scores():
    made, counts = selection(selection="last"), StageCounts(1)
    made.validate(Scored({1: -3.0, 2: -2.0}), state(1, 2), counts)
    assert made.chosen(state(7, 8))["w"] == [7.0]
    assert made.end_stage(state(7, 8), counts)["w"] == [7.0]


def test_without_a_score_that_is_a_number_there_is_nothing_to_freeze():
    made, counts = selection(), StageCounts(3)
    made.validate(Scored({1: np.nan, 2: -np.inf}), state(1, 2), counts)
    assert made.chosen(state(1, 2)) is None
    with pytest.raises(RuntimeError, match=r"stage 3 ends without actors .* lower actor_lr"):
        made.end_stage(state(1, 2), counts)


def test_what_is_frozen_is_a_copy():
    made, counts, now = selection(), StageCounts(1), state(1, 2)
    made.validate(Scored({1: 0.0, 2: -1.0}), now, counts)
    now["actor.w"][:] = 9.0
    assert made.best["w"] == [1.0]


def test_state_round_trip():
    made, other, counts = selection(), selection(), StageCounts(1)
    runner = Scored({1: -3.0, 2: -2.0})
    made.validate(runner, state(1, 2), counts)
    made.end_stage(state(1, 2), counts)
    made.validate(runner, state(2, 1), StageCounts(2))
    other.set_state(made.get_state())
    np.testing.assert_equal(other.get_state(), made.get_state())
    assert other.best["w"] == [2.0]


# --- in training --------------------------------------------------------------------------


def actors_of(algo, stage, name="actor"):
    prefix = f"{actor_id(stage)}.{name}."
    found = weights(algo).items()
    return {k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)}


def equal(first, second):
    return all((first[name] == second[name]).all() for name in first)


class Before:
    """A run of two stages, with the actors as they were when each stage's training ended."""

    def __init__(self, **settings):
        algo = self.algo = tiny(**settings).build_algo()
        self.trained, end_stage = [], algo._end_stage

        def recorded():
            self.trained.append(actors_of(algo, algo.counts.stage))
            end_stage()

        algo._end_stage = recorded
        run(algo)


def test_last_freezes_what_training_has_come_to(ray_session):
    run_of = Before(selection="last", actor_lr=0.05)
    for stage, trained in enumerate(run_of.trained, start=1):
        for which in ("frozen", "last"):
            assert_equal(run_of.algo.actor_weights(stage, which), trained)
        assert_equal(actors_of(run_of.algo, stage), trained)
    run_of.algo.stop()


def test_the_last_weights_are_kept_beside_the_frozen_ones(ray_session, tmp_path):
    """With a rate so high that training ends worse than it was."""
    run_of = Before(actor_lr=0.5, lr_decay="constant")
    algo = run_of.algo
    frozen = [algo.actor_weights(stage) for stage in (1, 2)]
    for stage, trained in enumerate(run_of.trained, start=1):
        assert_equal(algo.actor_weights(stage, "last"), trained)
        assert_equal(actors_of(algo, stage), frozen[stage - 1])
    assert not all(equal(f, t) for f, t in zip(frozen, run_of.trained, strict=True))
    first = algo.controllers()["agent_0"].weights
    last = algo.controllers(which="last")["agent_0"].weights
    for name, value in first[0].items():  # of the stage before the frozen actors
        np.testing.assert_array_equal(last[0][name], value)
    stored = algo.save_to_path(str(tmp_path / "saved"))
    algo.stop()
    again = MADDPG.from_checkpoint(stored)
    for stage, trained in enumerate(run_of.trained, start=1):
        assert_equal(again.actor_weights(stage, "last"), trained)
        assert_equal(again.actor_weights(stage), frozen[stage - 1])
    again.stop()


def test_divergence_is_told(ray_session):
    algo = tiny(1, actor_lr=1e30).build_algo()
    with pytest.raises(RuntimeError, match=r"stage 1 ends without .* lower actor_lr"):
        run(algo)
    algo.stop()
