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
    from rllib_grid.cases.by_name import case_names, make_case
    from rllib_grid.cases.case import Case
    from rllib_grid.cases.case_file import load_case
    from rllib_grid.cases.day_case import DayCase
    from rllib_grid.cases.day_presets import day_case_names, make_day_case
    from rllib_grid.cases.from_feeder import case_of
    from rllib_grid.cases.layout import Layout
    from rllib_grid.cases.presets import CASES
    from rllib_grid.cases.synthetic import synthetic_feeder
    from rllib_grid.devices.heat import HeatPumps
    from rllib_grid.dispatch.ac import AcDispatch
    from rllib_grid.dispatch.ac_relaxation import ConeRelaxation
    from rllib_grid.dispatch.cone import ConeDispatch
    from rllib_grid.dispatch.days import RecedingHorizon, perfect_foresight
    from rllib_grid.dispatch.lindistflow import CvxpyDispatch, DispatchResult, OptimalDispatch
    from rllib_grid.dispatch.optimum import make_dispatch
    from rllib_grid.dispatch.team import team_optimal
    from rllib_grid.envs.day_env import JointDayEnv
    from rllib_grid.envs.day_rollout import run_days
    from rllib_grid.envs.grid_day_env import GridDayEnv
    from rllib_grid.envs.grid_env import GridEnv
    from rllib_grid.envs.joint_env import JointGridEnv
    from rllib_grid.envs.lanes import JointStep
    from rllib_grid.errors import FeederError, GridError
    from rllib_grid.feeder import Feeder
    from rllib_grid.feeders.reading import read_feeder
    from rllib_grid.sources.demand import FileDemand, GaussianDemand, UniformDemand
    from rllib_grid.sources.profile_file import FileProfiles
    from rllib_grid.sources.profiles import Profiles
    from rllib_grid.sources.states import load_states, save_states
    from rllib_grid.sources.synthetic_profiles import SyntheticProfiles

_HOMES = {
    "BASELINES": "baselines",
    "Characteristic": "baselines",
    "linear_droop": "baselines",
    "no_control": "baselines",
    "unity_power_factor": "baselines",
    "volt_var": "baselines",
    "volt_var_and_watt": "baselines",
    "volt_watt": "baselines",
    "case_names": "cases.by_name",
    "make_case": "cases.by_name",
    "Case": "cases.case",
    "load_case": "cases.case_file",
    "DayCase": "cases.day_case",
    "day_case_names": "cases.day_presets",
    "make_day_case": "cases.day_presets",
    "case_of": "cases.from_feeder",
    "Layout": "cases.layout",
    "CASES": "cases.presets",
    "synthetic_feeder": "cases.synthetic",
    "HeatPumps": "devices.heat",
    "AcDispatch": "dispatch.ac",
    "ConeRelaxation": "dispatch.ac_relaxation",
    "ConeDispatch": "dispatch.cone",
    "RecedingHorizon": "dispatch.days",
    "perfect_foresight": "dispatch.days",
    "CvxpyDispatch": "dispatch.lindistflow",
    "DispatchResult": "dispatch.lindistflow",
    "OptimalDispatch": "dispatch.lindistflow",
    "make_dispatch": "dispatch.optimum",
    "team_optimal": "dispatch.team",
    "JointDayEnv": "envs.day_env",
    "run_days": "envs.day_rollout",
    "GridDayEnv": "envs.grid_day_env",
    "GridEnv": "envs.grid_env",
    "JointGridEnv": "envs.joint_env",
    "JointStep": "envs.lanes",
    "FeederError": "errors",
    "GridError": "errors",
    "Feeder": "feeder",
    "read_feeder": "feeders.reading",
    "FileDemand": "sources.demand",
    "GaussianDemand": "sources.demand",
    "UniformDemand": "sources.demand",
    "FileProfiles": "sources.profile_file",
    "Profiles": "sources.profiles",
    "load_states": "sources.states",
    "save_states": "sources.states",
    "SyntheticProfiles": "sources.synthetic_profiles",
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
    "FileProfiles",
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
    "RecedingHorizon",
    "SyntheticProfiles",
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
    "perfect_foresight",
    "read_feeder",
    "run_days",
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
