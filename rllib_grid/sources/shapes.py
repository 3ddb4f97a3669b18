"""What all buildings of a kind have in common: load shapes, clear sky, price, temperature.

"own" shapes are parametrised by this project, not measured: two-peaked dwellings, daytime
commerce. "bdew" shapes are the standard load profiles H0 (dynamic) and G1 of the German energy
industry (BDEW, 1999: means over many customers, in local time), as the package demandlib has them
(MIT licence). The sun follows textbook formulas. Shapes have mean 1 over the year; time is taken
for standard time all year.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array
from rllib_grid.extras import extra_module

SHAPES = ("own", "bdew")
_SOLAR_CONSTANT_W = 1098.0  # of Haurwitz's clear-sky model


def hours_of_day(num_steps: int) -> Array:
    """(T,): the middle of each step, in hours."""
    hours: Array = (np.arange(num_steps, dtype=np.float64) + 0.5) * (24 / num_steps)
    return hours


def days_of_year(dates: NDArray[np.datetime64]) -> Array:
    """(D,): 0 on the first of January."""
    first = dates.astype("datetime64[Y]").astype("datetime64[D]")
    since: Array = (dates - first).astype(np.float64)
    return since


def is_weekend(dates: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """(D,): whether a day is a Saturday or a Sunday."""
    weekday = (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01: Thursday
    return weekday >= 5


def bdew_shape(kind: str, dates: NDArray[np.datetime64], shift_h: float) -> Array:
    """Standard load profile over its mean of the year, in steps of 15 minutes.

    Args:
        kind: "dwelling" (H0 with its dynamic function) or "commerce" (G1, open on working days).
        dates: (D,) of one calendar year.
        shift_h: hours by which the day comes later; wraps around midnight.

    Returns:
        (D, 96).

    Raises:
        GridError: if demandlib is not installed.
    """
    year = int(dates[0].astype("datetime64[Y]").astype(np.int64)) + 1970
    column = {"dwelling": "h0_dyn", "commerce": "g1"}[kind]
    shape = _bdew_year(year)[column].reshape(-1, 96)
    rolled = np.roll(shape, round(4 * shift_h), axis=1)
    result: Array = rolled / rolled.mean()
    return result


@lru_cache(maxsize=2)
def _bdew_year(year: int) -> dict[str, Array]:
    bdew = extra_module("demandlib.bdew", "bdew")
    frame = bdew.ElecSlp(year).slp_frame
    return {name: frame[name].to_numpy(np.float64) for name in ("h0_dyn", "g1")}


def load_shape(kind: str, dates: NDArray[np.datetime64], hours: Array) -> Array:
    """Power of a kind of building over its mean of the year.

    Args:
        kind: "dwelling" (morning and evening peak, more in winter) or "commerce" (open by day,
            a third of it at weekends).
        dates: (D,).
        hours: (..., T) hour of the day; a shifted building brings its own.

    Returns:
        (D, T).
    """
    weekend = is_weekend(dates)[:, None]
    winter = np.cos(2 * np.pi * (days_of_year(dates) - 15) / 365.25)[:, None]
    if kind == "dwelling":
        work = 0.45 + 0.55 * _bump(hours, 7.3, 1.2) + 0.25 * _bump(hours, 12.5, 1.5)
        work = work + 1.15 * _bump(hours, 19.2, 2.2)
        free = 0.45 + 0.55 * _bump(hours, 10.0, 2.2) + 0.25 * _bump(hours, 13.0, 1.5)
        free = free + 1.05 * _bump(hours, 19.0, 2.3)
        shape = np.where(weekend, free, work) * (1 + 0.2 * winter)
    else:
        opened = 1 / (1 + np.exp(-(hours - 7.5) / 0.5)) / (1 + np.exp((hours - 18.0) / 0.6))
        shape = np.where(weekend, 0.35 + 0.55 * opened, 0.35 + 1.5 * opened) * (1 + 0.1 * winter)
    result: Array = shape / shape.mean()
    return result


def clear_sky_w_per_m2(dates: NDArray[np.datetime64], hours: Array, latitude_deg: float) -> Array:
    """Global horizontal irradiance without clouds, (D, T).

    Declination after Cooper (Solar Energy 12, 1969, equation 1), irradiance after Haurwitz
    (Journal of Meteorology 2, 1945): 1098 cos z exp(-0.059 / cos z) for the zenith angle z.
    The clock is taken for solar time.
    """
    angle = 2 * np.pi * (284 + 1 + days_of_year(dates)) / 365.0
    declination = np.deg2rad(23.45) * np.sin(angle)[:, None]
    latitude = np.deg2rad(latitude_deg)
    hour_angle = np.deg2rad(15.0 * (hours - 12.0))
    cos_z = np.sin(latitude) * np.sin(declination)
    cos_z = cos_z + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    up = np.maximum(cos_z, 1e-3)
    result: Array = np.where(cos_z > 1e-3, _SOLAR_CONSTANT_W * up * np.exp(-0.059 / up), 0.0)
    return result


def _bump(hours: Array, middle: float, width: float) -> Array:
    """A bell around an hour of the day; midnight is no wall."""
    away = (hours - middle + 12.0) % 24.0 - 12.0
    result: Array = np.exp(-0.5 * (away / width) ** 2)
    return result
