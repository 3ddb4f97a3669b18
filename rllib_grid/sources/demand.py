"""Laws that base demand is drawn from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rllib_grid.checks import Array, known, number, per_bus, whole
from rllib_grid.errors import GridError
from rllib_grid.sources.states import load_states

Floats = NDArray[np.floating[Any]]
PerBus = float | tuple[float, ...]  # one number for all buses, or one for each


@runtime_checkable
class Demand(Protocol):
    """What a case asks of a law of (p_base, q_base)."""

    def sized(self, num_buses: int) -> Demand:
        """The same law for n buses.

        Raises:
            GridError: if the law is bound to another number of buses.
        """

    def sample(
        self, rng: np.random.Generator, size: int, dtype: DTypeLike = np.float64
    ) -> tuple[Floats, Floats]:
        """Draw independent states: p_base_kw (size, n) and q_base_kvar (size, n)."""

    def scale(self) -> tuple[Array, Array]:
        """Magnitudes (n,) that count as 1: of p_base_kw and of q_base_kvar, > 0."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form that `demand_from_dict` reads."""


@dataclass(frozen=True)
class _BusDemand:
    """p_base of one law at every bus; q_base by the power factor, of the same sign."""

    _: KW_ONLY
    power_factor: PerBus = 0.9
    num_buses: int | None = None
    power_factor_low: PerBus | None = None
    correlation: float = 0.0

    law: ClassVar[str]
    spread: ClassVar[str]  # name of the field that says how wide the law is

    def __post_init__(self) -> None:
        low = self.power_factor_low
        given = {self.spread: getattr(self, self.spread), "power_factor": self.power_factor}
        given |= {} if low is None else {"power_factor_low": low}
        put = object.__setattr__  # the dataclass is frozen; here it is still being made
        for name, value in given.items():
            if isinstance(value, (list, tuple, np.ndarray)):
                n = len(value) if self.num_buses is None else self.num_buses
                put(self, name, tuple(per_bus(name, value, n, at_least=0.0).tolist()))
                put(self, "num_buses", n)
            else:
                number(name, value, above=0)
            factors = () if name == self.spread else np.atleast_1d(getattr(self, name))
            for factor in factors:
                number(name, factor, above=0, at_most=1)
        if low is not None and (np.asarray(self.power_factor_low) > self.power_factor).any():
            raise GridError(
                f"power_factor_low is {low}, must be <= power_factor, {self.power_factor}"
            )
        number("correlation", self.correlation, at_least=0, at_most=1)

    def sized(self, num_buses: int) -> Self:
        """See `Demand.sized`."""
        _same_size(self.num_buses, num_buses)
        return replace(self, num_buses=num_buses)

    def sample(
        self, rng: np.random.Generator, size: int, dtype: DTypeLike = np.float64
    ) -> tuple[Floats, Floats]:
        """See `Demand.sample`."""
        shape = (size, self._size)
        p_kw = self._draw(rng, shape, dtype)
        return p_kw, p_kw * self._draw_kvar_per_kw(rng, shape, dtype)

    def scale(self) -> tuple[Array, Array]:
        """The largest magnitude that is usual, at every bus; 1 where there is no demand."""
        usual_kw = np.broadcast_to(self._usual_kw, self._size)
        low = self.power_factor if self.power_factor_low is None else self.power_factor_low
        most = np.broadcast_to(_kvar_per_kw(low), self._size)
        p_kw = np.where(usual_kw > 0, usual_kw, 1.0)
        return p_kw, p_kw * np.where((usual_kw > 0) & (most > 0), most, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """See `Demand.to_dict`."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {"law": self.law, **values}

    @property
    def _size(self) -> int:
        if self.num_buses is None:
            raise GridError("this demand law has no num_buses: pass it, or ask the case's demand")
        return self.num_buses

    @property
    def _usual_kw(self) -> Array:
        raise NotImplementedError

    def _draw(self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike) -> Floats:
        raise NotImplementedError

    def _draw_kvar_per_kw(
        self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike
    ) -> Floats:
        """q_base over p_base: the same in every state, or of a power factor drawn for each."""
        if self.power_factor_low is None:
            return _kvar_per_kw(self.power_factor).astype(dtype)
        low, high = np.asarray(self.power_factor_low), np.asarray(self.power_factor)
        factor: Floats = rng.random(shape, dtype=dtype)  # type: ignore[arg-type]
        factor *= (high - low).astype(dtype)
        factor += low.astype(dtype)
        return _kvar_per_kw(np.minimum(factor, 1.0))

    def _normals(
        self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike, correlation: float
    ) -> Floats:
        """Standard normals, any two buses of a state with this correlation: a factor in common."""
        own: Floats = rng.standard_normal(shape, dtype=dtype)  # type: ignore[arg-type]
        common: Floats = rng.standard_normal((shape[0], 1), dtype=dtype)  # type: ignore[arg-type]
        own *= np.asarray(np.sqrt(1.0 - correlation), dtype)
        own += common * np.asarray(np.sqrt(correlation), dtype)
        return own


@dataclass(frozen=True)
class UniformDemand(_BusDemand):
    """p_base uniform in +-limit_kw at every bus.

    Attributes:
        limit_kw: largest magnitude of p_base: a number > 0, or one per bus, >= 0.
        power_factor: in (0, 1], one number or one per bus; q_base = p_base tan(acos(power_factor)),
            of the same sign.
        num_buses: n; a case fills it in.
        power_factor_low: if given, the power factor is drawn anew for every state and bus,
            uniformly between this and `power_factor`.
        correlation: of p_base between any two buses, in [0, 1]. The buses are joined by a Gaussian
            copula with one factor in common, so that each bus alone stays uniform; its normals are
            correlated by 2 sin(pi correlation / 6), which makes the correlation of p_base exact
            (K. Pearson, 1907; between uniforms it is that of the ranks).
    """

    limit_kw: PerBus = 210.0
    law: ClassVar[str] = "uniform"
    spread: ClassVar[str] = "limit_kw"

    @property
    def _usual_kw(self) -> Array:
        return np.asarray(self.limit_kw, np.float64)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike) -> Floats:
        limit_kw = self._usual_kw
        p_kw: Floats
        if self.correlation > 0.0:
            from scipy.special import ndtr

            p_kw = ndtr(self._normals(rng, shape, dtype, 2 * np.sin(np.pi * self.correlation / 6)))
        else:
            p_kw = rng.random(shape, dtype=dtype)  # type: ignore[arg-type]
        p_kw *= (2 * limit_kw).astype(dtype)
        p_kw -= limit_kw.astype(dtype)
        return p_kw


@dataclass(frozen=True)
class GaussianDemand(_BusDemand):
    """p_base normal around 0 at every bus.

    Attributes:
        sigma_kw: standard deviation of p_base, a number > 0, or one per bus, >= 0; two of them
            count as the usual magnitude.
        power_factor, num_buses, power_factor_low: as of `UniformDemand`.
        correlation: of p_base between any two buses, in [0, 1], by one factor in common.
    """

    sigma_kw: PerBus = 121.0
    law: ClassVar[str] = "gaussian"
    spread: ClassVar[str] = "sigma_kw"

    @property
    def _usual_kw(self) -> Array:
        return 2.0 * np.asarray(self.sigma_kw, np.float64)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike) -> Floats:
        p_kw: Floats
        if self.correlation > 0.0:
            p_kw = self._normals(rng, shape, dtype, self.correlation)
        else:
            p_kw = rng.standard_normal(shape, dtype=dtype)  # type: ignore[arg-type]
        p_kw *= np.asarray(self.sigma_kw, dtype)
        return p_kw


@dataclass(frozen=True)
class FileDemand:
    """States drawn, with replacement, from the rows of a file (see `load_states`).

    Attributes:
        path: of the .npz or .csv file; kept as an absolute path.
        num_buses: n; read from the file if None.
        sha256: of the file's content. A law that was written down refuses a changed file.

    Raises:
        GridError: if the file cannot be read, is not a file of states, or has changed.
    """

    path: str
    num_buses: int | None = None
    sha256: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen; here it is still being made
        path = Path(self.path).absolute()
        put(self, "path", str(path))
        put(self, "num_buses", self._states[0].shape[1])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if self.sha256 not in ("", digest):
            raise GridError(f"{path} has changed since the case was written: its sha256 differs")
        put(self, "sha256", digest)

    @cached_property
    def _states(self) -> tuple[Array, Array]:
        return load_states(self.path, self.num_buses)

    def sized(self, num_buses: int) -> FileDemand:
        """See `Demand.sized`."""
        _same_size(self.num_buses, num_buses)
        return self

    def sample(
        self, rng: np.random.Generator, size: int, dtype: DTypeLike = np.float64
    ) -> tuple[Floats, Floats]:
        """See `Demand.sample`."""
        p_kw, q_kvar = self._states
        rows = rng.integers(len(p_kw), size=size)
        return p_kw[rows].astype(dtype), q_kvar[rows].astype(dtype)

    def scale(self) -> tuple[Array, Array]:
        """The largest magnitudes in the file, bus by bus (1 where all are zero)."""
        p_kw, q_kvar = (np.abs(values).max(axis=0) for values in self._states)
        return np.where(p_kw > 0, p_kw, 1.0), np.where(q_kvar > 0, q_kvar, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """See `Demand.to_dict`."""
        return {"law": "file", **asdict(self)}


LAWS: dict[str, type[UniformDemand] | type[GaussianDemand] | type[FileDemand]] = {
    "uniform": UniformDemand,
    "gaussian": GaussianDemand,
    "file": FileDemand,
}


def demand_from_dict(data: Mapping[str, Any]) -> Demand:
    """The inverse of a law's `to_dict`: {"law": "uniform", "limit_kw": 210.0, ...}.

    Raises:
        GridError: on an unknown law or field, or a bad value.
    """
    fields = dict(data)
    name = fields.pop("law", None)
    known("demand law", name, LAWS)
    try:
        return LAWS[str(name)](**fields)
    except TypeError as error:
        raise GridError(f"demand law {name!r}: {error}") from None


def _same_size(own: int | None, num_buses: int) -> None:
    whole("num_buses", num_buses, at_least=1)
    if own not in (None, num_buses):
        raise GridError(f"the demand law is for {own} buses, the feeder has {num_buses}")


def _kvar_per_kw(power_factor: PerBus | Floats) -> Floats:
    """q over p, of the same sign, at power factors in (0, 1]."""
    return np.asarray(np.tan(np.arccos(power_factor)))
