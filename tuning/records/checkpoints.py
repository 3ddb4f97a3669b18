"""Checkpoints of a run: written whole or not at all, the last good one never lost.

``checkpoint/`` is the newest, ``checkpoint-000123/`` are those before it, by iteration. Each holds
what RLlib writes and, written last, ``complete.json``: the format, the iteration and the size of
every file. A folder whose files have other sizes was cut off and is never loaded; nor is one of
another format, because what RLlib writes names classes by their modules. ``checkpoint.part/`` is
one in the making.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tuning.errors import CommandError
from tuning.records.files import read_json, write_json, writing
from tuning.records.run_folder import RunFolder

COMPLETE = "complete.json"
FORMAT = 2  # rises when classes move, or hold their state in another way


class Saveable(Protocol):
    """What a checkpoint is made of."""

    @property
    def iteration(self) -> int:
        """How far it is."""

    def save_to_path(self, path: str) -> Any:
        """Write everything into a folder."""

    def check_learners(self) -> None:
        """Raise if a process that writes has ended."""


@dataclass(frozen=True)
class Interval:
    """How far apart checkpoints are: seconds or episodes, the other is None."""

    seconds: float | None = None
    episodes: int | None = None

    def passed(self, seconds: float, episodes: int) -> bool:
        """Whether so much since the last checkpoint makes another one due."""
        if self.seconds is not None:
            return seconds >= self.seconds
        return self.episodes is not None and episodes >= self.episodes


class CheckpointRule:
    """Says when the next checkpoint of a training is due.

    Args:
        every: How far apart they are.
        episodes: That the training has had when it begins or goes on.
    """

    def __init__(self, every: Interval, episodes: int = 0) -> None:
        self._every = every
        self.saved(episodes)

    def due(self, episodes: int) -> bool:
        """Whether a checkpoint is due after so many episodes in all."""
        return self._every.passed(time.monotonic() - self._saved_at, episodes - self._episodes)

    def saved(self, episodes: int) -> None:
        """Count anew from here: one was written after so many episodes in all."""
        self._saved_at, self._episodes = time.monotonic(), episodes


def parse_interval(text: str) -> Interval:
    """Read ``30s`` (seconds) or ``5000`` (episodes).

    Raises:
        CommandError: It is neither, or out of bounds.
    """
    try:
        if text.endswith("s"):
            seconds = float(text[:-1])
            if math.isfinite(seconds) and seconds >= 0:
                return Interval(seconds=seconds)
        elif int(text) >= 1:
            return Interval(episodes=int(text))
    except ValueError:
        pass
    raise CommandError(
        f"--checkpoint-every: {text} is neither seconds, such as 30s, nor a number of episodes, "
        "such as 5000"
    )


def save_checkpoint(algo: Saveable, run: RunFolder, keep: int = 1) -> None:
    """Write a checkpoint beside the last one and let it take its place.

    Args:
        algo: The training.
        run: Where.
        keep: Complete checkpoints to hold, this one included; older ones are removed.

    Raises:
        CommandError: The folder cannot be written; the checkpoints before it are kept.
        RayActorError: A learner process has ended, perhaps because it could not write.
    """
    last = run.checkpoint
    part = last.with_name(last.name + ".part")
    with writing(last):
        _remove(part)
        try:
            algo.save_to_path(str(part.resolve()))
            algo.check_learners()  # RLlib writes through one of them and does not look back
            _seal(part, algo.iteration)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)  # the room is needed
            raise
        if (earlier := _seal_of(last)) is not None:
            aside = _numbered(run, earlier["iteration"])
            _remove(aside)
            last.rename(aside)
        _remove(last)
        part.rename(last)
        _sync(run.path)
        complete = [path for path in _older(run) if _seal_of(path) is not None]
        for path in set(_older(run)) - set(complete[: keep - 1]):
            _remove(path)


def find_checkpoint(run: RunFolder) -> Path | None:
    """Return the newest complete checkpoint of a run, None if none was ever written.

    Raises:
        CommandError: There are checkpoints, but none is complete, or the newest is of an earlier
            version.
    """
    paths = [path for path in (run.checkpoint, *_older(run)) if path.is_dir()]
    for path in paths:
        if (seal := _seal_of(path)) is None:
            continue
        if seal.get("format") != FORMAT:
            raise CommandError(
                f"{path} is of an earlier version, whose classes were elsewhere: train anew with "
                "the same command; controllers/ of that version are loaded as ever"
            )
        return path
    if paths:
        raise CommandError(
            f"{run.path} holds no complete checkpoint: the files of {paths[0].name}/ are not those "
            f"that its {COMPLETE} lists; bring them back, or remove the folder to start over"
        )
    return None


def describe_checkpoints(run: RunFolder) -> str:
    """Return e.g. ``checkpoint/ (1.2 MB) and 2 older``; the size is that of the newest."""
    newest = _seal_of(run.checkpoint)
    older = sum(_seal_of(path) is not None for path in _older(run))
    size = sum(newest["files"].values()) / 1e6 if newest else 0.0
    return f"checkpoint/ ({size:.1f} MB)" + (f" and {older} older" if older else "")


def _numbered(run: RunFolder, iteration: int) -> Path:
    return run.checkpoint.with_name(f"{run.checkpoint.name}-{iteration:06}")


def _older(run: RunFolder) -> list[Path]:
    """Every numbered folder, the newest first."""
    name = re.compile(re.escape(run.checkpoint.name) + r"-(\d+)")
    found = ((name.fullmatch(path.name), path) for path in run.path.iterdir())
    return [path for _, path in sorted(((int(m[1]), p) for m, p in found if m), reverse=True)]


def _seal(folder: Path, iteration: int) -> None:
    """Bring everything to the disk and say what belongs to it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        _sync(path)
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    write_json(folder / COMPLETE, {"format": FORMAT, "iteration": iteration, "files": sizes})
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        _sync(path)


def _seal_of(folder: Path) -> dict[str, Any] | None:
    """Return what ``complete.json`` says if the files are as it says, else None."""
    try:
        seal = read_json(folder / COMPLETE)
        whole = all((folder / name).stat().st_size == size for name, size in seal["files"].items())
    except (CommandError, OSError, KeyError, AttributeError):
        return None
    return seal if whole else None


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
