"""RLModules of MADDPG: actors of a stage, critics, what holds the bounds."""

from __future__ import annotations

import copy
from typing import Any

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI
from ray.rllib.core.rl_module.rl_module import RLModule, RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule

from policies.contract.joint_spec import JointSpec
from policies.networks.team import Critics, TeamActor
from policies.staged.constraints import ObservationModel

CRITIC = "critic"
CONSTRAINT = "constraint"
_RESTARTED = 500  # apart from the seeds of the stages' actors


def actor_id(stage: int) -> str:
    """The module id of a stage's actors; stages count from 1."""
    return f"actor_{stage}"


class ActorModule(TorchRLModule, InferenceOnlyAPI):
    """The actors of one stage and, on learners, their target networks.

    `model_config`: `joint_spec` (a `JointSpec` as a dict), `stage`, `kind`, `width`, `seed`.
    """

    def setup(self) -> None:
        """Build the networks, from the module's own seed."""
        config: dict[str, Any] = self.model_config
        spec = JointSpec.from_dict(config["joint_spec"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config["seed"])
            make = {"kind": config["kind"], "width": config["width"]}
            self.actor = TeamActor(spec, config["stage"], **make)
            self.target = TeamActor(spec, config["stage"], **make)
        self.target.load_state_dict(self.actor.state_dict())
        # In the module's state, so that wherever the weights go the active stage is known.
        self.begun: torch.Tensor
        self.register_buffer("begun", torch.tensor(config["stage"] == 1))

    def get_non_inference_attributes(self) -> list[str]:
        """The target actors live on learners only."""
        return ["target"]

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: self.actor(batch[Columns.OBS])}


class CriticModule(TorchRLModule):
    """The centralised critics and their target networks; built on learners only.

    `model_config`: `joint_spec`, `num_critics`, `kind`, `width`, `rows`, `seed`.
    """

    def setup(self) -> None:
        """Build the networks, from the module's own seed."""
        self.critic = self._fresh(self.model_config["seed"])
        self.target = copy.deepcopy(self.critic)

    def restart(self, stage: int) -> None:
        """Forget what the critics have learnt: fresh weights for a stage, targets set equal."""
        fresh = self._fresh(self.model_config["seed"] + _RESTARTED + stage).state_dict()
        self.critic.load_state_dict(fresh)
        self.target.load_state_dict(fresh)

    def _fresh(self, seed: int) -> Critics:
        config: dict[str, Any] = self.model_config
        spec = JointSpec.from_dict(config["joint_spec"])
        make = {"kind": config["kind"], "width": config["width"], "rows": config["rows"]}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Critics(config["num_critics"], spec, **make)

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"q": self.critic(batch[Columns.OBS], batch[Columns.ACTIONS][None])}


class ConstraintModule(TorchRLModule):
    """The model of what is measured, and the multipliers; built on learners only.

    `model_config`: `joint_spec`, `width`, `price` (of the multipliers at first), `seed`.
    """

    def setup(self) -> None:
        """Build the model, from the module's own seed."""
        config: dict[str, Any] = self.model_config
        spec = JointSpec.from_dict(config["joint_spec"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config["seed"])
            self.model = ObservationModel(spec, config["width"])
        self.multipliers: torch.Tensor
        self.register_buffer("multipliers", torch.full((spec.obs_dim,), float(config["price"])))

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"obs": self.model(batch[Columns.OBS], batch[Columns.ACTIONS][None])[0]}


def active_stage(modules: Any) -> int:
    """The stage in training: the last one that has begun.

    Args:
        modules: a `MultiRLModule` with `actor_1`, `actor_2`, ...
    """
    stage = 1
    while actor_id(stage + 1) in modules and bool(modules[actor_id(stage + 1)].unwrapped().begun):
        stage += 1
    return stage


def actor_spec(model_config: dict[str, Any], spaces: tuple[Any, Any]) -> RLModuleSpec:
    """The spec of a stage's actors; `spaces`: (observation space, action space)."""
    return RLModuleSpec(
        module_class=ActorModule,
        observation_space=spaces[0],
        action_space=spaces[1],
        model_config=model_config,
    )


def learner_spec(
    module_class: type[RLModule], model_config: dict[str, Any], spaces: tuple[Any, Any]
) -> RLModuleSpec:
    """The spec of what learners alone have: the critics, the model of what is measured."""
    return RLModuleSpec(
        module_class=module_class,
        observation_space=spaces[0],
        action_space=spaces[1],
        learner_only=True,
        model_config=model_config,
    )
