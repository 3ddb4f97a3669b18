"""What the actors of a team have in common: own inputs in, joint actions out, limits, weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.contract.joint_spec import JointSpec
from policies.networks.action_limits import ActionCircles, ProjectedClip

ACTORS = ("paper", "plain")


class Team(nn.Module):
    """The decentralised actors of all agents: each sees its own columns of the joint input.

    Args:
        spec: widths of the joint arrays.
        stage: 1 sees s_i; later stages see (s_i, a~_i, o_i).
        kind: "paper" or "plain".
    """

    def __init__(self, spec: JointSpec, stage: int, kind: str) -> None:
        super().__init__()
        if kind not in ACTORS:
            raise ValueError(f"actor net is {kind!r}, must be one of {', '.join(ACTORS)}")
        inputs = spec.actor_inputs(stage)
        m, fan_in, fan_out = spec.num_agents, max(map(len, inputs)), max(spec.action_dims)
        columns = np.zeros((m, fan_in), np.int64)
        mask = np.zeros((m, fan_in), np.float32)
        for i, own in enumerate(inputs):
            columns[i, : len(own)] = own
            mask[i, : len(own)] = 1.0
        outputs = [i * fan_out + np.arange(dim) for i, dim in enumerate(spec.action_dims)]
        self.spec, self.stage, self.kind = spec, stage, kind
        self.input_dims = tuple(map(len, inputs))
        self.fan_in, self.fan_out = fan_in, fan_out
        self._padded_in = not mask.all()
        self._padded_out = fan_out * m != spec.action_dim
        self._columns: Tensor
        self._mask: Tensor
        self._outputs: Tensor
        self.register_buffer("_columns", torch.from_numpy(columns.reshape(-1)), persistent=False)
        self.register_buffer("_mask", torch.from_numpy(mask), persistent=False)
        self.register_buffer(
            "_outputs", torch.from_numpy(np.concatenate(outputs)), persistent=False
        )
        self._circles = ActionCircles(spec.action_circles)

    def gather(self, inputs: Tensor) -> Tensor:
        """Each agent's own inputs, padded with zeros: (..., width) -> (m, ..., fan_in)."""
        m, lead = self.spec.num_agents, inputs.shape[:-1]
        x = inputs.index_select(-1, self._columns).view(*lead, m, self.fan_in).movedim(-2, 0)
        if self._padded_in:
            x = x * self._mask.view(m, *(1 for _ in lead), self.fan_in)
        return x

    def joined(self, y: Tensor) -> Tensor:
        """(m, N, fan_out) -> (N, A), without the padding."""
        y = y.transpose(0, 1).flatten(1)
        return y.index_select(1, self._outputs) if self._padded_out else y

    def apart(self, joint: Tensor) -> Tensor:
        """The inverse of `joined`, with zeros as padding: (N, A) -> (m, N, fan_out)."""
        m, n = self.spec.num_agents, len(joint)
        if self._padded_out:
            padded = joint.new_zeros(n, m * self.fan_out)
            joint = padded.index_copy(1, self._outputs, joint)
        return joint.view(n, m, self.fan_out).transpose(0, 1)

    def own_blocks(self, joint: Tensor) -> Tensor:
        """The agents' own blocks of a matrix of joint actions: (A, A) -> (m, fan_out, fan_out)."""
        rows = self.apart(joint).reshape(-1, joint.shape[0], self.fan_out)
        blocks = self.apart(rows.transpose(1, 2).reshape(-1, joint.shape[0]))
        m, c = self.spec.num_agents, self.fan_out
        own = torch.arange(m, device=joint.device)
        found: Tensor = blocks.view(m, m, c, c)[own, own]
        return found

    def within(self, action: Tensor) -> Tensor:
        """Joint actions (N, A) in [-1, 1], scaled back into the circles of the spec."""
        scaled: Tensor = self._circles(action)
        return scaled

    def clipped(self, action: Tensor) -> Tensor:
        """Joint actions (N, A) within [-1, 1] and all circles, see `ProjectedClip`."""
        return self.within(ProjectedClip.apply(action))  # type: ignore[no-untyped-call]

    def with_weights(self, weights: Mapping[str, Any]) -> Self:
        """A copy of this team with other weights, by parameter and buffer name."""
        other = copy.deepcopy(self)
        other.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
        return other


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Tensors as contiguous numpy arrays, for files."""
    return {name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in tensors.items()}
