"""The door as tests use it: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rllib_grid import make_case, save_states
from tuning import cli, evaluation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def door(capsys):
    """Run a command in this process; return exit code, standard output and standard error."""

    def run(*words):
        code = cli.main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def refused(door):
    """Run a command that must end with one line on standard error; return that line."""

    def run(*words):
        code, out, err = door(*words)
        assert (code, out) == (2, "")
        assert err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1
        return err

    return run


@pytest.fixture
def states(tmp_path):
    """A file of seven states of ieee13."""
    path = tmp_path / "states.npz"
    save_states(path, *evaluation.test_states(make_case("ieee13"), 7))
    return path


@pytest.fixture
def python():
    """Run Python in a process of its own, in the project's folder."""

    def run(*words):
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )

    return run
