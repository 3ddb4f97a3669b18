"""MADDPG in K stages: K = 1 is MADDPG, 2 is TS-MADDPG, more is multi-stage MADDPG.

After Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments" (2017),
and Algorithm 1 of Cho, Liu, Zhou and Chen, "Communication-Free Two-Stage Multi-Agent DDPG under
Partial States and Observations". Shapes: B rows of a minibatch, m agents, n critics (1 shared, or
m), A the joint action.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from policies.algorithms import losses
from policies.algorithms.settings import MADDPG as FAMILY
from policies.algorithms.settings import settings_of
from policies.contract.joint_spec import JointSpec
from policies.learning.constraints import Lagrangian
from policies.learning.descent import Reduce, Tensors, Trained, polyak
from policies.learning.modules import Make
from policies.learning.update import StageNetworks, Update
from policies.networks.critics import Critics
from policies.staged.algorithm import StagedAlgorithm
from policies.staged.config import StagedConfig

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
        with torch.no_grad():
            target = self.targets(batch)
        critic_loss = losses.critic_loss(self.replayed_values(batch), target)
        self._critic.descend(critic_loss, reduce)

        policy, replayed = self.actions(batch)
        joint, n = self.rule.joint_actor_step, self.critic.n
        judged = losses.actor_actions(policy, replayed, self._own, joint=joint, n=n)
        actor_loss = losses.actor_loss(self.policy_values(batch, judged))
        if self.lagrangian is not None:
            measured = self.measured(batch, judged)
            actor_loss = actor_loss + self.lagrangian.update(*measured, reduce=reduce)
        self._actor.descend(actor_loss, reduce)

        self.updates += 1
        # Early on the average forgets faster, so that the initial weights leave no trace.
        polyak(self._target_actor, self._actor, max(self.rule.tau, 1.0 / (self.updates + 1)))
        if self.bootstraps:
            polyak(self._target_critic, self._critic, self.rule.critic_tau or self.rule.tau)
        return {"actor": actor_loss.detach(), CRITIC: critic_loss.detach()}

    # --- what a recurrent variant does otherwise ---------------------------------------------

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

    def measured(
        self, batch: dict[str, Tensor], judged: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """State, replayed action, what was measured under it, and judged actions."""
        return batch["state"], batch["action"], batch["obs"], judged


class MADDPGConfig(StagedConfig):
    """Configuration of MADDPG in K stages (K = 1: MADDPG, 2: TS-MADDPG, more: multi-stage).

    Example:
        >>> config = (
        ...     MADDPGConfig()
        ...     .environment("grid", env_config={"case": "ieee13"})
        ...     .stages(num_stages=2, episodes=[10_000, 10_000])
        ... )
        >>> algo = config.build_algo()
        >>> algo.train()
    """

    title = "MADDPG"
    settings = settings_of(FAMILY)
    update_class: ClassVar[type[Update]] = MADDPGUpdate

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class or MADDPG)

    @property
    def rewards_by_agent(self) -> bool:
        """With separate critics, each learns its own agent's reward."""
        return bool(self.critic == "separate")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row, see `MADDPGUpdate.step`."""
        columns = super().columns + (("obs",) if self.constraint != "none" else ())
        return (*columns, "next_inputs", "terminated") if self.gamma > 0.0 else columns

    def central_networks(self, spec: JointSpec | None) -> dict[str, Make]:
        """The critics: one, or one per agent."""
        return {CRITIC: self._critics(spec) if spec is not None else nn.Module}

    def _critics(self, spec: JointSpec) -> Make:
        n = spec.num_agents if self.rewards_by_agent else 1
        sizes = {"width": self.critic_width, "rows": self.critic_rows}
        return partial(Critics, n, spec, kind=self.critic_net, **sizes)


class MADDPG(StagedAlgorithm):
    """MADDPG, TS-MADDPG and multi-stage MADDPG, by the number of stages."""

    config: MADDPGConfig

    @classmethod
    def get_default_config(cls) -> MADDPGConfig:
        """One stage, with the defaults of the table of settings."""
        return MADDPGConfig()
