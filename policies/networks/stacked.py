"""Layers of whole teams: n networks side by side, computed by one batched product per layer.

Members whose shapes differ are padded with zeros, which meet weights that no gradient reaches.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StackedLinear(nn.Module):
    """n affine maps side by side: (n, B, fan_in) -> (n, B, fan_out).

    Initialised as `nn.Linear` initialises each of them.
    """

    def __init__(self, n: int, fan_in: int, fan_out: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(max(fan_in, 1))
        self.weight = nn.Parameter(torch.empty(n, fan_in, fan_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n, 1, fan_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(n, B, fan_in) -> (n, B, fan_out)."""
        return torch.baddbmm(self.bias, x, self.weight)


class StackedLayerNorm(nn.Module):
    """Layer normalisation with a gain and shift per member: (n, B, width) -> the same."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n, 1, width))
        self.bias = nn.Parameter(torch.zeros(n, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        return F.layer_norm(x, x.shape[-1:]) * self.weight + self.bias
