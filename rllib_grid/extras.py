"""Packages that only an extra of the installation brings."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rllib_grid.errors import GridError


def extra_module(name: str, extra: str) -> Any:
    """Import a module, when it is needed.

    Args:
        name: of the module, with dots.
        extra: what brings it, as ``pyproject.toml`` names it.

    Raises:
        GridError: its package is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name not in (package, name):  # it is there, and lacks what it needs itself
            raise
        raise GridError(
            f'this needs {package}, which is not installed: pip install "rllib-grid[{extra}]"'
        ) from None
