"""Run folders: fresh, complete files, and a clear no to what is none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rllib_grid import make_case
from tuning.errors import CommandError
from tuning.records import run_folder as runfolder
from tuning.records.files import read_json, replacing, write_json
from tuning.records.run_folder import RunFolder, create_run, load_run


def test_json_round_trip_of_numpy_and_nan(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": np.arange(3), "b": np.float32(0.5), "c": float("nan"), "d": (1, 2)})
    assert read_json(path) == {"a": [0, 1, 2], "b": 0.5, "c": None, "d": [1, 2]}
    assert '"a": [ 0, 1, 2 ]' in path.read_text()


def test_json_leaves_strings_alone(tmp_path):
    content = {"text": "a  [ 1,  2 ]  b", "rows": [["x", "y"], []], "line": "[\n1\n]"}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content


def test_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError, match="power cut"), replacing(path) as file:
        file.write(b"half of the n")
        raise RuntimeError("power cut")
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_unwritable_place_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be written"), replacing(tmp_path / "file" / "x"):
        pass


def test_progress_round_trip_with_a_column_that_comes_later(tmp_path):
    run = RunFolder(tmp_path)
    assert run.progress() == []
    run.write_progress([{"stage": 1, "episodes": 10}, {"stage": 1, "validation_per": 0.25}])
    assert run.progress() == [
        {"stage": "1", "episodes": "10", "validation_per": ""},
        {"stage": "1", "episodes": "", "validation_per": "0.25"},
    ]


def test_default_folders_are_fresh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = (create_run(None, "ieee13-fast-seed0") for _ in range(2))
    assert first.path != second.path
    assert first.path.parent == runfolder.RUNS
    assert first.path.name.startswith("ieee13-fast-seed0-")
    assert first.path.is_dir() and second.path.is_dir()


def test_out_may_be_empty_but_never_full(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert create_run(empty, "x").path == empty
    (empty / "something").write_text("mine")
    with pytest.raises(CommandError, match="exists already"):
        create_run(empty, "x")
    with pytest.raises(CommandError, match="exists already"):
        create_run(empty / "something", "x")
    assert (empty / "something").read_text() == "mine"


def test_config_holds_the_whole_case_and_the_versions(tmp_path):
    case = make_case("ieee13-volt")
    create_run(tmp_path / "run", "x").write_config(case, preset="fast", seed=3)
    run = load_run(tmp_path / "run")
    config = run.config()
    assert (config["case_name"], config["preset"], config["seed"]) == ("ieee13-volt", "fast", 3)
    assert config["versions"]["numpy"] == np.__version__
    assert "git_commit" in config
    assert run.case().to_dict() == case.to_dict()


def test_what_is_no_run_folder_is_named(tmp_path):
    with pytest.raises(CommandError, match="there is no such folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(CommandError, match=r"is not a run folder: config\.json is missing"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CommandError, match="is not JSON"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(CommandError, match="must hold a JSON object"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CommandError, match="holds no case"):
        load_run(tmp_path).case()
