"""The environments under their names for RLlib, wherever Ray is imported, without importing it.

Importing the package calls `register_with_ray`. Ray may be there already or come later, or never.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rllib_grid.envs.one_lane import OneLaneEnv

_REGISTRY = "ray.tune.registry"


def grid(config: Mapping[str, Any]) -> OneLaneEnv:
    """A `GridEnv`; see there for its configuration."""
    from rllib_grid.envs.grid_env import GridEnv  # here, because it loads RLlib

    return GridEnv(config)


def grid_day(config: Mapping[str, Any]) -> OneLaneEnv:
    """A `GridDayEnv`; see there for its configuration."""
    from rllib_grid.envs.grid_day_env import GridDayEnv  # here, because it loads RLlib

    return GridDayEnv(config)


# What `config.environment(...)` takes: in short, and by Gymnasium's rules for names.
ENVIRONMENTS: dict[str, Callable[[Mapping[str, Any]], OneLaneEnv]] = {
    "grid": grid,
    "grid-day": grid_day,
    "rllib_grid/Grid-v0": grid,
    "rllib_grid/GridDay-v0": grid_day,
}


def register_with_ray() -> None:
    """Register all `ENVIRONMENTS`: now if Ray's registry is loaded, or as soon as it is."""
    if _REGISTRY in sys.modules:
        _register(sys.modules[_REGISTRY])
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


def _register(registry: ModuleType) -> None:
    for name, creator in ENVIRONMENTS.items():
        registry.register_env(name, creator)


class _AfterImport(MetaPathFinder):
    """Finds Ray's registry as Python would, and registers once it has been executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module is; None leaves all others to the finders behind this one."""
        if fullname != _REGISTRY:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _register(module)

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
