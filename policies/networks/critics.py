"""Centralised critics of a joint state and a joint action, stacked."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.stacked import StackedLayerNorm, StackedLinear

CRITICS = ("paper", "quadratic-residual", "saddle-residual")


class Critics(nn.Module):
    """Centralised critics Q(s, a) over the joint state and the joint action.

    "paper": the state goes through a first layer, the action enters at the second; layer norm
    and ReLU behind both. "quadratic-residual": Q = -|W z + b|^2 + f(z) with z = (s, a), a
    concave quadratic with a small MLP f for what is left. "saddle-residual": |U s + c|^2 on top of
    that, so that the quadratic is any that is concave in the action; what the state is worth later
    (the energy in a battery at some hour, say) bends both ways.

    Args:
        n: number of critics: 1 (shared) or one per agent.
        spec: widths of the joint arrays.
        kind: one of `CRITICS`.
        width: units of each hidden layer.
        rows: rows of W, and of U.
    """

    def __init__(self, n: int, spec: JointSpec, *, kind: str, width: int, rows: int = 48) -> None:
        super().__init__()
        if kind not in CRITICS:
            raise ValueError(f"critic net is {kind!r}, must be one of {', '.join(CRITICS)}")
        s, a = spec.state_dim, spec.action_dim
        self.n, self.kind = n, kind
        if kind == "paper":
            self.first = StackedLinear(n, s, width)
            self.second = StackedLinear(n, width + a, width)
            self.norm1, self.norm2 = StackedLayerNorm(n, width), StackedLayerNorm(n, width)
        else:
            self.quadratic = StackedLinear(n, s + a, rows)
            self.first = StackedLinear(n, s + a, width)
            self.second = StackedLinear(n, width, width)
        self.last = StackedLinear(n, width, 1)
        if kind == "saddle-residual":
            self.upward = StackedLinear(n, s, rows)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Values of joint actions.

        Args:
            state: (B, S).
            action: (E, B, A): with several critics E must equal n, action e going to critic e;
                a single critic takes any E.

        Returns:
            (E, B).
        """
        e, b, _ = action.shape
        state = state.expand(e, b, -1)
        if self.n == 1 and e > 1:  # one critic for all: the sets of actions join the batch
            value: Tensor = self(state.reshape(e * b, -1), action.reshape(1, e * b, -1))
            return value.view(e, b)
        if self.kind == "paper":
            h = F.relu(self.norm1(self.first(state)))
            h = F.relu(self.norm2(self.second(torch.cat([h, action], -1))))
            score: Tensor = self.last(h).squeeze(-1)
            return score
        z = torch.cat([state, action], -1)
        h = F.silu(self.second(F.silu(self.first(z))))
        residual: Tensor = self.last(h).squeeze(-1)
        quadratic: Tensor = self.quadratic(z).square().sum(-1)
        if self.kind == "saddle-residual":
            quadratic = quadratic - self.upward(state).square().sum(-1)
        return residual - quadratic
