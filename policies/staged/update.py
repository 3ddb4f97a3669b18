"""One update of MADDPG: critic, actors, target networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from policies.contract.joint_spec import JointSpec
from policies.networks.team import Critics, TeamActor
from policies.staged import losses

if TYPE_CHECKING:
    from policies.staged.constraints import Lagrangian  # it imports this room

Reduce = Callable[[list[Tensor]], None]


@dataclass(frozen=True)
class UpdateRule:
    """What an update depends on besides networks and data.

    Attributes:
        gamma: discount factor in [0, 1).
        tau: step of the target actors towards the current ones, in (0, 1].
        joint_actor_step: see `losses.actor_actions`.
        critic_tau: step of the target critics, in (0, 1]; `tau` if None.
    """

    gamma: float
    tau: float
    joint_actor_step: bool
    critic_tau: float | None = None


def own_columns(spec: JointSpec) -> Tensor:
    """The columns of the joint action that belong to each agent: (m, 1, A) bool."""
    owner = torch.repeat_interleave(torch.arange(spec.num_agents), torch.tensor(spec.action_dims))
    return (owner == torch.arange(spec.num_agents)[:, None])[:, None, :]


@dataclass
class Team:
    """The networks of the active stage with their optimizers.

    `update` is Algorithm 1's inner loop for one minibatch that serves all agents.
    """

    actor: TeamActor
    target_actor: TeamActor
    critic: Critics
    target_critic: Critics
    actor_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer
    own: Tensor  # (m, 1, A) bool
    updates: int = 0
    lagrangian: Lagrangian | None = None  # where bounds on observations are to be held

    def __post_init__(self) -> None:
        # Walking through modules for their parameters would cost a tenth of an update.
        self._actor, self._target_actor = Tensors(self.actor), Tensors(self.target_actor)
        self._critic, self._target_critic = Tensors(self.critic), Tensors(self.target_critic)

    def update(
        self, batch: dict[str, Tensor], rule: UpdateRule, reduce: Reduce | None = None
    ) -> tuple[Tensor, Tensor]:
        """Update critic, actors and target networks by one minibatch.

        Args:
            batch: `inputs` (B, S or S + A + O), `action` (B, A), `reward` (B, n); for gamma > 0
                also `next_inputs` like `inputs` and `terminated` (B, 1); with a Lagrangian `obs`
                (B, O).
            rule: see `UpdateRule`.
            reduce: averages gradients over several learners, in place.

        Returns:
            The critic's and the actors' loss, detached scalars.
        """
        inputs, action = batch["inputs"], batch["action"]
        state = inputs[:, : self.actor.spec.state_dim]
        n = self.critic.n

        target = batch["reward"].t()
        if rule.gamma > 0.0:
            with torch.no_grad():
                next_inputs = batch["next_inputs"]
                next_action = self.target_actor(next_inputs).expand(n, -1, -1)
                next_value = self.target_critic(next_inputs[:, : state.shape[1]], next_action)
            terminated = batch["terminated"][:, 0]
            target = losses.td_target(target, rule.gamma, terminated, next_value)
        critic_loss = losses.critic_loss(self.critic(state, action.expand(n, -1, -1)), target)
        descend(critic_loss, self._critic, self.critic_optimizer, reduce)

        judged = losses.actor_actions(
            self.actor(inputs), action, self.own, joint=rule.joint_actor_step, n=n
        )
        actor_loss = losses.actor_loss(self.critic(state, judged))
        if self.lagrangian is not None:
            actor_loss = actor_loss + self.lagrangian.update(
                state, action, batch["obs"], judged, reduce
            )
        descend(actor_loss, self._actor, self.actor_optimizer, reduce)

        self.updates += 1
        # Early on the average forgets faster, so that the initial weights leave no trace.
        polyak(self._target_actor, self._actor, max(rule.tau, 1.0 / (self.updates + 1)))
        if rule.gamma > 0.0:
            polyak(self._target_critic, self._critic, rule.critic_tau or rule.tau)
        return critic_loss.detach(), actor_loss.detach()


class Tensors:
    """A network's parameters, with what they hold as plain tensors that share memory."""

    def __init__(self, module: nn.Module) -> None:
        self.parameters = list(module.parameters())
        self.data = [parameter.data for parameter in self.parameters]


def descend(
    loss: Tensor, network: Tensors, optimizer: torch.optim.Optimizer, reduce: Reduce | None
) -> None:
    """One optimizer step of one network: no gradient reaches others in the graph."""
    gradients = list(torch.autograd.grad(loss, network.parameters))
    if reduce is not None:
        reduce(gradients)
    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


def polyak(target: Tensors, source: Tensors, tau: float) -> None:
    """target <- tau source + (1 - tau) target, over all parameters."""
    torch._foreach_lerp_(target.data, source.data, tau)


def copy_weights(target: nn.Module, source: nn.Module) -> None:
    """Set a network equal to another one, buffers included."""
    target.load_state_dict(source.state_dict())
