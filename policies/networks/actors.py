"""The decentralised actors of one stage, stacked."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.stacked import StackedLayerNorm, StackedLinear
from policies.networks.team import Team, arrays
from policies.networks.whitening import whitening


class TeamActor(Team):
    """The decentralised actors of one stage: every agent's action from its own inputs alone.

    "paper" is the paper's actor: three layers, layer norm and ReLU behind the first two, tanh
    behind the last. "plain" is an MLP with SiLU beside a linear map of the same inputs, clipped
    to [-1, 1] (see `ProjectedClip`); behind a stage it adds its output to the prototype action,
    so that it starts from what the stage before does.

    Args:
        spec: widths of the joint arrays.
        stage: 1 sees s_i; later stages see (s_i, a~_i, o_i).
        kind: "paper" or "plain".
        width: units of each hidden layer.
    """

    def __init__(self, spec: JointSpec, stage: int, *, kind: str, width: int) -> None:
        super().__init__(spec, stage, kind)
        m, fan_in, fan_out = spec.num_agents, self.fan_in, self.fan_out
        self.input_shift: Tensor
        self.input_map: Tensor
        # A fixed affine map of the inputs, identity until `fit_inputs` takes it from data.
        self.register_buffer("input_shift", torch.zeros(m, 1, fan_in))
        self.register_buffer("input_map", torch.eye(fan_in).repeat(m, 1, 1))
        self.first = StackedLinear(m, fan_in, width)
        self.second = StackedLinear(m, width, width)
        self.last = StackedLinear(m, width, fan_out)
        if kind == "paper":
            self.norm1, self.norm2 = StackedLayerNorm(m, width), StackedLayerNorm(m, width)
        else:
            self.skip = nn.Parameter(torch.zeros(m, fan_in, fan_out))
            with torch.no_grad():
                self.last.weight.mul_(0.1)
                self.last.bias.mul_(0.1)

    @property
    def has_affine(self) -> bool:
        """Whether there is an affine part beside the layers."""
        return self.kind == "plain"

    def features(self, inputs: Tensor) -> Tensor:
        """What the affine part sees, and a one: (N, width) -> (m, N, fan_in + 1)."""
        x = torch.baddbmm(self.input_shift, self.gather(inputs), self.input_map)
        return F.pad(x, (0, 1), value=1.0)

    @torch.no_grad()
    def add_affine(self, w: Tensor) -> None:
        """Add to the affine part: (m, fan_in + 1, fan_out)."""
        self.skip.add_(w[:, :-1])
        self.last.bias.add_(w[:, -1:])

    @property
    def residual(self) -> bool:
        """Whether the prototype action is added before clipping."""
        return self.kind == "plain" and self.stage > 1

    def forward(self, inputs: Tensor) -> Tensor:
        """Joint actions from joint inputs.

        Args:
            inputs: [s] of shape (B, S) at stage 1, else [s | a~ | o] of shape (B, S + A + O).

        Returns:
            (B, A) in [-1, 1].
        """
        x = torch.baddbmm(self.input_shift, self.gather(inputs), self.input_map)
        if self.kind == "paper":
            h = F.relu(self.norm1(self.first(x)))
            h = F.relu(self.norm2(self.second(h)))
            return self.within(torch.tanh(self.joined(self.last(h))))
        h = F.silu(self.second(F.silu(self.first(x))))
        y = self.joined(torch.baddbmm(self.last(h), x, self.skip))
        if self.residual:
            y = y + inputs[:, self.spec.state_dim : self.spec.state_dim + self.spec.action_dim]
        return self.clipped(y)

    @torch.no_grad()
    def fit_inputs(self, inputs: Tensor, floor: float) -> None:
        """Whiten each agent's inputs: zero mean, then unit variance along its principal axes.

        Own voltages repeat what the agent knows of itself; what they tell of the others is a
        small part of their variance, along axes that whitening brings up to the size of the
        rest.

        Args:
            inputs: a sample of joint inputs (N, width).
            floor: standard deviation, relative to that of the standardised inputs, below which
                an axis is no longer magnified in full.
        """
        input_map, input_shift = whitening(self.gather(inputs).double(), floor)
        self.input_map.copy_(input_map)
        self.input_shift.copy_(input_shift)

    def agent_layers(self, agent: int) -> dict[str, NDArray[np.float32]]:
        """One agent's actor on its own, without padding: name -> array.

        `inputs.weight` and `inputs.bias` are the fixed affine map, `first`, `second`, `last`
        the layers, `skip.weight` or `norm1`, `norm2` what the kind adds; weights have shape
        (fan_in, fan_out).
        """
        n_in, n_out = self.input_dims[agent], self.spec.action_dims[agent]
        layers = {
            "inputs.weight": self.input_map[agent, :n_in],
            "inputs.bias": self.input_shift[agent, 0],
            "first.weight": self.first.weight[agent],
            "first.bias": self.first.bias[agent, 0],
            "second.weight": self.second.weight[agent],
            "second.bias": self.second.bias[agent, 0],
            "last.weight": self.last.weight[agent, :, :n_out],
            "last.bias": self.last.bias[agent, 0, :n_out],
        }
        if self.kind == "paper":
            for name, norm in (("norm1", self.norm1), ("norm2", self.norm2)):
                layers[f"{name}.weight"] = norm.weight[agent, 0]
                layers[f"{name}.bias"] = norm.bias[agent, 0]
        else:
            layers["skip.weight"] = self.skip[agent, :, :n_out]
        return arrays(layers)
