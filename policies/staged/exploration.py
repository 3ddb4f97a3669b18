"""Exploration noise, in units of the scaled action (the whole range is [-1, 1])."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OU_THETA = 0.15  # pull of the Ornstein-Uhlenbeck process, as in Lillicrap et al. (2016)


@dataclass(frozen=True)
class LinearSchedule:
    """A value that runs linearly from `start` to `end` as progress runs from 0 to 1."""

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        """The value at a share `progress` of the stage, held at the ends outside [0, 1]."""
        return self.start + (self.end - self.start) * min(max(progress, 0.0), 1.0)


class GaussianNoise:
    """Independent normal noise at every step."""

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self._shape = shape
        self._rng = rng

    def reset(self, mask: NDArray[np.bool_]) -> None:
        """Nothing is carried from step to step."""

    def sample(self, sigma: float) -> NDArray[np.float32]:
        """One step of noise for all lanes, shape (lanes, action_dim)."""
        return np.float32(sigma) * self._rng.standard_normal(self._shape, dtype=np.float32)


class OrnsteinUhlenbeckNoise(GaussianNoise):
    """Noise x <- (1 - theta) x + sigma n, correlated over time, from x = 0 at each reset."""

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        super().__init__(shape, rng)
        self._x = np.zeros(shape, np.float32)

    def reset(self, mask: NDArray[np.bool_]) -> None:
        """Start again from zero in the lanes of `mask`."""
        self._x[mask] = 0.0

    def sample(self, sigma: float) -> NDArray[np.float32]:
        """One step of noise for all lanes, shape (lanes, action_dim)."""
        self._x = np.float32(1.0 - OU_THETA) * self._x + super().sample(sigma)
        return self._x


NOISES: dict[str, type[GaussianNoise]] = {
    "gaussian": GaussianNoise,
    "ornstein-uhlenbeck": OrnsteinUhlenbeckNoise,
}
