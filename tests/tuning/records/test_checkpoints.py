"""Checkpoints: whole or not at all, however a training ends, and exact."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from killed_at_every_step import MadeUpTraining, iteration_of

from policies.controllers.files import load_controllers
from tuning.cli import main
from tuning.errors import CommandError
from tuning.options.recipe import Recipe
from tuning.records.checkpoints import (
    COMPLETE,
    Interval,
    describe_checkpoints,
    find_checkpoint,
    parse_interval,
    save_checkpoint,
)
from tuning.records.files import read_json
from tuning.records.run_folder import RunFolder, create_run, load_run
from tuning.training import loop

HERE = Path(__file__).resolve().parents[2] / "helpers"
TINY = ["train", "--quiet", "--episodes", "300", "200", "--num-envs", "50"]
KILLS = 20
TIMES = ("wall_s", "sample_s", "update_s", "env_steps_per_s", "updates_per_s")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = tmp_path / "run"
    folder.mkdir()
    return RunFolder(folder)


def names(run: RunFolder) -> set[str]:
    return {path.name for path in run.path.iterdir()}


# Which there are


def test_newest_is_checkpoint_and_older_ones_are_numbered(run: RunFolder) -> None:
    for iteration in (3, 5, 20, 100):
        save_checkpoint(MadeUpTraining(iteration), run, keep=3)
    assert names(run) == {"checkpoint", "checkpoint-000005", "checkpoint-000020"}
    assert iteration_of(find_checkpoint(run)) == 100
    assert describe_checkpoints(run) == "checkpoint/ (0.0 MB) and 2 older"
    save_checkpoint(MadeUpTraining(101, 400_000), run)
    assert names(run) == {"checkpoint"}
    assert describe_checkpoints(run) == "checkpoint/ (1.2 MB)"


def test_one_that_was_cut_off_is_never_taken(run: RunFolder) -> None:
    assert find_checkpoint(run) is None
    for iteration in (1, 2, 3):
        save_checkpoint(MadeUpTraining(iteration), run, keep=3)
    shutil.copytree(run.checkpoint, run.path / "checkpoint.part")
    (run.checkpoint / "learner" / "state.pkl").write_bytes(b"\3" * 9_999)
    assert find_checkpoint(run) == run.path / "checkpoint-000002"
    (run.path / "checkpoint-000002" / COMPLETE).unlink()
    assert find_checkpoint(run) == run.path / "checkpoint-000001"
    shutil.rmtree(run.path / "checkpoint-000001" / "learner")
    with pytest.raises(CommandError, match=r"no complete checkpoint: the files of checkpoint/"):
        find_checkpoint(run)
    save_checkpoint(MadeUpTraining(4), run, keep=3)
    assert names(run) == {"checkpoint"}  # what was cut off is gone
    assert iteration_of(find_checkpoint(run)) == 4


def test_one_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path, refused) -> None:
    run = create_run(tmp_path / "old", "x")
    recipe = Recipe(stages=1).checked()
    run.write_config(recipe.make_case(), arguments=recipe.to_json())
    save_checkpoint(MadeUpTraining(3), run)
    seal = read_json(run.checkpoint / COMPLETE)
    del seal["format"]
    (run.checkpoint / COMPLETE).write_text(json.dumps(seal))
    line = f"{run.checkpoint} is of an earlier version, whose classes were elsewhere: train anew"
    assert line in refused("train", "--resume", run.path)
    assert line in refused("train", "--on-top-of", run.path, "--out", tmp_path / "new")
    save_checkpoint(MadeUpTraining(4), run)
    assert iteration_of(find_checkpoint(run)) == 4
    older = {**recipe.to_json(), "critic": None}  # as config.json had it
    run.config_file.write_text(json.dumps({**run.config(), "arguments": older}))
    line = refused("train", "--resume", run.path)
    assert "holds arguments of another version" in line and "train anew" in line


def test_killed_at_every_step_of_writing(tmp_path: Path, python) -> None:
    done = python(HERE / "killed_at_every_step.py", tmp_path, 2)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


# When they are written


def test_interval_is_read_and_passes() -> None:
    assert parse_interval("30s") == Interval(seconds=30.0)
    assert parse_interval("0.5s") == Interval(seconds=0.5)
    assert parse_interval("5000") == Interval(episodes=5000)
    assert Interval(seconds=0.0).passed(0.0, 0)
    assert [Interval(seconds=2.0).passed(s, 10**9) for s in (1.9, 2.0)] == [False, True]
    assert [Interval(episodes=10).passed(1e9, n) for n in (9, 10)] == [False, True]


@pytest.mark.parametrize("text", ["s", "-1s", "nans", "infs", "0", "-5", "2.5", "5m", "often"])
def test_what_is_no_interval_is_one_line(text: str, refused, tmp_path: Path) -> None:
    line = refused("train", f"--checkpoint-every={text}", "--out", tmp_path / "run")
    assert f"--checkpoint-every: {text} is neither seconds, such as 30s, nor" in line
    line = refused("train", "--resume", tmp_path, f"--checkpoint-every={text}")
    assert "--checkpoint-every" in line


def test_keep_is_at_least_one(refused, tmp_path: Path) -> None:
    assert "--keep: 0 is out of bounds" in refused("train", "--keep", 0, "--out", tmp_path / "run")


# No room, no right to write


@contextlib.contextmanager
def files_no_longer_than(size: int):
    """Have the system refuse to write more to a file, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_failed_write_keeps_what_was_there(run: RunFolder, monkeypatch) -> None:
    save_checkpoint(MadeUpTraining(1), run)
    line = rf"{run.checkpoint} cannot be written: "
    with files_no_longer_than(7_000), pytest.raises(CommandError, match=line + "File too large"):
        save_checkpoint(MadeUpTraining(2), run)
    assert names(run) == {"checkpoint"} and iteration_of(find_checkpoint(run)) == 1

    for number in (errno.ENOSPC, errno.EROFS, errno.EACCES):

        def fail(self: MadeUpTraining, path: str, number: int = number) -> None:
            raise OSError(number, "RLlib's own long words for it")

        with monkeypatch.context() as patch:
            patch.setattr(MadeUpTraining, "save_to_path", fail)
            with pytest.raises(CommandError, match=line + os.strerror(number)):
                save_checkpoint(MadeUpTraining(2), run)
        assert names(run) == {"checkpoint"} and iteration_of(find_checkpoint(run)) == 1


