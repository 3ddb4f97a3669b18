"""RLModules of MA-RDPG: one with the recurrent actors of all agents, one with the critics."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI
from ray.rllib.core.rl_module.torch import TorchRLModule

from policies.contract.joint_spec import JointSpec
from policies.networks.recurrent import RecurrentActor, RecurrentCritics
from policies.networks.recurrent_layers import in_rounds


class RecurrentActorModule(TorchRLModule, InferenceOnlyAPI):
    """The recurrent actors and, on learners, their target networks.

    `model_config`: `joint_spec`, `num_rounds`, `recurs`, `kind`, `width`, `memory`, `seed`. A
    batch's observations are whole trajectories, (B, rounds * (S + A + O)); so are its actions.
    """

    def setup(self) -> None:
        """Build the networks, from the module's own seed."""
        config: dict[str, Any] = self.model_config
        spec = JointSpec.from_dict(config["joint_spec"])
        make = {name: config[name] for name in ("recurs", "kind", "width", "memory")}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config["seed"])
            self.actor = RecurrentActor(spec, config["num_rounds"], **make)
            self.target = RecurrentActor(spec, config["num_rounds"], **make)
        self.target.load_state_dict(self.actor.state_dict())
        # As `rl_modules.ActorModule` says of its stage; here there is one, which has begun.
        self.begun: torch.Tensor
        self.register_buffer("begun", torch.tensor(True))

    def get_non_inference_attributes(self) -> list[str]:
        """The target actors live on learners only."""
        return ["target"]

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        action = self.actor(in_rounds(batch[Columns.OBS], self.actor.spec.input_dim(2)))
        return {Columns.ACTIONS: action.transpose(0, 1).flatten(1)}


class RecurrentCriticModule(TorchRLModule):
    """The recurrent critics and their target networks; built on learners only.

    `model_config`: `joint_spec`, `num_critics`, `num_rounds`, `recurs`, `kind`, `width`,
    `memory`, `rows`, `seed`.
    """

    def setup(self) -> None:
        """Build the networks, from the module's own seed."""
        config: dict[str, Any] = self.model_config
        spec = JointSpec.from_dict(config["joint_spec"])
        make = {name: config[name] for name in ("recurs", "kind", "width", "memory", "rows")}
        shape = (config["num_critics"], spec, config["num_rounds"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config["seed"])
            self.critic = RecurrentCritics(*shape, **make)
            self.target = RecurrentCritics(*shape, **make)
        self.target.load_state_dict(self.critic.state_dict())

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        inputs = in_rounds(batch[Columns.OBS], self.critic.spec.input_dim(2))
        action = in_rounds(batch[Columns.ACTIONS], self.critic.spec.action_dim)
        value = self.critic(inputs, self.critic.remember(inputs), action[None])
        return {"q": value.transpose(1, 2)}  # (1, B, rounds)
