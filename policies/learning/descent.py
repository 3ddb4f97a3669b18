"""Optimizer steps and averages of weights: the arithmetic that every update is made of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Reduce = Callable[[list[Tensor]], None]  # averages gradients over several learners, in place


class Tensors:
    """A network's parameters, with what they hold as plain tensors that share memory."""

    def __init__(self, module: nn.Module) -> None:
        # Walking through modules for their parameters would cost a tenth of an update.
        self.parameters = list(module.parameters())
        self.data = [parameter.data for parameter in self.parameters]


class Trained(Tensors):
    """A network with the optimizer that moves it."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(module)
        self.optimizer = optimizer

    def descend(self, loss: Tensor, reduce: Reduce | None = None) -> None:
        """One optimizer step down a loss; no gradient reaches other networks in its graph."""
        gradients = list(torch.autograd.grad(loss, self.parameters))
        if reduce is not None:
            reduce(gradients)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()


def polyak(target: Tensors, source: Tensors, tau: float) -> None:
    """target <- tau source + (1 - tau) target, over all parameters."""
    torch._foreach_lerp_(target.data, source.data, tau)


def copy_weights(target: nn.Module, source: nn.Module) -> None:
    """Set a network equal to another one, buffers included."""
    target.load_state_dict(source.state_dict())
