"""Seeds and checkpoints: a restored training goes on to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_training import assert_equal, counts, run, tiny, weights

from policies import MADDPG, load_controllers
from policies.staged.algorithm import absolute

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def saved(ray_session, tmp_path_factory):
    """A tiny run to the end, saved after every iteration."""
    folder = tmp_path_factory.mktemp("checkpoints")
    algo = tiny(gamma=0.5).build_algo()
    stages = []
    for i in range(100):
        algo.train()
        stages.append(algo.counts.stage)
        algo.save_to_path(str(folder / str(i)))
        if algo.finished:
            break
    yield folder, stages, weights(algo), counts(algo)
    algo.stop()


def test_same_seed_same_weights(saved):
    _, _, expected, where = saved
    algo, other = tiny(gamma=0.5).build_algo(), tiny(gamma=0.5, seed=1).build_algo()
    for each in (algo, other):
        run(each)
    assert_equal(weights(algo), expected)
    np.testing.assert_equal(counts(algo), where)
    found = weights(other)
    for name, value in expected.items():
        if name.endswith("weight"):
            assert not np.isclose(found[name], value, atol=1e-9).any(), name
    for each in (algo, other):
        each.stop()


@pytest.mark.parametrize("iteration", [0, 1, 2, 3, 4])
def test_a_restored_run_goes_on_bit_by_bit(saved, iteration):
    folder, stages, expected, where = saved
    assert stages == [1, 1, 2, 2, 2, 2]  # the third iteration ends the first stage
    path = str(folder / str(iteration))
    if iteration == 3:
        algo = MADDPG.from_checkpoint(path)
    else:
        algo = tiny(gamma=0.5).build_algo()
        algo.restore_from_path(path)
    assert algo.counts.stage == stages[iteration]
    run(algo)
    assert_equal(weights(algo), expected)
    np.testing.assert_equal(counts(algo), where)
    algo.stop()


def test_a_finished_run_is_restored_as_finished(saved, tmp_path):
    folder, stages, expected, where = saved
    algo = MADDPG.from_checkpoint(str(folder / str(len(stages) - 1)))
    assert algo.finished and algo.train()["done"]
    assert_equal(weights(algo), expected)
    np.testing.assert_equal(counts(algo), where)
    algo.export_controllers(tmp_path)
    assert load_controllers(tmp_path)["agent_0"].num_stages == 2
    algo.stop()


def test_an_older_checkpoint_takes_a_run_back(saved):
    folder, _, expected, _ = saved
    algo = MADDPG.from_checkpoint(str(folder / "4"))
    algo.restore_from_path(str(folder / "1"))
    assert algo.counts.stage == 1
    run(algo)
    assert_equal(weights(algo), expected)
    algo.stop()


def test_paths_may_be_relative(saved, tmp_path, monkeypatch):
    folder, _, _, _ = saved
    monkeypatch.chdir(tmp_path)
    algo = MADDPG.from_checkpoint(str(folder / "1"))
    stored, where = algo.save_to_path("mine"), counts(algo)
    assert stored == str(tmp_path / "mine")
    algo.train()
    algo.restore_from_path("mine")
    np.testing.assert_equal(counts(algo), where)
    algo.stop()
    again = MADDPG.from_checkpoint("mine")
    np.testing.assert_equal(counts(again), where)
    again.stop()


def test_paths_elsewhere_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("s3://bucket/run") == "s3://bucket/run"
    assert absolute("run") == absolute(tmp_path / "run") == str(tmp_path / "run")
    other = object()
    assert absolute(other) is other


def test_a_checkpoint_of_another_version_is_refused_by_one_line(tmp_path):
    """Its classes are pickled by the names of their modules."""
    (tmp_path / "class_and_ctor_args.pkl").write_bytes(b"cpolicies.nothing_of_the_kind\nX\n.")
    with pytest.raises(ValueError, match=r"was written by another version .*train anew"):
        MADDPG.from_checkpoint(tmp_path)
