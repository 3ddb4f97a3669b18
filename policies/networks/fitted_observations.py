"""What is measured under a joint action, as a closed form: linear but for one bend each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from policies.contract.joint_spec import JointSpec


class FittedObservations(nn.Module):
    """Observations o of joint actions, from o + bend o^2 = c + B (z - m) with z = (s, a).

    A voltage that lies d above the head's has d + d^2 / (2 v_head) linear in the powers under
    LinDistFlow, so the one bend makes it exact there. Nothing is a parameter: `take` sets it.

    Args:
        spec: widths of the joint arrays.
    """

    def __init__(self, spec: JointSpec) -> None:
        super().__init__()
        d, o = spec.state_dim + spec.action_dim, spec.obs_dim
        self.mean: Tensor
        self.constant: Tensor
        self.linear: Tensor
        self.bend: Tensor
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("constant", torch.zeros(o))
        self.register_buffer("linear", torch.zeros(d, o))
        self.register_buffer("bend", torch.zeros(o))

    @torch.no_grad()
    def take(self, **coefficients: Tensor) -> None:
        """Set the closed form, by the names of the buffers."""
        for name, value in coefficients.items():
            getattr(self, name).copy_(value)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Observations of joint actions: (B, S), (E, B, A) -> (E, B, O)."""
        e, b, _ = action.shape
        z = torch.cat([state.expand(e, b, -1), action], -1) - self.mean
        return straightened(z @ self.linear + self.constant, self.bend)


def straightened(u: Tensor, bend: Tensor) -> Tensor:
    """The o with o + bend o^2 = u that is near u; where there is none, the vertex."""
    root = (1.0 + 4.0 * bend * u).clamp(min=1e-6).sqrt()
    return 2.0 * u / (1.0 + root)
