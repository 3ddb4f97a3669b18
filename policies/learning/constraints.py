"""Bounds on what is measured under the rewarded action, held by prices on a learned model.

A penalty inside the reward asks the critic to learn its kink, which a smooth critic rounds off:
actors then settle outside the bound, however steep the penalty. Here the critic learns the reward
alone, a second model learns what is measured, and the actors descend the augmented Lagrangian

    -Q(s, a) + sum_j (lambda_j e_j + curvature / 2 e_j^2),
    e_j = [o_j(s, a) - (high_j - margin)]+ + [low_j + margin - o_j(s, a)]+

through both, so that kinks stay where they are. The multipliers rise by dual ascent as long as
bounds are exceeded, as in reward constrained policy optimization (Tessler, Mankowitz and Mannor,
ICLR 2019, equations 5 to 7; see also Stooke, Achiam and Abbeel, ICML 2020); the squares, after
Hestenes (1969) and Powell (1969), make rare large excesses dear. The learned model of the
constrained quantity is that of Dalal et al., "Safe exploration in continuous action spaces" (2018,
section 5), and the margin a back-off as in Petsagkourakis et al., "Chance constrained policy
optimization for process control" (2022). All of it is centralised and part of training alone.

Shapes: B rows, O columns of the joint observation, E sets of joint actions (see
`algorithms.losses.actor_actions`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.learning.descent import Reduce, Trained
from policies.networks.fitted_observations import FittedObservations
from policies.networks.stacked import StackedLinear


def excess(obs: Tensor, low: Tensor, high: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """How far observations lie outside bounds that are tightened by a margin.

    Args:
        obs: (..., O).
        low: (O,), -inf where there is no bound.
        high: (O,), inf where there is none.
        margin: >= 0, in the unit of the observations.

    Returns:
        (..., O), 0 inside.
    """
    return F.relu(obs - (high - margin)) + F.relu(low + margin - obs)


def charge(outside: Tensor, multipliers: Tensor, curvature: Tensor | float) -> Tensor:
    """What excess costs: sum over j of lambda_j e_j + curvature / 2 e_j^2.

    Args:
        outside: (..., O) excess e, >= 0.
        multipliers: (O,), >= 0.
        curvature: >= 0.

    Returns:
        (...).
    """
    return ((multipliers + 0.5 * curvature * outside) * outside).sum(-1)


def ascended(multipliers: Tensor, outside: Tensor, step: Tensor | float) -> Tensor:
    """Dual ascent: lambda + step E[excess], for the constraint E[excess] <= 0.

    An excess is never negative, so multipliers never fall: the bounds are to hold in every state
    and not on average.

    Args:
        multipliers: (O,).
        outside: (O,) mean excess over the bounds themselves, without margin.
        step: >= 0.

    Returns:
        (O,).
    """
    return multipliers + step * outside


def check_bounds(spec: JointSpec, margin: float) -> None:
    """See that there are bounds to hold, and that a margin leaves room between them.

    Raises:
        ValueError: that is not so.
    """
    if not spec.obs_dim or len(spec.obs_low) != spec.obs_dim:
        raise ValueError(
            "constraint is not 'none', but the environment has no obs_low and obs_high: there is "
            "nothing to hold"
        )
    room = min(h - low for low, h in zip(spec.obs_low, spec.obs_high, strict=True)) / 2
    if margin >= room:
        raise ValueError(
            f"constraint_margin is {margin:g}, must be < {room:g}, half of what lies between the "
            "bounds"
        )


class ObservationModel(nn.Module):
    """What is measured under a joint action: a linear map of z = (s, a), and a small MLP.

    Args:
        spec: widths of the joint arrays.
        width: units of the hidden layer.
    """

    def __init__(self, spec: JointSpec, width: int) -> None:
        super().__init__()
        z = spec.state_dim + spec.action_dim
        self.linear = StackedLinear(1, z, spec.obs_dim)
        self.first = StackedLinear(1, z, width)
        self.last = StackedLinear(1, width, spec.obs_dim)
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Observations of joint actions: (B, S), (E, B, A) -> (E, B, O)."""
        e, b, _ = action.shape
        z = torch.cat([state.expand(e, b, -1), action], -1).view(1, e * b, -1)
        obs: Tensor = self.linear(z) + self.last(F.silu(self.first(z)))
        return obs.view(e, b, -1)


@dataclass(frozen=True)
class Bounds:
    """The bounds on the joint observation, and how they are priced.

    Attributes:
        low, high: (O,) in scaled units.
        margin: (O,) by which they are tightened where actors are charged.
        curvature: (O,), see `charge`.
        step: (O,) of the dual ascent, per update.
        scale: factor from multipliers to the unit in which rewards are learnt.
    """

    low: Tensor
    high: Tensor
    margin: Tensor
    curvature: Tensor
    step: Tensor
    scale: float


class Lagrangian:
    """The constraint's part of an update of the active stage.

    Args:
        model: what is measured under joint actions.
        optimizer: of the model; None where it is fitted.
        multipliers: (O,) raised in place, in units of the reward per unit of observation.
        bounds: see `Bounds`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        multipliers: Tensor,
        bounds: Bounds,
    ) -> None:
        self.model, self.multipliers, self.bounds = model, multipliers, bounds
        self._trained = Trained(model, optimizer) if optimizer is not None else None

    def learn(
        self, state: Tensor, action: Tensor, obs: Tensor, reduce: Reduce | None = None
    ) -> None:
        """One step of the model down its error.

        Args:
            state: (B, S).
            action: (B, A), replayed.
            obs: (B, O), measured under the replayed action.
            reduce: averages gradients over several learners, in place.
        """
        assert self._trained is not None  # else the model is fitted
        error = self.model(state, action[None])[0] - obs
        self._trained.descend(error.square().mean(0).sum(), reduce)

    def take(self, coefficients: dict[str, Tensor]) -> None:
        """Set the model, where it is fitted."""
        assert isinstance(self.model, FittedObservations)
        self.model.take(**coefficients)

    def price(self, state: Tensor, judged: Tensor, reduce: Reduce | None = None) -> Tensor:
        """Charge for what the actors do, then update the multipliers.

        Args:
            state: (B, S).
            judged: (E, B, A), what the actors do now.
            reduce: averages excess over several learners, in place.

        Returns:
            What the actors pay at the multipliers of before: the mean over rows, summed over E,
            to be differentiated.
        """
        bounds = self.bounds
        with torch.no_grad():
            seen = self.model(state, judged.detach())
            out = excess(seen, bounds.low, bounds.high, bounds.margin)
        if reduce is None and not bool(out.any()):  # as mostly where no bound is near
            return out.new_zeros(())
        seen = self.model(state, judged)
        tightened = excess(seen, bounds.low, bounds.high, bounds.margin)
        paid = charge(tightened, self.multipliers, bounds.curvature).mean(1).sum()
        outside = excess(seen.detach(), bounds.low, bounds.high).mean((0, 1))
        if reduce is not None:
            reduce([outside])
        self.multipliers.copy_(ascended(self.multipliers, outside, bounds.step))
        return bounds.scale * paid
