"""Folders held by one process at a time."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from tuning.errors import CommandError
from tuning.records.locks import locked


def _hold(path, held):
    with locked(path):
        held.set()
        time.sleep(60)


def test_lock_is_free_once_its_holder_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held))
    holder.start()
    assert held.wait(30)
    with pytest.raises(CommandError, match="another process"), locked(tmp_path):
        pass
    holder.kill()
    with locked(tmp_path, wait_s=10.0):
        pass
    holder.join()
