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

from rllib_grid.checks import Array, known, number, whole
from rllib_grid.errors import GridError
from rllib_grid.states import load_states

Floats = NDArray[np.floating[Any]]


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
class _IndependentDemand:
    """p_base of one law at every bus, independent; q_base at a fixed power factor, same sign."""

    _: KW_ONLY
    power_factor: float = 0.9
    num_buses: int | None = None

    law: ClassVar[str]
    spread: ClassVar[str]  # name of the field that says how wide the law is

    def __post_init__(self) -> None:
        number(self.spread, getattr(self, self.spread), above=0)
        if number("power_factor", self.power_factor, above=0) > 1:
            raise GridError(f"power_factor is {self.power_factor:g}, must be <= 1")

    def sized(self, num_buses: int) -> Self:
        """See `Demand.sized`."""
        _same_size(self.num_buses, num_buses)
        return replace(self, num_buses=num_buses)

    def sample(
        self, rng: np.random.Generator, size: int, dtype: DTypeLike = np.float64
    ) -> tuple[Floats, Floats]:
        """See `Demand.sample`."""
        p_kw = self._draw(rng, (size, self._size), dtype)
        return p_kw, p_kw * self._kvar_per_kw

    def scale(self) -> tuple[Array, Array]:
        """The largest magnitude that is usual, at every bus."""
        p_kw = np.full(self._size, self._usual_kw)
        return p_kw, p_kw * (self._kvar_per_kw or 1.0)

    def to_dict(self) -> dict[str, Any]:
        """See `Demand.to_dict`."""
        return {"law": self.law, **asdict(self)}

    @property
    def _size(self) -> int:
        if self.num_buses is None:
            raise GridError("this demand law has no num_buses: pass it, or ask the case's demand")
        return self.num_buses

    @property
    def _kvar_per_kw(self) -> float:
        return float(np.tan(np.arccos(self.power_factor)))

    @property
    def _usual_kw(self) -> float:
        raise NotImplementedError

    def _draw(self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike) -> Floats:
        raise NotImplementedError


@dataclass(frozen=True)
class UniformDemand(_IndependentDemand):
    """p_base uniform in +-limit_kw, independent between buses.

    Attributes:
        limit_kw: largest magnitude of p_base.
        power_factor: in (0, 1]; q_base = p_base tan(acos(power_factor)), of the same sign.
        num_buses: n; a case fills it in.
    """

    limit_kw: float = 210.0
    law: ClassVar[str] = "uniform"
    spread: ClassVar[str] = "limit_kw"

    @property
    def _usual_kw(self) -> float:
        return float(self.limit_kw)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike) -> Floats:
        p_kw: Floats = rng.random(shape, dtype=dtype)  # type: ignore[arg-type]
        p_kw *= 2 * self.limit_kw
        p_kw -= self.limit_kw
        return p_kw


@dataclass(frozen=True)
class GaussianDemand(_IndependentDemand):
    """p_base normal around 0, independent between buses.

    Attributes:
        sigma_kw: standard deviation of p_base; two of them count as the usual magnitude.
        power_factor: in (0, 1]; q_base = p_base tan(acos(power_factor)), of the same sign.
        num_buses: n; a case fills it in.
    """

    sigma_kw: float = 121.0
    law: ClassVar[str] = "gaussian"
    spread: ClassVar[str] = "sigma_kw"

    @property
    def _usual_kw(self) -> float:
        return 2.0 * self.sigma_kw

    def _draw(self, rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike) -> Floats:
        p_kw: Floats = rng.standard_normal(shape, dtype=dtype)  # type: ignore[arg-type]
        p_kw *= self.sigma_kw
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
