"""The RLlib learner of algorithms in stages: many joint updates per call."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.typing import StateDict
from torch import Tensor

from policies.learning.constraints import Bounds, Lagrangian
from policies.learning.descent import copy_weights
from policies.learning.modules import CONSTRAINT, ROWS, active_stage, actor_id
from policies.learning.schedule import cosine_decay, of_stage
from policies.learning.update import StageNetworks, Update

UPDATES = "stage_updates"


class StagedLearner(TorchLearner):
    """Updates the active stage's actors and all central networks from joint rows.

    A call of `update` brings a stack of minibatches under one module id; they are worked off one
    after another inside one RLlib update, so that RLlib's bookkeeping is paid once per stack. With
    several learners each holds a part of every minibatch, and gradients are averaged over learners
    before every optimizer step.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._updates = 0  # of the active stage
        self._stage_update: Update | None = None
        self._rng = torch.Generator()

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Adam for the current networks of a module; targets and fixed maps are not optimised.

        No rate is registered with RLlib, which would write it back after every call: the
        learner sets base rate times decay before every update.
        """
        parameters = list(self.module[module_id].unwrapped().trained.parameters())
        if not parameters:  # what is fitted in closed form
            return
        optimizer = torch.optim.Adam(parameters, fused=True)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=parameters)

    @property
    def stage(self) -> int:
        """The stage in training, counted from 1."""
        return active_stage(self.module)

    @property
    def central(self) -> tuple[str, ...]:
        """Names of the networks that see everything."""
        actors = {actor_id(k + 1) for k in range(self.config.num_stages)}
        return tuple(name for name in self.module.keys() if name not in {*actors, CONSTRAINT})  # noqa: SIM118

    def begin_stage(self, stage: int, frozen: StateDict) -> None:
        """Go on to a stage: fresh optimizers, central networks carried over (or not).

        Args:
            stage: counted from 1.
            frozen: the weights that the actors of the stage before keep.
        """
        self.freeze(stage - 1, frozen)
        for name in self.central:
            module = self.module[name].unwrapped()
            if self.config.carry_critic:
                copy_weights(module.target, module.network)
            else:
                module.restart(stage)
            self._optimizer(name).state.clear()
        self.module[actor_id(stage)].unwrapped().begun.fill_(True)
        if CONSTRAINT in self.module:
            self.module[CONSTRAINT].unwrapped().begin(self._constraint_of(stage))
            if self._is_learnt(CONSTRAINT):
                self._optimizer(CONSTRAINT).state.clear()
        self._updates, self._stage_update = 0, None

    def freeze(self, stage: int, frozen: StateDict) -> None:
        """Set a stage's actors to the weights they keep from now on."""
        module = self.module[actor_id(stage)].unwrapped()
        weights = {name: torch.as_tensor(value) for name, value in frozen.items()}
        for network in self._actors(module):
            network.load_state_dict(weights)

    def fit_inputs(self, sample: Any) -> None:
        """Take the active actors' fixed input map from a sample of joint inputs (N, width)."""
        module = self.module[actor_id(self.stage)].unwrapped()
        inputs = self.config.actor_sample(torch.as_tensor(sample, device=self._device))
        for network in self._actors(module):
            network.fit_inputs(inputs, self.config.whiten_floor)

    def fit(self, rows: dict[str, Any], near: Any, inputs: Any) -> dict[str, float]:
        """Have the active stage's update fit what it fits on all rows, see `Update.fit`."""
        update = self.stage_update()
        words = (self.config.seed or 0, self.stage, self._updates, 3)
        rng = torch.Generator(self._device)
        rng.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]))
        held = {name: torch.as_tensor(column, device=self._device) for name, column in rows.items()}
        near, inputs = (torch.as_tensor(x, device=self._device) for x in (near, inputs))
        figures = update.fit(held, near, inputs, rng)
        for name, value in figures.items():
            self.metrics.log_value((actor_id(self.stage), name), float(value), window=1)
        return figures

    def tighten(self, worst: Any, relaxed: float) -> None:
        """Move the margins of the bounds after a validation, see `ConstraintModule.tighten`."""
        self.module[CONSTRAINT].unwrapped().tighten(
            torch.as_tensor(worst, device=self._device), relaxed
        )

    def _actors(self, module: Any) -> list[Any]:
        return [module.actor, *([module.target] if hasattr(module, "target") else [])]

    def _uncompiled_update(self, batch: dict[str, Any], **kwargs: Any) -> tuple[Any, Any, Any]:
        """Work off the stack of minibatches in `batch`."""
        config, stage, update = self.config, self.stage, self.stage_update()
        columns = {name: batch[ROWS][name] for name in config.columns}
        rows = len(columns["action"])
        size = config.minibatch_size // max(1, config.num_learners)
        reduce = self._average_gradients if config.num_learners > 1 else None
        rates = [
            (self._optimizer(name), of_stage(getattr(config, rate), stage))
            for name, rate in self._rates(stage)
        ]
        plan = config.plan(stage)
        figures: list[dict[str, Tensor]] = []
        for start in range(0, rows, rows if config.memory_class.whole else size):
            decay = 1.0
            if config.lr_decay == "cosine":
                decay = cosine_decay(plan.progress(self._updates))
            for optimizer, rate in rates:
                for group in optimizer.param_groups:
                    group["lr"] = rate * decay
            stop = rows if config.memory_class.whole else start + size
            minibatch = {name: column[start:stop] for name, column in columns.items()}
            figures.append(update.step(minibatch, self._drawn_from(stage, update), reduce))
            self._updates += 1
        means = {name: torch.stack([f[name] for f in figures]).mean() for name in figures[0]}
        losses = {}
        for name, mean in means.items():
            module_id = actor_id(stage) if name == "actor" else name
            if module_id in self.module:
                losses[module_id] = mean
            else:
                self.metrics.log_value((actor_id(stage), name), float(mean), window=1)
        return {}, losses, {}

    def _is_learnt(self, module_id: str) -> bool:
        """Whether a module has an optimizer: what is fitted in closed form has none."""
        trained = self.module[module_id].unwrapped().trained if module_id in self.module else None
        return trained is not None and any(True for _ in trained.parameters())

    def _rates(self, stage: int) -> list[tuple[str, str]]:
        """Module id and name of the rate, of everything that is trained in a stage."""
        rates = [(actor_id(stage), "actor_lr")]
        rates += [(name, f"{name}_lr") for name in self.central]
        if self._is_learnt(CONSTRAINT):  # a regression on the critic's own rows
            rates.append((CONSTRAINT, "critic_lr"))
        return rates

    def _drawn_from(self, stage: int, update: Update) -> torch.Generator | None:
        if not update.draws:
            return None
        rank = torch.distributed.get_rank() if self.config.num_learners > 1 else 0
        words = (self.config.seed or 0, stage, self._updates, rank, 2)
        self._rng.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]))
        return self._rng

    def compute_loss_for_module(self, **kwargs: Any) -> Tensor:
        """Not used: losses see several modules, so `_uncompiled_update` holds them."""
        raise NotImplementedError("algorithms in stages have no loss of a single module")

    def stage_update(self) -> Update:
        """The update of the active stage, with its networks and optimizers."""
        if self._stage_update is None:
            self._stage_update = self.config.chosen_update.of(self.config, self._networks())
        return self._stage_update

    def _networks(self) -> StageNetworks:
        stage = self.stage
        actor = self.module[actor_id(stage)].unwrapped()
        central = {name: self.module[name].unwrapped() for name in self.central}
        return StageNetworks(
            spec=actor.actor.spec,
            stage=stage,
            actor=actor.actor,
            target_actor=getattr(actor, "target", None),
            central={name: module.network for name, module in central.items()},
            targets={name: module.target for name, module in central.items()},
            optimizers={
                "actor": self._optimizer(actor_id(stage)),
                **{name: self._optimizer(name) for name in central},
            },
            lagrangian=self._lagrangian(actor.actor.spec),
            updates=self._updates,
        )

    def _lagrangian(self, spec: Any) -> Lagrangian | None:
        if CONSTRAINT not in self.module:
            return None
        module, how = self.module[CONSTRAINT].unwrapped(), self._constraint_of(self.stage)
        bounds = Bounds(
            low=torch.tensor(spec.obs_low, device=self._device),
            high=torch.tensor(spec.obs_high, device=self._device),
            margin=module.margin,
            curvature=torch.tensor(how["curvature"], device=self._device),
            step=torch.tensor(how["step"], device=self._device),
            scale=self.config.reward_scale,
        )
        learnt = self._is_learnt(CONSTRAINT)
        optimizer = self._optimizer(CONSTRAINT) if learnt else None
        return Lagrangian(module.model, optimizer, module.multipliers, bounds)

    def _constraint_of(self, stage: int) -> dict[str, list[float]]:
        spec = self.module[actor_id(stage)].unwrapped().actor.spec
        how: dict[str, list[float]] = self.config.constraint_of(stage, spec.obs_dim)
        return how

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
        self._stage_update = None
