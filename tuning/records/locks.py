"""Folders that one process works in at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuning.errors import CommandError

_LOCK_POLL_S = 0.2


@contextmanager
def locked(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a folder for this process; the system frees it when the process ends, however it does.

    Args:
        path: Folder; made if missing.
        wait_s: How long to wait for another process to let go of it.

    Raises:
        CommandError: Another process holds it, or it cannot be made.
    """
    import fcntl

    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}") from error
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise CommandError(
                        f"another process is at work in {path}; wait for it or name another --out"
                    ) from None
                time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(folder)
