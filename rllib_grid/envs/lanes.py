"""What joint environments share: a step's arrays, their generator, checks of what comes in.

Shapes: B lanes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.checks import whole
from rllib_grid.errors import GridError

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


class JointStep(NamedTuple):
    """One time step of all feeders, batch first."""

    reward: Float32  # (B,) shared reward: kW, of days EUR
    agent_reward: Float32  # (B, m) likewise
    obs: Float32  # (B, O) measured under the rewarded action
    next_state: Float32  # (B, S)
    terminated: Bool  # (B,)
    truncated: Bool  # (B,)


def generator(seed: int | np.random.SeedSequence) -> np.random.Generator:
    """A new stream of random numbers.

    Args:
        seed: whole number >= 0, or a seed sequence.

    Raises:
        GridError: if `seed` is out of bounds.
    """
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(whole("seed", seed, at_least=0))
    return np.random.Generator(np.random.SFC64(seed))


def checked_mask(mask: Any, num_envs: int) -> Bool:
    """A choice of lanes (B,).

    Raises:
        GridError: on another shape or type.
    """
    mask = np.asarray(mask)
    if mask.dtype != np.bool_ or mask.shape != (num_envs,):
        raise GridError(
            f"mask has shape {mask.shape} and type {mask.dtype}, must be bool ({num_envs},)"
        )
    result: Bool = mask
    return result


def checked_action(action: Any, shape: tuple[int, ...]) -> Float32:
    """A scaled joint action (B, A) in float32.

    Raises:
        GridError: on another shape, numbers that are not finite, or any outside [-1, 1].
    """
    try:
        action = np.asarray(action, np.float32)
    except (TypeError, ValueError):
        raise GridError(f"action must be an array of numbers, not {action!r}") from None
    if action.shape != shape:
        raise GridError(f"action has shape {action.shape}, must be {shape}")
    if not (action.min() >= -1.0 and action.max() <= 1.0):  # false for NaN too
        row, column = np.argwhere(~(np.abs(action) <= 1.0))[0]
        raise GridError(
            f"action of env {row}, column {column} is {action[row, column]}, must lie in "
            "[-1, 1]: clip it"
        )
    result: Float32 = action
    return result


def check_saved(saved: Mapping[str, Any], own: Mapping[str, NDArray[Any]]) -> None:
    """See that a saved state has arrays like an environment's own.

    Raises:
        GridError: one is missing or has another shape.
    """
    for name, array in own.items():
        shape = np.shape(saved[name]) if name in saved else None
        if shape != array.shape:
            raise GridError(f"{name!r} of the saved state has shape {shape}, must be {array.shape}")


def restore(rng: np.random.Generator, saved: Mapping[str, Any]) -> None:
    """Bring a generator to where a saved state has it.

    Raises:
        GridError: the saved state holds none of this kind.
    """
    try:
        rng.bit_generator.state = saved["generator"]
    except (KeyError, ValueError, TypeError):
        raise GridError("the saved state holds no generator of this kind (SFC64)") from None
