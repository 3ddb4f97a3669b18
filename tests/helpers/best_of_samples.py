"""A toy off-policy algorithm: actors imitate the best of some actions around their own.

A critic learns the reward of a replayed row; of `samples` joint actions around what the actors do,
the one that it likes best is what they are to do.
"""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from policies.algorithms.settings import shared_settings
from policies.learning.descent import Trained
from policies.learning.update import Update
from policies.networks.critics import Critics
from policies.staged.algorithm import StagedAlgorithm
from policies.staged.config import StagedConfig
from policies.staged.setting import Setting


class BestOfSamples(Update):
    draws = True

    def __init__(self, config, networks):
        self.samples, self.spec = config.samples, networks.spec
        self.actor, self.critic = networks.actor, networks.central["critic"]
        self._actor = Trained(self.actor, networks.optimizers["actor"])
        self._critic = Trained(self.critic, networks.optimizers["critic"])

    def step(self, batch, rng=None, reduce=None):
        state = batch["inputs"][:, : self.spec.state_dim]
        value = self.critic(state, batch["action"][None])
        critic_loss = F.mse_loss(value, batch["reward"].t())
        self._critic.descend(critic_loss, reduce)

        policy = self.actor(batch["inputs"])  # (B, A)
        noise = 0.2 * torch.randn(self.samples, *policy.shape, generator=rng)
        tried = (policy.detach() + noise).clamp(-1.0, 1.0)  # (samples, B, A)
        with torch.no_grad():
            best = self.critic(state, tried).argmax(0)  # (B,)
        actor_loss = F.mse_loss(policy, tried[best, torch.arange(len(best))])
        self._actor.descend(actor_loss, reduce)
        return {"actor": actor_loss.detach(), "critic": critic_loss.detach()}


class BestOfSamplesConfig(StagedConfig):
    title = "best of samples"
    settings = shared_settings() | {
        "num_stages": Setting("num_stages", int, 1, "stages K", "stages"),
        "critic_lr": Setting("critic_lr", float, (5e-3,), "rate of the critic", several=8),
        "samples": Setting("samples", int, 8, "actions tried per row"),
        "replay_capacity": Setting("replay_capacity", int, 10_000, "rows of the replay"),
    }
    update_class = BestOfSamples
    averaged, candidates = False, ("actor",)

    def __init__(self, algo_class=None):
        super().__init__(algo_class or BestOfSamplesAlgorithm)

    def central_networks(self, spec):
        return {"critic": spec and partial(Critics, 1, spec, kind="quadratic-residual", width=32)}


class BestOfSamplesAlgorithm(StagedAlgorithm):
    @classmethod
    def get_default_config(cls):
        return BestOfSamplesConfig()
