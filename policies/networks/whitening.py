"""The affine map that whitens what actors see."""

from __future__ import annotations

import torch
from torch import Tensor

EMPTY = 1e-10  # share of the greatest variance below which a direction holds rounding alone


def whitening(x: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """The affine maps that whiten samples along their principal axes.

    Args:
        x: (m, N, width), a sample for each member.
        floor: standard deviation, relative to that of the standardised columns, below which an
            axis is no longer magnified in full; columns that do not vary are left out.

    Returns:
        The identity where there are fewer than two samples, else
        matrices (m, width, width) and shifts (m, 1, width): x @ matrix + shift is whitened.
    """
    if x.shape[1] < 2:  # which says nothing of any variance
        m, _, width = x.shape
        return torch.eye(width, dtype=x.dtype).repeat(m, 1, 1), x.new_zeros(m, 1, width)
    mean = x.mean(1, keepdim=True)
    std = x.std(1, keepdim=True)
    scale = torch.where(std > 0.0, 1.0 / std.clamp(min=1e-12), 0.0)  # (m, 1, width)
    z = (x - mean) * scale
    variance, axes = torch.linalg.eigh(z.transpose(1, 2) @ z / (x.shape[1] - 1))
    gain = (variance.clamp(min=0.0) + floor**2).rsqrt()
    gain = torch.where(variance > EMPTY * variance.amax(1, keepdim=True), gain, 0.0)
    matrix = scale.transpose(1, 2) * axes * gain[:, None, :]
    return matrix, -mean @ matrix
