"""Write a checkpoint again and again, killed at its first step, at its second, and so on.

A step is whatever the system is asked to do with a file; the process kills itself right before it.
Prints the number of kills. Run with: folder, number of checkpoints to keep.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from tuning.records.checkpoints import find_checkpoint, save_checkpoint
from tuning.records.run_folder import RunFolder

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
FILES = ("state.pkl", "learner/state.pkl", "learner/module/weights.pkl")


class MadeUpTraining:
    """Stands for the algorithm: a checkpoint shows its iteration in every byte."""

    def __init__(self, iteration: int, size: int = 10_000) -> None:
        self.iteration, self.size = iteration, size

    def check_learners(self) -> None:
        """There are none."""

    def save_to_path(self, path: str) -> None:
        """Write some files, each in two parts."""
        for name in FILES:
            file = Path(path) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            for mode in ("wb", "ab"):
                with file.open(mode) as out:
                    out.write(bytes([self.iteration]) * (self.size // 2))


def iteration_of(path: Path | None) -> int:
    """Return the iteration of a checkpoint after a look at every byte."""
    assert path is not None
    seen = {byte for name in FILES for byte in set((path / name).read_bytes())}
    assert len(seen) == 1 and {(path / name).stat().st_size for name in FILES} == {10_000}, path
    return seen.pop()


def _save_until_killed(run: RunFolder, keep: int, left: int) -> None:
    def count(event: str, _: Any) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    save_checkpoint(MadeUpTraining(4), run, keep)
    os._exit(0)


def main(folder: Path, keep: int) -> None:
    """Kill at every step; whatever is left behind must do."""
    before = RunFolder(folder / "before")
    before.path.mkdir()
    for iteration in (1, 2, 3):
        save_checkpoint(MadeUpTraining(iteration), before, keep)
    found = []
    while True:
        run = RunFolder(folder / f"run{len(found) + 1}")
        shutil.copytree(before.path, run.path)
        child = os.fork()
        if child == 0:
            _save_until_killed(run, keep, len(found) + 1)
        _, status = os.waitpid(child, 0)
        found.append(iteration_of(find_checkpoint(run)))
        save_checkpoint(MadeUpTraining(5), run, keep)
        assert iteration_of(find_checkpoint(run)) == 5
        older = [n for n in (4, 3, 2, 1) if n <= found[-1]][: keep - 1]
        names = {"checkpoint", *(f"checkpoint-{n:06}" for n in older)}
        assert {path.name for path in run.path.iterdir()} == names, len(found)
        if os.WIFEXITED(status):
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0 and found == sorted(found) and set(found) == {3, 4}
    print(len(found) - 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
