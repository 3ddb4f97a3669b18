"""A training that is killed at random moments, again and again, until it has ended all the same.

Every attempt is the whole command in a process of its own, forked from one that has imported
everything; it does without Ray, which such a training needs for nothing but its start. Prints as
JSON how many kills there were, and in which phase. Run with: folder, kills.
"""

from __future__ import annotations

from tuning.cluster.local_ray import prepare_environment

prepare_environment()

import contextlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import ray  # noqa: E402

from tuning import cli  # noqa: E402
from tuning.errors import CommandError  # noqa: E402
from tuning.records.checkpoints import find_checkpoint  # noqa: E402
from tuning.records.files import read_json  # noqa: E402
from tuning.records.run_folder import RunFolder  # noqa: E402
from tuning.training import train  # noqa: E402

TRAIN = ("train", "--quiet", "--checkpoint-every", "0s", "--keep", "2")
NEW = ("--episodes", "200", "150", "--updates-per-episode", "2", "--num-envs", "20", "--out")
DEADLINE_S = 300.0


def without_ray() -> None:
    """Have trainings start no Ray, and make many short iterations."""
    make_config = train.make_config

    def short_iterations(*args: Any) -> Any:
        return make_config(*args).stages(updates_per_iteration=10, validation_episodes=200)

    train.make_config = short_iterations  # type: ignore[assignment]
    train.local_ray = lambda *_, **__: contextlib.nullcontext()  # type: ignore[assignment]
    ray.put = lambda value: value


def start(*words: str) -> int:
    """Run a command in a child process; return its id."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(cli.main(words))
    return child


def ended(child: int) -> bool:
    """Whether a child has come to its end, which must be a good one."""
    done, status = os.waitpid(child, os.WNOHANG)
    assert status == 0, f"the training ended with {status}"
    return done == child


def last_iteration(run: RunFolder) -> int:
    """Return that of the newest complete checkpoint, 0 without any."""
    with contextlib.suppress(CommandError, OSError):  # the training is renaming them
        path = find_checkpoint(run)
        if path is not None:
            return int(read_json(path / "complete.json")["iteration"])
    return 0


def phase(run: RunFolder) -> str:
    """Say by what lies in the run folder what a killed training was at."""
    if not run.config_file.is_file():
        return "before config.json"
    if run.checkpoint.with_name("checkpoint.part").exists() or not run.checkpoint.exists():
        return "writing a checkpoint"
    if any(run.path.glob(".*.part")):
        return "writing another file"
    return "elsewhere"


def kill_until_ended(run: RunFolder, kills: int, pace_s: float, rng: random.Random) -> Counter[str]:
    """Kill the training so often, then let it end.

    Every second kill comes at any moment of the start, the others within two iterations after one.
    """
    seen: Counter[str] = Counter()
    start_s, deadline = 0.5, time.monotonic() + DEADLINE_S
    while True:
        begun = run.config_file.is_file()
        if not begun:
            shutil.rmtree(run.path, ignore_errors=True)
        child = start(*TRAIN, *(("--resume",) if begun else NEW), str(run.path))
        at, first = time.monotonic(), last_iteration(run)
        late, last = seen.total() % 2 == 1, seen.total() >= kills
        wake = at + rng.uniform(0, start_s)
        while last or time.monotonic() < wake or late:
            if ended(child):
                return seen
            assert time.monotonic() < deadline
            if late and last_iteration(run) > first:
                late, start_s = False, time.monotonic() - at
                wake = time.monotonic() + rng.uniform(0, 2 * pace_s)
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seen[phase(run)] += 1


def main(folder: Path, kills: int) -> None:
    """Train once in one go, and then so often that there were enough kills."""
    without_ray()
    reference, at = RunFolder(folder / "reference"), time.monotonic()
    assert cli.main([*TRAIN, *NEW, str(reference.path)]) == 0
    pace_s = (time.monotonic() - at) / len(reference.progress())
    rng, seen, trainings = random.Random(), Counter[str](), 0
    while seen.total() < kills:  # more than one training only if kills come slowly
        trainings += 1
        run = RunFolder(folder / f"killed{trainings}")
        seen += kill_until_ended(run, kills - seen.total(), pace_s, rng)
    print(json.dumps({"trainings": trainings, "kills": seen}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