# In a namespace of mounts of its own: a real disk of 64 kB, then read-only.
DISK = """
mount -t tmpfs -o size=64k none "$0" || exit 77
"$1" - "$0" <<'END'
import sys
from pathlib import Path
from killed_at_every_step import MadeUpTraining, iteration_of
from tuning.records.checkpoints import find_checkpoint, save_checkpoint
from tuning.errors import CommandError
from tuning.records.run_folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
save_checkpoint(MadeUpTraining(1), run)
try:
    save_checkpoint(MadeUpTraining(2, 40_000), run)
except CommandError as error:
    print(error)
assert iteration_of(find_checkpoint(run)) == 1
assert [path.name for path in run.path.iterdir()] == ["checkpoint"]
END
mount -o remount,ro "$0" || exit 77
"$1" -m tuning train --resume "$0"
echo $?
"""


def test_full_and_read_only_disk(tmp_path: Path) -> None:
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", DISK, tmp_path, sys.executable]
    try:
        done = subprocess.run(
            words,
            cwd=HERE.parents[1],
            env={**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}"},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"this system mounts nothing for us: {done.stderr.strip()}")
    full, code = done.stdout.splitlines()
    assert full == f"{tmp_path}/checkpoint cannot be written: No space left on device"
    assert (code, done.stderr.count("\n")) == ("2", 1)


# A real training


@pytest.fixture(scope="module")
def reference(tmp_path_factory, ray_session) -> RunFolder:
    """A tiny training with all its checkpoints."""
    out = tmp_path_factory.mktemp("runs") / "reference"
    words = ["--checkpoint-every", "0s", "--keep", "9", "--out", str(out)]
    assert main([*TINY, *words]) == 0
    return load_run(out)


def state_of(run: RunFolder) -> dict[str, object]:
    """Everything that a checkpoint holds but clock times: weights, targets, optimizers, replay."""
    path = find_checkpoint(run)
    assert path is not None
    states: dict[str, object] = {}
    for file in path.rglob("*state.pkl"):
        content = pickle.loads(file.read_bytes())
        states[str(file.relative_to(path))] = content.get("stages", content) if content else None
    learner = states.pop("learner_group/learner/state.pkl")
    assert isinstance(learner, dict) and learner["optimizer"]
    kept = {name: value for name, value in learner.items() if name != "metrics_logger"}
    return {**states, "learner": kept}


def without_times(content: object) -> object:
    if isinstance(content, dict):
        return {k: without_times(v) for k, v in content.items() if k not in TIMES}
    return [without_times(v) for v in content] if isinstance(content, list) else content


def assert_same(one: RunFolder, other: RunFolder) -> None:
    """The same in every bit: controllers, the last checkpoint, counts and the learning curve."""
    for agent, controller in load_controllers(one.controllers).items():
        found = load_controllers(other.controllers)[agent]
        for mine, its in zip(controller.weights, found.weights, strict=True):
            np.testing.assert_equal(mine, its)
    np.testing.assert_equal(*(without_times(state_of(run)) for run in (one, other)))
    for rows in zip(one.progress(), other.progress(), strict=True):
        assert without_times(rows[0]) == without_times(rows[1])
    assert without_times(one.report()) == without_times(other.report())


def test_killed_again_and_again(tmp_path: Path, python) -> None:
    done = python(HERE / "killed_again_and_again.py", tmp_path, KILLS)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    print(outcome)
    assert sum(outcome["kills"].values()) == KILLS
    reference = load_run(tmp_path / "reference")
    assert [(s["episodes"], s["updates"]) for s in reference.report()["stages"]] == [
        (200, 400),
        (150, 300),
    ]
    for number in range(outcome["trainings"]):
        assert_same(reference, load_run(tmp_path / f"killed{number + 1}"))


def test_resume_goes_back_to_an_older_one(
    reference: RunFolder, tmp_path: Path, door, refused
) -> None:
    numbers = [row["iteration"] for row in reference.progress()]
    older = [f"checkpoint-{int(number):06}" for number in numbers[:-1]]
    assert older and names(reference) >= {"checkpoint", *older}
    run = RunFolder(tmp_path / "run")
    shutil.copytree(reference.path, run.path)
    shutil.rmtree(run.checkpoint)
    for state in run.path.glob(f"{older[-1]}/algorithm_state.pkl"):
        os.truncate(state, 1000)
    code, out, _ = door("train", "--quiet", "--resume", run.path, "--keep", 2)
    assert code == 0
    assert_same(reference, run)
    size = sum(path.stat().st_size for path in run.checkpoint.rglob("*") if path.name != COMPLETE)
    told = re.search(r"checkpoint/ \(([0-9.]+) MB\) and 1 older", out)
    assert f"{run.path}: " in out and told
    assert abs(float(told[1]) - size / 1e6) < 0.2
    assert names(run) >= {"checkpoint", older[-2]} and older[0] not in names(run)

    for path in (run.checkpoint, run.path / older[-2]):
        (path / "rllib_checkpoint.json").unlink()
    assert "holds no complete checkpoint" in refused("train", "--resume", run.path)


def test_episodes_between_checkpoints(tmp_path: Path, ray_session) -> None:
    words = ["--checkpoint-every", "200", "--keep", "9", "--out", str(tmp_path / "run")]
    assert main([*TINY, "--settings", "collect_share=1", *words]) == 0
    run = load_run(tmp_path / "run")
    counts = {int(row["iteration"]): int(row["episodes_total"]) for row in run.progress()}
    due, saved = [], 0
    for iteration, count in counts.items():
        if count - saved >= 200 or iteration == max(counts):
            due, saved = [*due, iteration], count
    written = sorted(
        int(read_json(path / COMPLETE)["iteration"]) for path in run.path.glob("checkpoint*")
    )
    assert written == due and len(due) < len(counts)


def test_full_disk_stops_with_one_line_and_resume_finishes(
    reference: RunFolder, tmp_path: Path, door, monkeypatch
) -> None:
    run = RunFolder(tmp_path / "run")
    saves = []

    def until_full(*words: object) -> None:
        saves.append(words)
        with files_no_longer_than(10**9 if len(saves) == 1 else 50_000):
            save_checkpoint(*words)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", until_full)
        code, out, err = door(*TINY, "--checkpoint-every", "0s", "--out", run.path)
    assert (code, out, len(saves)) == (2, "", 2)
    assert err == (
        f"error: {run.checkpoint} cannot be written: File too large; what was saved is "
        f"kept, go on with: python -m tuning train --resume {run.path}\n"
    )
    assert names(run) == {"config.json", "progress.csv", "checkpoint"}
    assert door("train", "--quiet", "--resume", run.path, "--keep", 9)[0] == 0
    assert_same(reference, run)


def test_failure_to_write_the_controllers_is_one_line(
    reference: RunFolder, tmp_path: Path, door
) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(reference.path, run.path)
    shutil.rmtree(run.controllers)
    run.controllers.write_text("in the way")
    code, _, err = door("train", "--quiet", "--resume", run.path)
    assert (code, err) == (2, f"error: {run.controllers} cannot be written: File exists\n")
