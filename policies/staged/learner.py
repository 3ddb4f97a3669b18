"""The RLlib learner of MADDPG: many joint updates per call."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.typing import StateDict
from torch import Tensor

from policies.contract.joint_spec import JointSpec
from policies.staged.constraints import Bounds, Lagrangian
from policies.staged.modules import CONSTRAINT, CRITIC, active_stage, actor_id
from policies.staged.stages import cosine_decay, of_stage
from policies.staged.update import Team, UpdateRule, copy_weights, own_columns

UPDATES = "maddpg_updates"


class MADDPGLearner(TorchLearner):
    """Updates the active stage's actors and the critics from joint rows.

    A call of `update` brings a stack of minibatches under the critic's module id; they are
    worked off one after another inside one RLlib update, so that RLlib's bookkeeping is paid
    once per stack. With several learners each holds a part of every minibatch, and gradients
    are averaged over learners before every optimizer step.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._updates = 0  # of the active stage
        self._team: Team | None = None

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Adam for the current networks of a module; targets and fixed maps are not optimised.

        No rate is registered with RLlib, which would write it back after every call: the
        learner sets base rate times decay before every update.
        """
        module = self.module[module_id].unwrapped()
        network = getattr(module, {CRITIC: "critic", CONSTRAINT: "model"}.get(module_id, "actor"))
        parameters = list(network.parameters())
        optimizer = torch.optim.Adam(parameters, fused=True)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=parameters)

    def begin_stage(self, stage: int, best_actor: StateDict) -> None:
        """Go on to a stage: fresh optimizers, critic carried over (or not) with an equal target.

        Args:
            stage: counted from 1.
            best_actor: the best-on-validation weights of the stage before, which is frozen
                with them.
        """
        self.freeze(stage - 1, best_actor)
        critic = self.module[CRITIC].unwrapped()
        if self.config.carry_critic:
            copy_weights(critic.target, critic.critic)
        else:
            critic.restart(stage)
        self.module[actor_id(stage)].unwrapped().begun.fill_(True)
        self._optimizer(CRITIC).state.clear()
        if CONSTRAINT in self.module:
            price = self.config.constraint_of(stage)["price"]
            self.module[CONSTRAINT].unwrapped().multipliers.fill_(price)
            self._optimizer(CONSTRAINT).state.clear()
        self._updates, self._team = 0, None

    def freeze(self, stage: int, best_actor: StateDict) -> None:
        """Set a stage's actors to the weights they keep from now on."""
        module = self.module[actor_id(stage)].unwrapped()
        weights = {name: torch.as_tensor(value) for name, value in best_actor.items()}
        module.actor.load_state_dict(weights)
        module.target.load_state_dict(weights)

    @property
    def stage(self) -> int:
        """The stage in training, counted from 1."""
        return active_stage(self.module)

    def fit_inputs(self, sample: Any) -> None:
        """Take the active actors' fixed input map from a sample of joint inputs (N, width)."""
        module = self.module[actor_id(self.stage)].unwrapped()
        inputs = torch.as_tensor(sample, device=self._device)
        for actor in (module.actor, module.target):
            actor.fit_inputs(inputs, self.config.whiten_floor)

    def _uncompiled_update(self, batch: dict[str, Any], **kwargs: Any) -> tuple[Any, Any, Any]:
        """Work off the stack of minibatches in `batch`."""
        config, stage, team = self.config, self.stage, self.team()
        rule = UpdateRule(config.gamma, config.tau, config.actor_step == "joint", config.critic_tau)
        columns = {name: batch[CRITIC][name] for name in config.replay_columns()}
        size = config.minibatch_size // max(1, config.num_learners)
        reduce = self._average_gradients if config.num_learners > 1 else None
        rates = [
            (team.actor_optimizer, of_stage(config.actor_lr, stage)),
            (team.critic_optimizer, of_stage(config.critic_lr, stage)),
        ]
        if CONSTRAINT in self.module:  # a regression on the same rows as the critic's
            rates.append((self._optimizer(CONSTRAINT), of_stage(config.critic_lr, stage)))
        updates = config.plan(stage).updates
        losses = []
        for start in range(0, len(columns["action"]), size):
            decay = 1.0
            if config.lr_decay == "cosine":
                decay = cosine_decay(self._updates / max(1, updates))
            for optimizer, rate in rates:
                for group in optimizer.param_groups:
                    group["lr"] = rate * decay
            minibatch = {name: column[start : start + size] for name, column in columns.items()}
            losses.append(torch.stack(team.update(minibatch, rule, reduce)))
            self._updates += 1
        mean = torch.stack(losses).mean(0)
        return {}, {CRITIC: mean[0], actor_id(stage): mean[1]}, {}

    def compute_loss_for_module(self, **kwargs: Any) -> Tensor:
        """Not used: MADDPG's losses see several modules, so `_uncompiled_update` holds them."""
        raise NotImplementedError("MADDPG has no loss of a single module")

    def team(self) -> Team:
        """The networks of the active stage with their optimizers."""
        if self._team is None:
            self._team = self._make_team()
        return self._team

    def _make_team(self) -> Team:
        actor = self.module[actor_id(self.stage)].unwrapped()
        critic = self.module[CRITIC].unwrapped()
        spec: JointSpec = actor.actor.spec
        return Team(
            actor=actor.actor,
            target_actor=actor.target,
            critic=critic.critic,
            target_critic=critic.target,
            actor_optimizer=self._optimizer(actor_id(self.stage)),
            critic_optimizer=self._optimizer(CRITIC),
            own=own_columns(spec).to(self._device),
            updates=self._updates,
            lagrangian=self._lagrangian(spec),
        )

    def _lagrangian(self, spec: JointSpec) -> Lagrangian | None:
        if CONSTRAINT not in self.module:
            return None
        module, how = self.module[CONSTRAINT].unwrapped(), self.config.constraint_of(self.stage)
        bounds = Bounds(
            low=torch.tensor(spec.obs_low, device=self._device),
            high=torch.tensor(spec.obs_high, device=self._device),
            margin=how["margin"],
            curvature=how["curvature"],
            step=how["step"],
            scale=self.config.reward_scale,
        )
        return Lagrangian(module.model, self._optimizer(CONSTRAINT), module.multipliers, bounds)

    def _average_gradients(self, gradients: list[Tensor]) -> None:
        flat = torch.cat([g.reshape(-1) for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.config.num_learners
        start = 0
        for gradient in gradients:
            stop = start + gradient.numel()
            gradient.copy_(flat[start:stop].view_as(gradient))
            start = stop

    def _optimizer(self, module_id: str) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self.get_optimizer(module_id)
        return optimizer

    def get_state(self, *args: Any, **kwargs: Any) -> StateDict:
        """RLlib's state, and the place in the schedule."""
        state = super().get_state(*args, **kwargs)
        state[UPDATES] = self._updates
        return state

    def set_state(self, state: StateDict) -> None:
        """The inverse of `get_state`."""
        super().set_state(state)
        self._updates = state.get(UPDATES, self._updates)
        self._team = None
