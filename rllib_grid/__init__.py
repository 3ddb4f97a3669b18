"""The power system: feeders, power flow, optimal dispatch, demand and the environments.

Names are loaded when first used: importing the package needs neither Ray, PyTorch nor cvxpy. Where
Ray is, it registers the environments "grid" and "grid-day" for RLlib, see `registration`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rllib_grid.registration import register_with_ray

if TYPE_CHECKING:
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
    from rllib_grid.cases.building import case_of
    from rllib_grid.cases.by_name import case_names, make_case
    from rllib_grid.cases.case import Case
    from rllib_grid.cases.case_file import load_case
    from rllib_grid.cases.day_case import DayCase
    from rllib_grid.cases.day_presets import day_case_names, make_day_case
    from rllib_grid.cases.layout import Layout
    from rllib_grid.cases.presets import CASES
    from rllib_grid.cases.synthetic import synthetic_feeder
    from rllib_grid.devices.heat import HeatPumps
    from rllib_grid.dispatch.ac import AcDispatch
    from rllib_grid.dispatch.ac_relaxation import ConeRelaxation
    from rllib_grid.dispatch.cone import ConeDispatch
    from rllib_grid.dispatch.lindistflow import (
        CvxpyDispatch,
        DispatchResult,
        OptimalDispatch,
    )
    from rllib_grid.dispatch.optimum import make_dispatch
    from rllib_grid.dispatch.team import team_optimal
    from rllib_grid.envs.day_env import JointDayEnv
    from rllib_grid.envs.grid_day_env import GridDayEnv
    from rllib_grid.envs.grid_env import GridEnv
    from rllib_grid.envs.joint_env import JointGridEnv, JointStep
    from rllib_grid.errors import FeederError, GridError
    from rllib_grid.feeder import Feeder
    from rllib_grid.sources.demand import FileDemand, GaussianDemand, UniformDemand
    from rllib_grid.sources.profiles import Profiles
    from rllib_grid.sources.states import load_states, save_states

_HOMES = {
    "AcDispatch": "dispatch.ac",
    "ConeRelaxation": "dispatch.ac_relaxation",
    "BASELINES": "baselines",
    "Characteristic": "baselines",
    "linear_droop": "baselines",
    "no_control": "baselines",
    "unity_power_factor": "baselines",
    "volt_var": "baselines",
    "volt_var_and_watt": "baselines",
    "volt_watt": "baselines",
    "CASES": "cases.presets",
    "Case": "cases.case",
    "case_of": "cases.building",
    "load_case": "cases.case_file",
    "case_names": "cases.by_name",
    "make_case": "cases.by_name",
    "ConeDispatch": "dispatch.cone",
    "make_dispatch": "dispatch.optimum",
    "DayCase": "cases.day_case",
    "day_case_names": "cases.day_presets",
    "make_day_case": "cases.day_presets",
    "JointDayEnv": "envs.day_env",
    "GridDayEnv": "envs.grid_day_env",
    "HeatPumps": "devices.heat",
    "Profiles": "sources.profiles",
    "FileDemand": "sources.demand",
    "GaussianDemand": "sources.demand",
    "UniformDemand": "sources.demand",
    "load_states": "sources.states",
    "save_states": "sources.states",
    "CvxpyDispatch": "dispatch.lindistflow",
    "DispatchResult": "dispatch.lindistflow",
    "OptimalDispatch": "dispatch.lindistflow",
    "GridEnv": "envs.grid_env",
    "FeederError": "errors",
    "GridError": "errors",
    "Feeder": "feeder",
    "JointGridEnv": "envs.joint_env",
    "JointStep": "envs.joint_env",
    "Layout": "cases.layout",
    "synthetic_feeder": "cases.synthetic",
    "team_optimal": "dispatch.team",
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
    "case_of",
    "day_case_names",
    "linear_droop",
    "load_case",
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


register_with_ray()
