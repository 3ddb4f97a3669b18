"""The power system: feeders, power flow, optimal dispatch, demand and the environments.

Names are loaded when first used: importing the package needs neither Ray, PyTorch nor cvxpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rllib_grid.ac.dispatch import AcDispatch
    from rllib_grid.ac.relaxation import ConeRelaxation
    from rllib_grid.baselines import (
        BASELINES,
        Characteristic,
        linear_droop,
        no_control,
        unity_power_factor,
        volt_var,
        volt_var_and_watt,
        volt_watt,
    )
    from rllib_grid.case import CASES, Case, case_names, make_case
    from rllib_grid.cone_dispatch import ConeDispatch
    from rllib_grid.days.day_case import DayCase, day_case_names, make_day_case
    from rllib_grid.days.day_env import JointDayEnv
    from rllib_grid.days.grid_day_env import GridDayEnv
    from rllib_grid.days.heat import HeatPumps
    from rllib_grid.days.profiles import Profiles
    from rllib_grid.demand import FileDemand, GaussianDemand, UniformDemand
    from rllib_grid.dispatch import CvxpyDispatch, DispatchResult, OptimalDispatch
    from rllib_grid.env import GridEnv
    from rllib_grid.errors import FeederError, GridError
    from rllib_grid.feeder import Feeder
    from rllib_grid.joint_env import JointGridEnv, JointStep
    from rllib_grid.layout import Layout
    from rllib_grid.optimum import make_dispatch
    from rllib_grid.states import load_states, save_states
    from rllib_grid.synthetic import synthetic_feeder
    from rllib_grid.team import team_optimal

_HOMES = {
    "AcDispatch": "ac.dispatch",
    "ConeRelaxation": "ac.relaxation",
    "BASELINES": "baselines",
    "Characteristic": "baselines",
    "linear_droop": "baselines",
    "no_control": "baselines",
    "unity_power_factor": "baselines",
    "volt_var": "baselines",
    "volt_var_and_watt": "baselines",
    "volt_watt": "baselines",
    "CASES": "case",
    "Case": "case",
    "case_names": "case",
    "make_case": "case",
    "ConeDispatch": "cone_dispatch",
    "make_dispatch": "optimum",
    "DayCase": "days.day_case",
    "day_case_names": "days.day_case",
    "make_day_case": "days.day_case",
    "JointDayEnv": "days.day_env",
    "GridDayEnv": "days.grid_day_env",
    "HeatPumps": "days.heat",
    "Profiles": "days.profiles",
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
    "BASELINES",
    "CASES",
    "AcDispatch",
    "Case",
    "Characteristic",
    "ConeDispatch",
    "ConeRelaxation",
    "CvxpyDispatch",
    "DayCase",
    "DispatchResult",
    "Feeder",
    "FeederError",
    "FileDemand",
    "GaussianDemand",
    "GridDayEnv",
    "GridEnv",
    "GridError",
    "HeatPumps",
    "JointDayEnv",
    "JointGridEnv",
    "JointStep",
    "Layout",
    "OptimalDispatch",
    "Profiles",
    "UniformDemand",
    "case_names",
    "day_case_names",
    "linear_droop",
    "load_states",
    "make_case",
    "make_day_case",
    "make_dispatch",
    "no_control",
    "save_states",
    "synthetic_feeder",
    "team_optimal",
    "unity_power_factor",
    "volt_var",
    "volt_var_and_watt",
    "volt_watt",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
