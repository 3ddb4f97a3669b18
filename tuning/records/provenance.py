"""What made a result: versions of packages, and the commit of this code."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    "ray",
    "torch",
    "numpy",
    "scipy",
    "cvxpy",
    "gymnasium",
    "safetensors",
    "matplotlib",
    "optuna",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages a result depends on."""
    found = {"python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """Return the commit of this code, with ``+changes`` if files differ from it; None if none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
