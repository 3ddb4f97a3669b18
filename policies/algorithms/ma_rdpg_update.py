"""One update of MA-RDPG through whole trajectories: critic, actors, target networks.

After recurrent deterministic policy gradients (Heess, Hunt, Lillicrap and Silver, 2015,
"Memory-based control with recurrent neural networks", Algorithm 1) with MADDPG's centralised
critics. Shapes: B trajectories, T time steps of L rounds, m agents, n critics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.networks.recurrent import RecurrentActor, RecurrentCritics
from policies.networks.recurrent_layers import in_rounds
from policies.staged import losses
from policies.staged.constraints import Lagrangian
from policies.staged.update import Reduce, Tensors, UpdateRule, descend, polyak


def round_targets(
    reward: Tensor, gamma: float, terminated: Tensor | None, next_value: Tensor, num_rounds: int
) -> Tensor:
    """What the critics of all rounds are to learn.

    A round that only probes earns nothing, and no time passes: y = Q'(next round). The last
    round of a time step is rewarded: y = r + gamma (1 - terminated) Q'(next time step).

    Args:
        reward: (n, T, B).
        gamma: discount factor between time steps.
        terminated: (T, B), 1 where the trajectory ended; needed for gamma > 0.
        next_value: Q' at the rounds after the first, (n, T L - 1, B), for gamma > 0
            (n, T L, B) with the round that follows the last.
        num_rounds: L.

    Returns:
        (n, T L, B).
    """
    n, steps, batch = reward.shape
    if terminated is None:
        next_value = torch.cat([next_value, torch.zeros_like(reward[:, :1])], 1)
    target = next_value.reshape(n, steps, num_rounds, batch).clone()
    if terminated is None:
        target[:, :, -1] = reward
    else:
        target[:, :, -1] = losses.td_target(reward, gamma, terminated, target[:, :, -1])
    return target.flatten(1, 2)


@dataclass
class RecurrentTeam:
    """The recurrent networks with their optimizers; `update` serves all agents at once."""

    actor: RecurrentActor
    target_actor: RecurrentActor
    critic: RecurrentCritics
    target_critic: RecurrentCritics
    actor_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer
    own: Tensor  # (m, 1, A) bool
    updates: int = 0
    lagrangian: Lagrangian | None = None  # where bounds on observations are to be held

    def __post_init__(self) -> None:
        self._actor, self._target_actor = Tensors(self.actor), Tensors(self.target_actor)
        self._critic, self._target_critic = Tensors(self.critic), Tensors(self.target_critic)

    def update(
        self, batch: dict[str, Tensor], rule: UpdateRule, reduce: Reduce | None = None
    ) -> tuple[Tensor, Tensor]:
        """Update critic, actors and target networks by one minibatch of trajectories.

        Args:
            batch: flat rows, round by round: `inputs` (B, R (S + A + O)), R = T L, for
                gamma > 0 with one round more; `action` (B, T L A), `reward` (B, T n), for
                gamma > 0 `terminated` (B, T), and with a Lagrangian `obs` (B, T O).
            rule: see `UpdateRule`.
            reduce: averages gradients over several learners, in place.

        Returns:
            The critic's and the actors' loss, detached scalars.
        """
        spec, n = self.actor.spec, self.critic.n
        inputs = in_rounds(batch["inputs"], spec.input_dim(2))
        action = in_rounds(batch["action"], spec.action_dim)  # (T L, B, A)
        reward = in_rounds(batch["reward"], n).permute(2, 0, 1)  # (n, T, B)
        rounds = len(action)

        with torch.no_grad():
            target = reward
            if len(inputs) > 1:
                later = self.target_actor(inputs)[1:].expand(n, -1, -1, -1)
                memory = self.target_critic.remember(inputs)[:, 1:]
                next_value = self.target_critic(inputs[1:], memory, later, start=1)
                ended = batch["terminated"].t() if rule.gamma > 0.0 else None
                target = round_targets(reward, rule.gamma, ended, next_value, self.actor.num_rounds)
        seen = inputs[:rounds]
        memory = self.critic.remember(seen)
        value = self.critic(seen, memory, action.expand(n, -1, -1, -1))
        critic_loss = losses.critic_loss(value.flatten(1), target.flatten(1))
        descend(critic_loss, self._critic, self.critic_optimizer, reduce)

        with torch.no_grad():
            memory = self.critic.remember(seen)
        judged = losses.actor_actions(
            self.actor(seen).flatten(0, 1),
            action.flatten(0, 1),
            self.own,
            joint=rule.joint_actor_step,
            n=n,
        )  # (E, T L * B, A)
        judged = judged.view(len(judged), *action.shape)
        actor_loss = losses.actor_loss(self.critic(seen, memory, judged).flatten(1))
        if self.lagrangian is not None:
            obs = in_rounds(batch["obs"], spec.obs_dim).flatten(0, 1)
            actor_loss = actor_loss + self._charge(seen, action, obs, judged, reduce)
        descend(actor_loss, self._actor, self.actor_optimizer, reduce)

        self.updates += 1
        # Early on the average forgets faster, so that the initial weights leave no trace.
        polyak(self._target_actor, self._actor, max(rule.tau, 1.0 / (self.updates + 1)))
        polyak(self._target_critic, self._critic, rule.tau)
        return critic_loss.detach(), actor_loss.detach()

    def _charge(
        self, seen: Tensor, action: Tensor, obs: Tensor, judged: Tensor, reduce: Reduce | None
    ) -> Tensor:
        """What is paid in the rewarded rounds, the last of each time step; see `Lagrangian`."""
        assert self.lagrangian is not None
        rounds = self.actor.num_rounds
        rewarded = slice(rounds - 1, None, rounds)
        state = seen[rewarded, :, : self.actor.spec.state_dim].flatten(0, 1)
        return self.lagrangian.update(
            state, action[rewarded].flatten(0, 1), obs, judged[:, rewarded].flatten(1, 2), reduce
        )
