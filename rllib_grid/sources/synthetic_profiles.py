"""A made-up year: from average shapes to buildings and days that differ, by a seeded generator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import Array, known, known_fields, number, whole
from rllib_grid.physics.power_factor import kvar_per_kw
from rllib_grid.sources.profiles import Profiles, check_steps
from rllib_grid.sources.shapes import (
    SHAPES,
    bdew_shape,
    clear_sky_w_per_m2,
    days_of_year,
    hours_of_day,
    is_weekend,
    load_shape,
)

_FINE = 96  # steps per day in which everything is drawn


@dataclass(frozen=True)
class SyntheticProfiles:
    """A made-up year: shapes of `rllib_grid.sources.shapes`, varied by building and by day.

    What is drawn once for each building: its kind (six of ten are dwellings), its mean load
    (log-normal, sigma 0.25), its habits' shift (normal, 0.75 h) and its solar peak power (uniform,
    none to twice `solar_kwp`). For each day and building: a level (log-normal, sigma 0.1) and a
    ripple (log-normal, sigma 0.15, correlated over about two hours). For each day: clearness of
    the sky (0.15 to 1, with passing clouds), price spread and temperature. Reactive power follows
    the load at `power_factor`; solar power comes at unity.

    The price is made up of a fixed part and a spread with a morning and an evening peak and a
    noon dip on sunny days, as day-ahead markets with much solar power show.

    Attributes:
        year: calendar year.
        num_steps: steps per day T.
        seed: of everything that is drawn.
        load_kw: mean load of a building.
        solar_kwp: mean solar peak power of a building.
        power_factor: of the load, 0 to 1, lagging.
        price_eur_per_kwh: mean price.
        latitude_deg: of the sun.
        shapes: what loads have in common, see `rllib_grid.sources.shapes`: "own", or "bdew", the
            standard load profiles of German dwellings and shops.
    """

    year: int = 2023
    num_steps: int = 24
    seed: int = 0
    load_kw: float = 60.0
    solar_kwp: float = 100.0
    power_factor: float = 0.95
    price_eur_per_kwh: float = 0.25
    latitude_deg: float = 50.0
    shapes: str = "own"

    kind: ClassVar[str] = "synthetic"

    def __post_init__(self) -> None:
        whole("year", self.year, at_least=1970)
        check_steps(self.num_steps)
        whole("seed", self.seed, at_least=0)
        for name in ("load_kw", "price_eur_per_kwh"):
            number(name, getattr(self, name), above=0)
        number("power_factor", self.power_factor, above=0, at_most=1)
        number("solar_kwp", self.solar_kwp, at_least=0)
        number("latitude_deg", self.latitude_deg, above=-66, below=66)
        known("kind of shapes", self.shapes, SHAPES)

    def load(self, num_buses: int) -> Profiles:
        """The year for n buildings; the same at every call."""
        return _draw(self, num_buses)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SyntheticProfiles:
        """The inverse of `to_dict`.

        Raises:
            GridError: on an unknown field or a bad value.
        """
        values = {k: v for k, v in data.items() if k != "kind"}
        known_fields("field of synthetic profiles", cls, values)
        return cls(**values)


@lru_cache(maxsize=4)
def _draw(source: SyntheticProfiles, num_buses: int) -> Profiles:
    first, end = f"{source.year}-01-01", f"{source.year + 1}-01-01"
    dates = np.arange(first, end, dtype="datetime64[D]")
    buildings, weather, market = (
        np.random.default_rng(child) for child in np.random.SeedSequence(source.seed).spawn(3)
    )
    clearness, sun = _sky(source, dates, weather)
    p_load = _loads(source, dates, num_buses, buildings)
    kwp = source.solar_kwp * buildings.uniform(0.0, 2.0, num_buses)
    solar = 0.85 * sun[:, :, None] / 1000.0 * kwp  # 0.85: from module to grid
    tangent = kvar_per_kw(source.power_factor)
    price = source.price_eur_per_kwh * _price(dates, clearness, market)
    fine = Profiles(
        dates, p_load - solar, p_load * tangent, price, _temperature(dates, clearness, weather)
    )
    return fine if source.num_steps == _FINE else fine.hourly()


def _loads(
    source: SyntheticProfiles,
    dates: NDArray[np.datetime64],
    num_buses: int,
    rng: np.random.Generator,
) -> Array:
    """Loads (D, T, n) in kW, without solar power."""
    days, hours = len(dates), hours_of_day(_FINE)
    loads = np.empty((days, _FINE, num_buses))
    for bus in range(num_buses):
        kind = "dwelling" if rng.random() < 0.6 else "commerce"
        mean = source.load_kw * np.exp(0.25 * rng.standard_normal() - 0.25**2 / 2)
        shift = 0.75 * rng.standard_normal()
        if source.shapes == "bdew":
            shape = bdew_shape(kind, dates, shift)
        else:
            shape = load_shape(kind, dates, (hours - shift) % 24)
        level = np.exp(0.1 * rng.standard_normal((days, 1)) - 0.1**2 / 2)
        ripple = np.exp(_correlated(rng, days, 2.0, 0.15) - 0.15**2 / 2)
        loads[:, :, bus] = mean * shape * level * ripple
    return loads


def _sky(
    source: SyntheticProfiles, dates: NDArray[np.datetime64], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Clearness of each day (D,), and irradiance under its clouds (D, T) in W per m2."""
    clear = clear_sky_w_per_m2(dates, hours_of_day(_FINE), source.latitude_deg)
    clearness = 0.15 + 0.85 * rng.beta(1.3, 1.1, len(dates))
    clouds = np.exp(_correlated(rng, len(dates), 1.0, 0.25)) * clearness[:, None]
    return clearness, clear * np.minimum(clouds, 1.0)


