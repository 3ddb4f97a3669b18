"""What a sweep keeps of its trials, and how Tune's files are put back."""

from __future__ import annotations

import os
import types
import zipfile

import pytest

from tuning.errors import CommandError
from tuning.sweep.watch import COLUMNS, Watch, remove_old_checkpoints, restore_state


class Trial:
    """As much of Tune's trial as is looked at."""

    def __init__(self, name, tmp_path):
        self.trial_id = name
        self.local_experiment_path = str(tmp_path / "staging")
        self.local_path = str(tmp_path / "staging" / f"trial_{name}")
        self.path = str(tmp_path / "tune" / f"trial_{name}")
        self.checkpoint = None


@pytest.fixture
def watch(tmp_path):
    shown = types.SimpleNamespace(refresh=lambda *args: None)
    for name in ("tune", "staging"):
        (tmp_path / name).mkdir()
    (tmp_path / "tune" / "tuner.pkl").write_text("tuner")
    watch = Watch(tmp_path, ["tau"], shown, resumed=False)
    watch.start()
    return watch


def result(iteration, share=10.0, done=False):
    return dict.fromkeys(COLUMNS, 0) | {
        "iteration": iteration,
        "share": share,
        "done": done,
        "config": {"tau": 0.5},
    }


def test_what_is_done_again_replaces_what_was_done(watch, tmp_path):
    trial = Trial("a", tmp_path)
    for iteration in (1, 2, 3, 2, 3, 4):
        watch.add(trial, result(iteration))
    assert [row["iteration"] for row in watch.rows["a"]] == [1, 2, 3, 4]
    assert watch.rows["a"][0]["tau"] == 0.5


@pytest.mark.parametrize(
    ("share", "done", "failed", "ended"),
    [
        (100.0, True, False, {"a": "finished"}),
        (30.0, True, False, {"a": "stopped"}),  # by a scheduler, which says so in the result
        (30.0, False, False, {}),  # by Tune, after Ctrl-C
        (30.0, False, True, {"a": "failed"}),
    ],
)
def test_how_a_trial_has_ended(watch, tmp_path, share, done, failed, ended):
    trial = Trial("a", tmp_path)
    watch.add(trial, result(1, share, done))
    watch.end(trial, failed=failed)
    assert watch.ended == ended
    watch.begin(trial)  # a failed one that is tried again
    assert watch.ended == {}


def test_state_is_kept_whole_and_put_back(watch, tmp_path):
    staging, tune = tmp_path / "staging", tmp_path / "tune"
    trials = [Trial("a", tmp_path), Trial("b", tmp_path)]
    for trial in trials:
        watch.add(trial, result(1, done=True))
        os.makedirs(trial.local_path)
        (staging / f"trial_{trial.trial_id}" / "result.json").write_text("line\n")
    watch.end(trials[0], failed=False)
    (staging / "experiment_state-1.json").write_text("old")
    os.utime(staging / "experiment_state-1.json", (1, 1))
    for name in ("experiment_state-2.json", "searcher-state-2.pkl"):
        (staging / name).write_text("new")
    watch.keep(trials)
    (tune / "tuner.pkl").write_text("tun")  # cut off
    (tune / "experiment_state-3.json").write_text("{")
    assert restore_state(tmp_path)
    found = {str(p.relative_to(tune)): p.read_text() for p in tune.rglob("*") if p.is_file()}
    assert found == {
        "tuner.pkl": "tuner",
        "experiment_state-2.json": "new",
        "searcher-state-2.pkl": "new",
        "trial_b/result.json": "line\n",
    }


def test_state_is_kept_only_when_tune_has_written_it(watch, tmp_path):
    trial, state = Trial("a", tmp_path), tmp_path / "state.zip"
    watch.keep([])
    watch.keep([trial])
    assert not state.exists()
    snapshot = tmp_path / "staging" / "experiment_state-1.json"
    snapshot.write_text("1")
    watch.keep([trial])
    first = state.stat().st_mtime_ns
    watch.keep([trial])
    assert state.stat().st_mtime_ns == first
    os.utime(snapshot, ns=(1, snapshot.stat().st_mtime_ns + 1))
    watch.keep([trial])
    assert state.stat().st_mtime_ns > first


def test_without_a_state_tune_begins_anew(tmp_path):
    (tmp_path / "tune" / "trial_a").mkdir(parents=True)
    assert not restore_state(tmp_path)
    assert not (tmp_path / "tune").exists()


def test_a_state_that_tune_could_not_restore_is_refused(watch, tmp_path):
    resumed = Watch(tmp_path, [], watch.shown, resumed=True)
    with pytest.raises(CommandError, match="cannot be restored"):
        resumed.start()
    resumed.set_state(watch.get_state())
    resumed.start()


def test_logs_of_a_restored_trial_go_on(watch, tmp_path):
    trial = Trial("a", tmp_path)
    os.makedirs(trial.path)
    for name in ("result.json", "progress.csv"):
        with open(f"{trial.path}/{name}", "w") as file:
            file.write("whole\nhal")
    watch.begin(trial)
    for name in ("result.json", "progress.csv"):
        with open(f"{trial.local_path}/{name}") as file:
            assert file.read() == "whole\n"


def test_numbers_stay_when_tune_restores_in_another_order(watch, tmp_path):
    a, b = Trial("a", tmp_path), Trial("b", tmp_path)
    watch.keep([a, b])
    resumed = Watch(tmp_path, [], watch.shown, resumed=True)
    resumed.set_state(watch.get_state())
    resumed.keep([b, a])
    assert list(resumed.trials) == [a, b]


def test_only_last_checkpoints_stay(tmp_path):
    a, b = Trial("a", tmp_path), Trial("b", tmp_path)
    for trial in (a, b):
        for i in range(3):
            os.makedirs(f"{trial.path}/checkpoint_00000{i}")
    a.checkpoint = types.SimpleNamespace(path=f"{a.path}/checkpoint_000002")
    b.checkpoint = types.SimpleNamespace(path=f"{a.path}/checkpoint_000001")  # copied by PBT
    remove_old_checkpoints([a, b])
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.glob("tune/*/*"))
    assert left == ["tune/trial_a/checkpoint_000001", "tune/trial_a/checkpoint_000002"]


def test_state_holds_no_more_than_one_session(watch, tmp_path):
    trial = Trial("a", tmp_path)
    for session in ("2026-01-01_00-00-00", "2026-01-02_00-00-00"):
        for name in (f"experiment_state-{session}.json", f"callback-states-{session}.pkl"):
            (tmp_path / "staging" / name).write_text(session)
            os.utime(tmp_path / "staging" / name, (2e9, 2e9 + int(session[9])))
    watch.keep([trial])
    with zipfile.ZipFile(tmp_path / "state.zip") as state:
        assert sorted(state.namelist()) == [
            "callback-states-2026-01-02_00-00-00.pkl",
            "experiment_state-2026-01-02_00-00-00.json",
            "tuner.pkl",
        ]
