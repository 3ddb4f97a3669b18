"""Limits of actions as the last layers of an actor: a clip, and circles that tie two numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ProjectedClip(torch.autograd.Function):
    """Clip to [-1, 1]; backwards, only gradients that would push further outside are stopped.

    A plain clamp has no gradient outside its bounds, so an actor that saturates wrongly never
    returns; here the descent step that leads back inside passes (cf. the inverted gradients of
    Hausknecht & Stone, 2016).
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        """Clip."""
        ctx.save_for_backward(x)
        return x.clamp(-1.0, 1.0)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        """Stop what points outward."""
        (x,) = ctx.saved_tensors
        outward = ((x > 1.0) & (grad < 0.0)) | ((x < -1.0) & (grad > 0.0))
        return grad.masked_fill(outward, 0.0)


class ActionCircles(nn.Module):
    """Scales pairs of an action back into their circles: |(u a_i, w a_j)| <= 1 for each.

    Both columns of a pair shrink together. Backwards, what would push further outside is stopped
    and the rest passes, as in `ProjectedClip`.

    Args:
        circles: (i, j, u, w) of each, as `JointSpec.action_circles`.
    """

    def __init__(self, circles: Sequence[tuple[int, int, float, float]]) -> None:
        super().__init__()
        self._any = bool(circles)
        pairs = np.array([circle[:2] for circle in circles], np.int64).reshape(-1, 2)
        weights = np.array([circle[2:] for circle in circles], np.float32).reshape(-1, 2)
        self._pairs: Tensor
        self._weights: Tensor
        self.register_buffer("_pairs", torch.from_numpy(pairs), persistent=False)
        self.register_buffer("_weights", torch.from_numpy(weights), persistent=False)

    def forward(self, action: Tensor) -> Tensor:
        """(B, A) -> the same, within all circles."""
        if not self._any:
            return action
        scaled: Tensor = _ScaleBack.apply(action, self._pairs, self._weights)  # type: ignore[no-untyped-call]
        return scaled


class _ScaleBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, action: Tensor, pairs: Tensor, weights: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        pair = action[:, pairs]  # (B, J, 2)
        load = (pair * weights).norm(dim=2, keepdim=True)
        ctx.save_for_backward(pair, load, pairs, weights)
        scaled = action.clone()
        scaled[:, pairs] = pair / load.clamp(min=1.0)
        return scaled

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
        pair, load, pairs, weights = ctx.saved_tensors
        normal = F.normalize(pair * weights.square(), dim=2)
        own = grad[:, pairs]
        outward = (own * normal).sum(2, keepdim=True).clamp(max=0.0)  # descent along it leads out
        passed = grad.clone()
        passed[:, pairs] = torch.where(load > 1.0, own - outward * normal, own)
        return passed, None, None