def _price(dates: NDArray[np.datetime64], clearness: Array, rng: np.random.Generator) -> Array:
    """Price over its mean (D, T)."""
    hours = hours_of_day(_FINE)
    peaks = 0.5 * np.exp(-0.5 * ((hours - 8.0) / 1.5) ** 2)
    peaks = peaks + 1.0 * np.exp(-0.5 * ((hours - 19.0) / 2.0) ** 2)
    night = -0.45 * np.exp(-0.5 * (((hours - 3.0 + 12.0) % 24.0 - 12.0) / 2.5) ** 2)
    noon = -np.exp(-0.5 * ((hours - 13.0) / 2.3) ** 2)
    summer = 0.5 - 0.5 * np.cos(2 * np.pi * days_of_year(dates) / 365.25)
    dip = (0.2 + 0.8 * summer) * clearness
    spread = 0.45 * np.exp(0.3 * rng.standard_normal(len(dates)) - 0.3**2 / 2)
    spread = spread * np.where(is_weekend(dates), 0.7, 1.0)
    shape = (peaks + night) + dip[:, None] * noon + _correlated(rng, len(dates), 3.0, 0.08)
    price = 1.0 + spread[:, None] * (shape - shape.mean())
    result: Array = np.maximum(price, 0.1)  # never free: a price of zero rewards waste
    return result


def _temperature(
    dates: NDArray[np.datetime64], clearness: Array, rng: np.random.Generator
) -> Array:
    """Outdoor temperature (D, T) in degrees Celsius: year, day, and weather over some days."""
    weather = np.zeros(len(dates))
    for day, shock in enumerate(rng.standard_normal(len(dates))):
        weather[day] = 0.75 * weather[day - 1] + 2.5 * shock if day else 3.5 * shock
    season = 10.0 - 9.0 * np.cos(2 * np.pi * (days_of_year(dates) - 20) / 365.25)
    daily = -np.cos(2 * np.pi * (hours_of_day(_FINE) - 3.0) / 24.0)
    swing = 1.5 + 4.0 * clearness
    result: Array = (season + weather)[:, None] + swing[:, None] * daily
    return result


def _correlated(rng: np.random.Generator, days: int, hours: float, sigma: float) -> Array:
    """Gaussian noise (D, T) of standard deviation sigma that forgets within some hours."""
    from scipy.signal import lfilter  # here, because importing the package needs no scipy

    keep = np.exp(-24 / _FINE / hours)
    shocks = rng.standard_normal(days * _FINE)
    shocks[1:] *= np.sqrt(1 - keep**2)
    noise: Array = lfilter([1.0], [1.0, -keep], shocks)
    return sigma * noise.reshape(days, _FINE)
