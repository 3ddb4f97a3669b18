"""Critics whose greater part is fitted in closed form: a quadratic, and a network for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.stacked import StackedLinear

CHUNK = 2_048  # rows worked on at once: what is made of them stays in the cache


@dataclass(frozen=True)
class Quadratic:
    """Q(z) = c + b'(z - m) + (z - m)'M(z - m), n of them.

    Attributes:
        mean: m, (D,).
        constant: c, (n,).
        linear: b, (n, D).
        matrix: M, (n, D, D), symmetric.
    """

    mean: Tensor
    constant: Tensor
    linear: Tensor
    matrix: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Values of rows, in the precision of the coefficients.

        Args:
            z: (n, B, D), or (1, B, D) for all of them.

        Returns:
            (n, B).
        """
        z = z.to(self.mean.dtype) - self.mean
        bent = torch.matmul(z, self.matrix) + self.linear[:, None, :]
        return (bent * z).sum(-1) + self.constant[:, None]

    def of_rows(self, z: Tensor) -> Tensor:
        """The same of many rows (N, D), a part at a time: (n, N)."""
        return torch.cat([self(part[None]) for part in torch.split(z, CHUNK)], 1)


class FittedCritics(nn.Module):
    """Critics Q(s, a) = c + b'z + z'Mz + f(z) of z = (s, a).

    The quadratic is no parameter: `take` sets it. Of a feeder under LinDistFlow it is all there
    is; what power flow, penalties or circles bend is left to f, a small MLP, which `size` scales
    and switches off where it is 0.

    Args:
        n: number of critics: 1 (shared) or one per agent.
        spec: widths of the joint arrays.
        width: units of each hidden layer of f.
    """

    def __init__(self, n: int, spec: JointSpec, *, width: int) -> None:
        super().__init__()
        d = spec.state_dim + spec.action_dim
        self.n = n
        self.mean: Tensor
        self.scale: Tensor
        self.constant: Tensor
        self.linear: Tensor
        self.matrix: Tensor
        self.size: Tensor
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("scale", torch.ones(d))  # of the inputs of f
        self.register_buffer("constant", torch.zeros(n))
        self.register_buffer("linear", torch.zeros(n, d))
        self.register_buffer("matrix", torch.zeros(n, d, d))
        self.register_buffer("size", torch.zeros(n))
        self.first = StackedLinear(n, d, width)
        self.second = StackedLinear(n, width, width)
        self.last = StackedLinear(n, width, 1)

    @property
    def quadratic(self) -> Quadratic:
        """The part in closed form."""
        return Quadratic(self.mean, self.constant, self.linear, self.matrix)

    @torch.no_grad()
    def take(self, quadratic: Quadratic) -> None:
        """Set the part in closed form."""
        for name in ("mean", "constant", "linear", "matrix"):
            getattr(self, name).copy_(getattr(quadratic, name))

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Values of joint actions, see `Critics.forward`."""
        e, b, _ = action.shape
        z = torch.cat([state.expand(e, b, -1), action], -1)
        if self.n == 1 and e > 1:  # one critic for all: the sets of actions join the batch
            return self.values(z.view(1, e * b, -1)).view(e, b)
        return self.values(z)

    def values(self, z: Tensor) -> Tensor:
        """Q of rows (n, B, D), or (1, B, D) for all critics: (n, B)."""
        value = self.quadratic(z)
        return value + self.rest(z) if bool(self.size.any()) else value

    def rest(self, z: Tensor) -> Tensor:
        """f(z) of the same."""
        return self.size[:, None] * self.bend(z)

    def bend(self, z: Tensor) -> Tensor:
        """f(z) before it is scaled."""
        x = ((z - self.mean) * self.scale).expand(self.n, -1, -1)
        found: Tensor = self.last(F.silu(self.second(F.silu(self.first(x))))).squeeze(-1)
        return found
