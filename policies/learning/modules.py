"""RLModules of algorithms in stages: the actors of each stage, and what learners alone have."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import nn

from policies.contract.joint_spec import JointSpec

Make = Callable[[], nn.Module]  # picklable: a partial of a class

CONSTRAINT = "constraint"
_RESTARTED = 500  # apart from the seeds of the stages' actors


def actor_id(stage: int) -> str:
    """The module id of a stage's actors; stages count from 1."""
    return f"actor_{stage}"


ROWS = actor_id(1)  # whose id joint rows travel under, whatever the stage


class JointBox(Box):
    """The space of a joint input; knows how it is divided among the agents."""

    def __init__(self, width: int, spec: JointSpec) -> None:
        super().__init__(-np.inf, np.inf, (width,))
        self.spec = spec


def seeded(make: Make, seed: int) -> nn.Module:
    """A network that is initialised from a seed of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


class ActorModule(TorchRLModule, InferenceOnlyAPI):
    """The actors of one stage and, on learners, their target networks.

    `model_config`: `make` (of the network), `stage`, `averaged` (whether there are target networks)
    and `seed`.
    """

    def setup(self) -> None:
        """Build the networks, from the module's own seed."""
        config: dict[str, Any] = self.model_config
        self.actor = seeded(config["make"], config["seed"])
        if config["averaged"]:
            self.target = copy.deepcopy(self.actor)
        # In the module's state, so that wherever the weights go the active stage is known.
        self.begun: torch.Tensor
        self.register_buffer("begun", torch.tensor(config["stage"] == 1))

    @property
    def trained(self) -> nn.Module:
        """What an optimizer moves."""
        return self.actor

    def get_non_inference_attributes(self) -> list[str]:
        """The target actors live on learners only."""
        return ["target"] if self.model_config["averaged"] else []

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        act = getattr(self.actor, "of_rows", self.actor)  # where rows are whole trajectories
        return {Columns.ACTIONS: act(batch[Columns.OBS])}


class CentralModule(TorchRLModule):
    """A network that sees everything, with its target network; built on learners only.

    `model_config`: `make` (of the network) and `seed`.
    """

    def setup(self) -> None:
        """Build the networks, from the module's own seed."""
        self.network = seeded(self.model_config["make"], self.model_config["seed"])
        self.target = copy.deepcopy(self.network)

    @property
    def trained(self) -> nn.Module:
        """What an optimizer moves."""
        return self.network

    def restart(self, stage: int) -> None:
        """Forget what was learnt: fresh weights for a stage, the target set equal."""
        seed = self.model_config["seed"] + _RESTARTED + stage
        fresh = seeded(self.model_config["make"], seed).state_dict()
        self.network.load_state_dict(fresh)
        self.target.load_state_dict(fresh)

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        judge = getattr(self.network, "of_rows", self.network)  # as in `ActorModule`
        return {"q": judge(batch[Columns.OBS], batch[Columns.ACTIONS][None])}


class ConstraintModule(TorchRLModule):
    """The model of what is measured, multipliers and margins; built on learners only.

    `model_config`: `make` (of the model), `how` (the first stage's `constraint_of`) and `seed`.
    """

    def setup(self) -> None:
        """Build the model, from the module's own seed."""
        config: dict[str, Any] = self.model_config
        self.model = seeded(config["make"], config["seed"])
        self.multipliers: torch.Tensor
        self.margin: torch.Tensor
        for name, key in (("multipliers", "price"), ("margin", "margin")):
            self.register_buffer(name, torch.tensor(config["how"][key]))

    def begin(self, how: dict[str, list[float]]) -> None:
        """Set multipliers and margins to what a stage begins with."""
        self.multipliers.copy_(torch.tensor(how["price"]))
        self.margin.copy_(torch.tensor(how["margin"]))

    def tighten(self, more: torch.Tensor, relaxed: float) -> None:
        """Move the margins after a validation.

        Args:
            more: (O,) what comes on top.
            relaxed: factor on what was there.
        """
        self.margin.mul_(relaxed).add_(more)

    @property
    def trained(self) -> nn.Module:
        """What an optimizer moves."""
        return self.model

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
