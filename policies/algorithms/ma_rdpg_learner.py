"""The RLlib learner of MA-RDPG: MADDPG's, with updates through whole trajectories."""

from __future__ import annotations

from typing import Any

import torch

from policies.algorithms.ma_rdpg_update import RecurrentTeam
from policies.networks.recurrent_layers import in_rounds
from policies.staged.learner import MADDPGLearner
from policies.staged.modules import CRITIC, actor_id
from policies.staged.update import own_columns


class MARDPGLearner(MADDPGLearner):
    """Updates recurrent actors and critics from rows that hold whole trajectories."""

    def fit_inputs(self, sample: Any) -> None:
        """Take the actors' fixed input maps from a sample of trajectories (N, rounds * width)."""
        module = self.module[actor_id(1)].unwrapped()
        flat = torch.as_tensor(sample, device=self._device)
        inputs = in_rounds(flat, module.actor.spec.input_dim(2))
        for actor in (module.actor, module.target):
            actor.fit_inputs(inputs, self.config.whiten_floor)

    def _make_team(self) -> Any:
        actor = self.module[actor_id(1)].unwrapped()
        critic = self.module[CRITIC].unwrapped()
        return RecurrentTeam(
            actor=actor.actor,
            target_actor=actor.target,
            critic=critic.critic,
            target_critic=critic.target,
            actor_optimizer=self._optimizer(actor_id(1)),
            critic_optimizer=self._optimizer(CRITIC),
            own=own_columns(actor.actor.spec).to(self._device),
            updates=self._updates,
            lagrangian=self._lagrangian(actor.actor.spec),
        )
