"""Actors and critics as plain `nn.Module`s.

All members of a team (or of a set of critics) are held as stacked parameters and computed by
one batched product per layer; members whose shapes differ are padded with zeros, which meet
weights that no gradient reaches. `member` takes one network out of the stack.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.circle_layer import ActionCircles

ACTORS = ("paper", "plain")
CRITICS = ("paper", "quadratic-residual", "saddle-residual")


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


def whitening(x: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """The affine maps that whiten samples along their principal axes.

    Args:
        x: (m, N, width), a sample for each member.
        floor: standard deviation, relative to that of the standardised columns, below which an
            axis is no longer magnified in full; columns that do not vary are left out.

    Returns:
        Matrices (m, width, width) and shifts (m, 1, width): x @ matrix + shift is whitened.
    """
    mean = x.mean(1, keepdim=True)
    std = x.std(1, keepdim=True)
    scale = torch.where(std > 0.0, 1.0 / std.clamp(min=1e-12), 0.0)  # (m, 1, width)
    z = (x - mean) * scale
    variance, axes = torch.linalg.eigh(z.transpose(1, 2) @ z / (x.shape[1] - 1))
    gain = (variance.clamp(min=0.0) + floor**2).rsqrt()
    matrix = scale.transpose(1, 2) * axes * gain[:, None, :]
    return matrix, -mean @ matrix


class TeamActor(nn.Module):
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
        super().__init__()
        if kind not in ACTORS:
            raise ValueError(f"actor net is {kind!r}, must be one of {', '.join(ACTORS)}")
        inputs = spec.actor_inputs(stage)
        m, fan_in, fan_out = spec.num_agents, max(map(len, inputs)), max(spec.action_dims)
        columns = np.zeros((m, fan_in), np.int64)
        mask = np.zeros((m, 1, fan_in), np.float32)
        for i, own in enumerate(inputs):
            columns[i, : len(own)] = own
            mask[i, :, : len(own)] = 1.0
        outputs = [i * fan_out + np.arange(dim) for i, dim in enumerate(spec.action_dims)]
        self.spec, self.stage, self.kind = spec, stage, kind
        self.input_dims = tuple(map(len, inputs))
        self._padded_in = not mask.all()
        self._padded_out = fan_out * m != spec.action_dim
        self._columns: Tensor
        self._mask: Tensor
        self._outputs: Tensor
        self.input_shift: Tensor
        self.input_map: Tensor
        self.register_buffer("_columns", torch.from_numpy(columns.reshape(-1)), persistent=False)
        self.register_buffer("_mask", torch.from_numpy(mask), persistent=False)
        self.register_buffer(
            "_outputs", torch.from_numpy(np.concatenate(outputs)), persistent=False
        )
        self._circles = ActionCircles(spec.action_circles)
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
            return self._within(torch.tanh(self._joint(self.last(h))))
        h = F.silu(self.second(F.silu(self.first(x))))
        y = self._joint(torch.baddbmm(self.last(h), x, self.skip))
        if self.residual:
            y = y + inputs[:, self.spec.state_dim : self.spec.state_dim + self.spec.action_dim]
        return self._within(ProjectedClip.apply(y))  # type: ignore[no-untyped-call]

    def _within(self, action: Tensor) -> Tensor:
        within: Tensor = self._circles(action)
        return within

    def gather(self, inputs: Tensor) -> Tensor:
        """Each agent's own inputs, padded with zeros: (B, width) -> (m, B, fan_in)."""
        m, _, fan_in = self._mask.shape
        x = inputs.index_select(1, self._columns).view(-1, m, fan_in).transpose(0, 1)
        return x * self._mask if self._padded_in else x

    def _joint(self, y: Tensor) -> Tensor:
        """(m, B, fan_out) -> (B, A), without the padding."""
        y = y.transpose(0, 1).flatten(1)
        return y.index_select(1, self._outputs) if self._padded_out else y

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

    def with_weights(self, weights: Mapping[str, Any]) -> TeamActor:
        """A copy of this team with other weights, by parameter and buffer name."""
        other = copy.deepcopy(self)
        other.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
        return other

    def agent_layers(self, agent: int) -> dict[str, NDArray[np.float32]]:
        """One agent's actor on its own, without padding: name -> array.

        `inputs.weight` and `inputs.bias` are the fixed affine map, `first`, `second`, `last`
        the layers, `skip.weight` or `norm1`, `norm2` what the kind adds; weights have shape
        (fan_in, fan_out).
        """
        n_in, n_out = self.input_dims[agent], self.spec.action_dims[agent]
        arrays = {
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
                arrays[f"{name}.weight"] = norm.weight[agent, 0]
                arrays[f"{name}.bias"] = norm.bias[agent, 0]
        else:
            arrays["skip.weight"] = self.skip[agent, :, :n_out]
        return {name: np.ascontiguousarray(a.detach().cpu().numpy()) for name, a in arrays.items()}


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
