"""How the active stage explores; noise is in units of the scaled action, [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from policies.contract.action_circles import scale_back
from policies.contract.joint_spec import JointSpec
from policies.sampling.rollout import Columns

Floats = NDArray[np.float32]
Act = Callable[[Floats], Floats]  # joint inputs (B, width) to joint actions (B, A)

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


class Explorer(Protocol):
    """What acts for the active stage."""

    def __call__(self, inputs: Floats) -> tuple[Floats, Columns]:
        """The joint actions (B, A) that are carried out, and further columns of the rows."""

    def reset(self, mask: NDArray[np.bool_]) -> None:
        """The lanes of `mask` begin a new trajectory."""


class NoisyActor:
    """Actors with noise on what they do.

    Args:
        act: the actors.
        noise: one of `NOISES`.
        shape: (lanes, A).
        rng: what is drawn comes from it.
        sigma: scale of the noise; 0 draws none.
        spec: names the circles that actions are scaled back into.
    """

    def __init__(
        self,
        act: Act,
        noise: str,
        shape: tuple[int, int],
        rng: np.random.Generator,
        sigma: float,
        spec: JointSpec,
    ) -> None:
        self._act, self._sigma = act, sigma
        self._noise = NOISES[noise](shape, rng)
        self._circles = circles(spec)

    def __call__(self, inputs: Floats) -> tuple[Floats, Columns]:
        """Act, with noise."""
        action = self._act(inputs)
        if self._sigma > 0.0:
            np.clip(action + self._noise.sample(self._sigma), -1.0, 1.0, out=action)
            action = scale_back(action, self._circles)
        return action, {}

    def reset(self, mask: NDArray[np.bool_]) -> None:
        """Noise that is carried from step to step begins anew."""
        self._noise.reset(mask)


class RandomActor:
    """Actions drawn uniformly from the whole range.

    Args:
        shape: (lanes, A).
        rng: they are drawn from.
        spec: names the circles that they are scaled back into.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator, spec: JointSpec) -> None:
        self._shape, self._rng, self._circles = shape, rng, circles(spec)

    def __call__(self, inputs: Floats) -> tuple[Floats, Columns]:
        """Draw."""
        drawn = self._rng.uniform(-1.0, 1.0, self._shape).astype(np.float32)
        return scale_back(drawn, self._circles), {}

    def reset(self, mask: NDArray[np.bool_]) -> None:
        """Nothing is carried from step to step."""


class Steady:
    """Actors without noise, as they are validated.

    Args:
        act: the actors.
    """

    def __init__(self, act: Act) -> None:
        self._act = act

    def __call__(self, inputs: Floats) -> tuple[Floats, Columns]:
        """Act."""
        return self._act(inputs), {}

    def reset(self, mask: NDArray[np.bool_]) -> None:
        """Nothing is carried from step to step."""


def circles(spec: JointSpec) -> NDArray[np.float32]:
    """The circles of a spec as `scale_back` takes them, (J, 4)."""
    return np.array(spec.action_circles, np.float32).reshape(-1, 4)
