"""A year of days: base demand, price and outdoor temperature, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array, known
from rllib_grid.errors import GridError

STEPS_PER_DAY = (24, 96)
SPLITS = ("train", "validation", "test")
Split = Literal["train", "validation", "test"]

# Whole weeks take turns, so that every part has all seasons and as many weekends.
_WEEKS = {"train": (0, 1, 2), "validation": (3,), "test": (4,)}


def check_steps(num_steps: int) -> None:
    """Raise a `GridError` unless a day can have so many steps."""
    if num_steps not in STEPS_PER_DAY:
        raise GridError(f"steps per day are {num_steps!r}, must be 24 or 96")


@dataclass(frozen=True, eq=False)
class Profiles:
    """D days of T equal steps at n buildings. Consumption is positive, generation negative.

    Attributes:
        dates: (D,) datetime64[D], ascending; every day has 24 hours.
        p_base_kw: (D, T, n) mean active power of each step.
        q_base_kvar: (D, T, n) mean reactive power of each step.
        price_eur_per_kwh: (D, T) energy price.
        outdoor_c: (D, T) outdoor temperature.

    Raises:
        GridError: on arrays that do not fit each other, another T than 24 or 96, or values that
            are not finite.
    """

    dates: NDArray[np.datetime64]
    p_base_kw: Array
    q_base_kvar: Array
    price_eur_per_kwh: Array
    outdoor_c: Array

    def __post_init__(self) -> None:
        days, steps, buses = (*np.shape(self.p_base_kw), 0, 0, 0)[:3]
        check_steps(steps)
        wanted = {
            "dates": (days,),
            "p_base_kw": (days, steps, buses),
            "q_base_kvar": (days, steps, buses),
            "price_eur_per_kwh": (days, steps),
            "outdoor_c": (days, steps),
        }
        for name, shape in wanted.items():
            values = np.asarray(getattr(self, name))
            if values.shape != shape:
                raise GridError(f"{name} has shape {values.shape}, must be {shape}")
            if not np.isfinite(values.astype(np.float64)).all():
                raise GridError(f"{name} holds values that are not finite")
            values.setflags(write=False)
        if not (np.diff(self.dates).astype(np.int64) > 0).all():
            raise GridError("dates are not ascending, must be one after another")

    @property
    def num_days(self) -> int:
        """Number of days D."""
        return len(self.dates)

    @property
    def num_steps(self) -> int:
        """Steps per day T."""
        return int(self.p_base_kw.shape[1])

    @property
    def num_buses(self) -> int:
        """Number of buildings n."""
        return int(self.p_base_kw.shape[2])

    @property
    def step_h(self) -> float:
        """Length of a step in hours."""
        return 24 / self.num_steps

    def hourly(self) -> Profiles:
        """The same days in hourly means (T = 24)."""
        if self.num_steps == 24:
            return self
        fold = self.num_steps // 24

        def mean(values: Array) -> Array:
            shape = (len(values), 24, fold, *values.shape[2:])
            result: Array = values.reshape(shape).mean(axis=2)
            return result

        return Profiles(
            self.dates,
            mean(self.p_base_kw),
            mean(self.q_base_kvar),
            mean(self.price_eur_per_kwh),
            mean(self.outdoor_c),
        )

    def of(self, split: Split) -> Profiles:
        """The days of one part; the parts share no day.

        Weeks are counted from 1970-01-05, a Monday, and dealt out by their number modulo 5: three
        to training, one to validation, one to test. So the split depends on dates alone.

        Raises:
            GridError: on an unknown part, or one without any day.
        """
        known("part", split, SPLITS)
        week = (self.dates - np.datetime64("1970-01-05")).astype(np.int64) // 7
        chosen = np.flatnonzero(np.isin(week % 5, _WEEKS[split]))
        if chosen.size == 0:
            raise GridError(
                f"no day of {self.dates[0]} to {self.dates[-1]} is a {split} day: give five whole "
                "weeks or more"
            )
        return self.take(chosen)

    def take(self, days: NDArray[np.int64]) -> Profiles:
        """These days, by their place 0..D - 1, in ascending order."""
        days = np.sort(days)
        return Profiles(
            self.dates[days],
            self.p_base_kw[days],
            self.q_base_kvar[days],
            self.price_eur_per_kwh[days],
            self.outdoor_c[days],
        )
