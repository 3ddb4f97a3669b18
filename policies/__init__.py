"""Multi-agent learning on RLlib: MADDPG in stages, and the controllers that come out.

Knows no power grid: it trains on any environment that offers the joint interface
(`joint_spec.JointEnv`), or on copies of a plain `MultiAgentEnv`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "MADDPG": "policies.algorithms.maddpg",
    "MADDPGConfig": "policies.algorithms.maddpg",
    "MARDPG": "policies.algorithms.ma_rdpg",
    "MARDPGConfig": "policies.algorithms.ma_rdpg",
    "Controller": "policies.controllers.staged",
    "ControllerError": "policies.controllers.agent",
    "load_controllers": "policies.controllers.files",
}

__all__ = [
    "MADDPG",
    "MARDPG",
    "Controller",
    "ControllerError",
    "MADDPGConfig",
    "MARDPGConfig",
    "load_controllers",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that controllers load without Ray or torch."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
