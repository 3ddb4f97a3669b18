"""The power system: feeders, power flow, optimal dispatch, demand and the environments.

Names are loaded when first used: importing the package needs neither Ray, PyTorch nor cvxpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rllib_grid.case import CASES, Case, case_names, make_case
    from rllib_grid.demand import FileDemand, GaussianDemand, UniformDemand
    from rllib_grid.dispatch import CvxpyDispatch, DispatchResult, OptimalDispatch
    from rllib_grid.env import GridEnv
    from rllib_grid.errors import FeederError, GridError
    from rllib_grid.feeder import Feeder
    from rllib_grid.joint_env import JointGridEnv, JointStep
    from rllib_grid.layout import Layout
    from rllib_grid.states import load_states, save_states
    from rllib_grid.synthetic import synthetic_feeder
    from rllib_grid.team import team_optimal

_HOMES = {
    "CASES": "case",
    "Case": "case",
    "case_names": "case",
    "make_case": "case",
    "FileDemand": "demand",
    "GaussianDemand": "demand",
    "UniformDemand": "demand",
    "load_states": "states",
    "save_states": "states",
    "CvxpyDispatch": "dispatch",
    "DispatchResult": "dispatch",
    "OptimalDispatch": "dispatch",
    "GridEnv": "env",
    "FeederError": "errors",
    "GridError": "errors",
    "Feeder": "feeder",
    "JointGridEnv": "joint_env",
    "JointStep": "joint_env",
    "Layout": "layout",
    "synthetic_feeder": "synthetic",
    "team_optimal": "team",
}

__all__ = [
    "CASES",
    "Case",
    "CvxpyDispatch",
    "DispatchResult",
    "Feeder",
    "FeederError",
    "FileDemand",
    "GaussianDemand",
    "GridEnv",
    "GridError",
    "JointGridEnv",
    "JointStep",
    "Layout",
    "OptimalDispatch",
    "UniformDemand",
    "case_names",
    "load_states",
    "make_case",
    "save_states",
    "synthetic_feeder",
    "team_optimal",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
