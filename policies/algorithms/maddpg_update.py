"""MADDPG's update: Algorithm 1's inner loop for one minibatch.

Shapes: B rows of a minibatch, m agents, n critics (1 shared, or m), A the joint action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from policies.algorithms import losses
from policies.learning.constraints import Lagrangian
from policies.learning.descent import Reduce, Tensors, Trained, polyak
from policies.learning.update import StageNetworks, Update

CRITIC = "critic"


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


@dataclass
class MADDPGUpdate(Update):
    """Algorithm 1's inner loop for one minibatch that serves all agents.

    Attributes:
        rule: Of the updates.
        actor: Of the active stage; the critics are all stages' own.
        updates: Of the active stage, so far.
        lagrangian: Where bounds on observations are to be held.
    """

    rule: UpdateRule
    actor: Any
    target_actor: Any
    critic: Any
    target_critic: Any
    actor_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer
    updates: int = 0
    lagrangian: Lagrangian | None = None

    def __post_init__(self) -> None:
        self._actor = Trained(self.actor, self.actor_optimizer)
        self._critic = Trained(self.critic, self.critic_optimizer)
        self._target_actor = Tensors(self.target_actor)
        self._target_critic = Tensors(self.target_critic)
        device = self._actor.data[0].device
        self._own = losses.own_columns(self.actor.spec.action_dims).to(device)

    @classmethod
    def of(cls, config: Any, networks: StageNetworks) -> Self:
        """The update of a stage, see `Update.of`."""
        tau = config.critic_tau if "critic_tau" in config.settings else None
        return cls(
            UpdateRule(config.gamma, config.tau, config.actor_step == "joint", tau),
            networks.actor,
            networks.target_actor,
            networks.central[CRITIC],
            networks.targets[CRITIC],
            networks.optimizers["actor"],
            networks.optimizers[CRITIC],
            networks.updates,
            networks.lagrangian,
        )

    def step(
        self,
        batch: dict[str, Tensor],
        rng: torch.Generator | None = None,
        reduce: Reduce | None = None,
    ) -> dict[str, Tensor]:
        """Update critics, actors and target networks by one minibatch.

        Args:
            batch: `inputs` (B, S or S + A + O), `action` (B, A), `reward` (B, n); for gamma > 0
                also `next_inputs` like `inputs` and `terminated` (B, 1); with a Lagrangian `obs`
                (B, O).
            rng: not used.
            reduce: see `Update.step`.
        """
        batch = self.read(batch)
        figures = self.learn_critics(batch, reduce)
        policy, replayed = self.actions(batch)
        joint, n = self.rule.joint_actor_step, self.critic.n
        judged = losses.actor_actions(policy, replayed, self._own, joint=joint, n=n)
        actor_loss = losses.actor_loss(self.policy_values(batch, judged))
        if self.lagrangian is not None:
            state, judged = self.measured(batch)[0], self.rewarded(batch, judged)
            actor_loss = actor_loss + self.lagrangian.price(state, judged, reduce)
        self._actor.descend(actor_loss, reduce)

        self.updates += 1
        # Early on the average forgets faster, so that the initial weights leave no trace.
        polyak(self._target_actor, self._actor, max(self.rule.tau, 1.0 / (self.updates + 1)))
        if self.bootstraps:
            polyak(self._target_critic, self._critic, self.rule.critic_tau or self.rule.tau)
        return {"actor": actor_loss.detach(), **figures}

    # --- what a variant does otherwise --------------------------------------------------------

    def learn_critics(self, batch: dict[str, Tensor], reduce: Reduce | None) -> dict[str, Tensor]:
        """One step of the critics down their error; it, by name."""
        with torch.no_grad():
            target = self.targets(batch)
        critic_loss = losses.critic_loss(self.replayed_values(batch), target)
        self._critic.descend(critic_loss, reduce)
        if self.lagrangian is not None:
            self.lagrangian.learn(*self.measured(batch), reduce)
        return {CRITIC: critic_loss.detach()}

    @property
    def bootstraps(self) -> bool:
        """Whether target critics are used."""
        return self.rule.gamma > 0.0

    def read(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The minibatch in the form that the rest takes, with the joint `state` (B, S)."""
        return {**batch, "state": batch["inputs"][:, : self.actor.spec.state_dim]}

    def targets(self, batch: dict[str, Tensor]) -> Tensor:
        """y = r + gamma (1 - terminated) Q'(s', mu'(s', a~', o')): (n, B)."""
        reward = batch["reward"].t()
        if self.rule.gamma == 0.0:
            return reward
        next_inputs = batch["next_inputs"]
        next_action = self.target_actor(next_inputs).expand(self.critic.n, -1, -1)
        next_state = next_inputs[:, : batch["state"].shape[1]]
        next_value = self.target_critic(next_state, next_action)
        return losses.td_target(reward, self.rule.gamma, batch["terminated"][:, 0], next_value)

    def replayed_values(self, batch: dict[str, Tensor]) -> Tensor:
        """Q(s, a) of the minibatch's own actions: (n, B)."""
        value: Tensor = self.critic(batch["state"], batch["action"].expand(self.critic.n, -1, -1))
        return value

    def actions(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What the current actors do, and what the minibatch holds: (B, A) each."""
        return self.actor(batch["inputs"]), batch["action"]

    def policy_values(self, batch: dict[str, Tensor], judged: Tensor) -> Tensor:
        """Q(s, a) of joint actions (E, B, A): (E, B)."""
        value: Tensor = self.critic(batch["state"], judged)
        return value

    def measured(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """States, replayed actions that were rewarded, and what was measured under them."""
        return batch["state"], batch["action"], batch["obs"]

    def rewarded(self, batch: dict[str, Tensor], judged: Tensor) -> Tensor:
        """Those of judged actions (E, B, A) that are rewarded."""
        return judged
