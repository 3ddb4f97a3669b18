"""Layers of exported networks in numpy: (..., inputs) -> (..., outputs)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Weights = dict[str, NDArray[np.float32]]

LAYER_NORM_EPS = 1e-5


def silu(x: Floats) -> Floats:
    """x sigmoid(x), without overflow."""
    return np.asarray(x * (0.5 + 0.5 * np.tanh(0.5 * x)))


def layer_norm(x: Floats) -> Floats:
    """To zero mean and unit variance along the last axis; gain and offset are the caller's."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(LAYER_NORM_EPS)))


def gru(w: Weights, x: Floats, hidden: Floats | None) -> Floats:
    """One step of a gated recurrent unit, as `networks.recurrent_layers.StackedGRU`.

    Args:
        w: `gru.input.*` and `gru.hidden.*`.
        x: (..., inputs).
        hidden: (..., width) before the step; zero if None.

    Returns:
        (..., width).
    """
    given = x @ w["gru.input.weight"] + w["gru.input.bias"]
    width = given.shape[-1] // 3
    before = np.zeros((*given.shape[:-1], width), np.float32) if hidden is None else hidden
    recalled = before @ w["gru.hidden.weight"] + w["gru.hidden.bias"]
    gates = given[..., : 2 * width] + recalled[..., : 2 * width]
    gates = 0.5 + 0.5 * np.tanh(0.5 * gates)  # the sigmoid, without overflow
    reset, update = gates[..., :width], gates[..., width:]
    new = np.tanh(given[..., 2 * width :] + reset * recalled[..., 2 * width :])
    return np.asarray(new + update * (before - new))
