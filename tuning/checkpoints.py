"""Checkpoints of a run: written whole or not at all, the last good one never lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.errors import CommandError
from tuning.runfolder import RunFolder

if TYPE_CHECKING:
    from policies.maddpg import MADDPG


def save_checkpoint(algo: MADDPG, run: RunFolder) -> None:
    """Write a checkpoint beside the last one and let it take its place.

    Raises:
        CommandError: The folder cannot be written; the last checkpoint is kept.
    """
    part, last, old = _names(run)
    try:
        shutil.rmtree(part, ignore_errors=True)
        algo.save_to_path(str(part.resolve()))
        shutil.rmtree(old, ignore_errors=True)
        if last.exists():
            last.rename(old)
        part.rename(last)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise CommandError(
            f"{last} cannot be written ({error.strerror}); the checkpoint before it is kept"
        ) from error


def find_checkpoint(run: RunFolder) -> Path | None:
    """Return the last complete checkpoint of a run, None if none was ever written."""
    _, last, old = _names(run)
    for path in (last, old):
        if path.is_dir():
            return path
    return None


def _names(run: RunFolder) -> tuple[Path, Path, Path]:
    last = run.checkpoint
    return last.with_name(last.name + ".part"), last, last.with_name(last.name + ".old")
