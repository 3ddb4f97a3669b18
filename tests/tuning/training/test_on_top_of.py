"""`train --on-top-of`: the frozen stages of one run below those of another."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from policies.controllers.files import load_controllers
from tuning.cli import main
from tuning.records.run_folder import load_run
from tuning.training import train

# A single stage is the last, which holds bounds that a probing one does not.
TINY = ["train", "--episodes", "300", "200", "--num-envs", "50", "--quiet"]
TINY += ["--settings", "constraint=none"]


@pytest.fixture(scope="module")
def first(tmp_path_factory, ray_session):
    """One stage alone."""
    out = tmp_path_factory.mktemp("runs") / "first"
    words = [word for word in TINY if word != "200"]
    assert main([*words, "--stages", "1", "--out", str(out)]) == 0
    return out


def test_a_stage_on_top_is_the_second_stage_of_one_training(first, tmp_path, monkeypatch):
    whole, behind = tmp_path / "whole", tmp_path / "behind"
    assert main([*TINY, "--out", str(whole)]) == 0
    words = [*TINY, "--on-top-of", str(first)]

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # before its first checkpoint
        patch.setattr(train, "run_loop", stop)
        assert main([*words, "--out", str(behind)]) == 130
    assert main(["train", "--quiet", "--resume", str(behind)]) == 0
    expected = load_controllers(whole / "controllers")
    for agent, controller in load_controllers(behind / "controllers").items():
        for mine, its in zip(controller.weights, expected[agent].weights, strict=True):
            for name, array in mine.items():
                np.testing.assert_array_equal(array, its[name], err_msg=f"{agent} {name}")
    reports = [json.loads((run / "report.json").read_text()) for run in (whole, behind)]
    for name in ("stage", "episodes", "probes", "updates", "per_mean"):
        assert len({str([entry[name] for entry in r["stages"]]) for r in reports}) == 1
    assert load_run(behind).config()["arguments"]["on_top_of"] == str(first)


def test_what_cannot_be_built_on_is_one_line(first, refused, tmp_path):
    words = ("train", "--out", tmp_path / "out", "--on-top-of")
    assert "is not a run folder" in refused(*words, tmp_path)
    assert "MADDPG-1 has no stage behind the first" in refused(*words, first, "--stages", 1)
    line = refused(*words, first, "--case", "ieee13-twelve")
    assert f"{first} was trained on ieee13, not on ieee13-twelve" in line
    empty = tmp_path / "empty"
    shutil.copytree(first, empty)
    shutil.rmtree(empty / "checkpoint")
    assert "holds no checkpoint/" in refused(*words, empty)
    assert not (tmp_path / "out").exists()


def test_other_networks_are_refused(first, tmp_path, capsys):
    words = ["--on-top-of", str(first), "--settings", "actor_width=9", "--out", tmp_path / "out"]
    assert main([*TINY, *map(str, words)]) == 2
    assert "the networks of actor_1 have other shapes" in capsys.readouterr().err
