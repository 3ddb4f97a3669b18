"""What a configuration lacks, and plans that cannot be carried out, are refused before any work."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from ray import tune
from reinforce import ReinforceConfig

from policies import MADDPGConfig, MARDPGConfig
from policies.algorithms.settings import shared_settings
from policies.sampling.memories import TrajectoryMemory
from policies.sampling.runner import drawn_from
from policies.staged.algorithm import absolute


@pytest.mark.parametrize(
    "space", [tune.loguniform(1e-4, 1e-2), {"grid_search": [1e-3, 2e-3]}], ids=["domain", "grid"]
)
def test_spaces_of_tune_are_held_but_not_trained_on(space):
    config = MADDPGConfig().environment("x").training(actor_lr=space)
    assert type(config.to_dict()["actor_lr"]) is type(space)
    with pytest.raises(ValueError, match="actor_lr is a space to search"):
        config.validate()


@pytest.mark.parametrize(
    ("config", "name", "hint"),
    [(MADDPGConfig, "actr_lr", "actor_lr"), (MARDPGConfig, "critic_tau", "critic_net")],
)
def test_names_that_nothing_reads_are_refused(config, name, hint):
    with pytest.raises(ValueError, match=f"{name} is no setting of .*did you mean {hint}"):
        config().update_from_dict({name: 0.5})
    with pytest.raises(ValueError, match=f"{name} is no setting"):
        setattr(config(), name, 0.5)


def test_an_algorithm_without_the_rate_of_a_network_is_refused():
    class Rateless(ReinforceConfig):
        settings = shared_settings()

    with pytest.raises(ValueError, match="REINFORCE has no setting baseline_lr"):
        Rateless().environment("x").validate()


def test_candidates_must_be_there():
    class Targetless(MADDPGConfig):
        averaged = False

    with pytest.raises(ValueError, match="has no target actors"):
        Targetless().environment("x").validate()


def test_on_policy_updates_need_new_trajectories():
    config = ReinforceConfig().environment("x")
    config.stages(episodes=1_000, updates_per_episode=1.0, warmup_episodes=500)
    with pytest.raises(ValueError, match="no new trajectory; lower updates_per_episode"):
        config.validate()
    config.stages(episodes=1_000, updates_per_episode=0.1, warmup_episodes=10)
    with pytest.raises(ValueError, match="set collect_share to 1"):
        config.validate()
    config.stages(collect_share=1.0).validate()
    memory = TrajectoryMemory(0.9)
    with pytest.raises(ValueError, match="1 updates from 0 rows"):
        memory.batches(np.random.default_rng(0), 1, 8)


def test_an_environment_draws_from_where_it_did_again():
    drawn = []

    class Env(SimpleNamespace):
        def draw_from(self, split):
            self.split = split
            drawn.append(split)

    env = Env(split="test")
    with drawn_from(env, "validation"):
        assert env.split == "validation"
    assert drawn == ["validation", "test"]
    with drawn_from(env, None), drawn_from(SimpleNamespace(), "validation"):
        assert drawn == ["validation", "test"]


def test_paths_of_other_file_systems_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("a/b") == str(tmp_path / "a" / "b")
    assert absolute("bucket/x", filesystem=object()) == "bucket/x"
    assert absolute("s3://bucket/x") == "s3://bucket/x"
