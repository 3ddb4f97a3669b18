"""A toy on-policy algorithm: REINFORCE with a baseline, from whole trajectories."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn
from torch.nn import functional as F

from policies.algorithms.settings import shared_settings
from policies.learning.descent import Trained
from policies.learning.update import Update
from policies.sampling.memories import TrajectoryMemory
from policies.staged.algorithm import StagedAlgorithm
from policies.staged.config import StagedConfig
from policies.staged.setting import Setting


class Gaussian:
    """Actors whose actions are drawn around what they would do; what was drawn joins the row."""

    def __init__(self, act, rng, sigma):
        self.act, self.rng, self.sigma = act, rng, np.float32(sigma)

    def __call__(self, inputs):
        mean = self.act(inputs)
        drawn = mean + self.sigma * self.rng.standard_normal(mean.shape, dtype=np.float32)
        return drawn.clip(-1.0, 1.0), {"drawn": drawn}

    def reset(self, mask):
        """Nothing is carried from step to step."""


class Reinforce(Update):
    def __init__(self, config, networks):
        self.sigma, self.spec = config.sigma[0], networks.spec
        self.actor, self.baseline = networks.actor, networks.central["baseline"]
        self._actor = Trained(self.actor, networks.optimizers["actor"])
        self._baseline = Trained(self.baseline, networks.optimizers["baseline"])

    def step(self, batch, rng=None, reduce=None):
        state, to_go = batch["inputs"][:, : self.spec.state_dim], batch["to_go"]
        value = self.baseline(state)  # (rows, 1)
        baseline_loss = F.mse_loss(value, to_go)
        self._baseline.descend(baseline_loss, reduce)

        score = ((batch["drawn"] - self.actor(batch["inputs"])) / self.sigma).square().sum(1)
        actor_loss = (0.5 * score * (to_go - value.detach())[:, 0]).mean()
        self._actor.descend(actor_loss, reduce)
        return {"actor": actor_loss.detach(), "baseline": baseline_loss.detach()}


class ReinforceConfig(StagedConfig):
    title = "REINFORCE"
    settings = shared_settings() | {
        "num_stages": Setting("num_stages", int, 1, "stages K", "stages"),
        "baseline_lr": Setting("baseline_lr", float, (1e-2,), "rate of the baseline", several=8),
    }
    update_class, memory_class = Reinforce, TrajectoryMemory
    averaged, candidates, random_warmup = False, ("actor",), False
    columns = ("inputs", "action", "reward", "drawn", "to_go")

    def __init__(self, algo_class=None):
        super().__init__(algo_class or ReinforceAlgorithm)

    def central_networks(self, spec):
        return {"baseline": spec and partial(nn.Linear, spec.state_dim, 1)}

    def explorer(self, act, shape, rng, sigma, spec):
        return Gaussian(act, rng, sigma)


class ReinforceAlgorithm(StagedAlgorithm):
    @classmethod
    def get_default_config(cls):
        return ReinforceConfig()
