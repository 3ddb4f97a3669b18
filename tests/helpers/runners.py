"""Runners of the quadratic game, without Ray."""

from __future__ import annotations

import numpy as np
from quadratic_game import JointGame
from tiny_training import DESCENDED

from policies import MADDPGConfig
from policies.learning.modules import actor_id
from policies.sampling.runner import StagedRunner


class VariedGame(JointGame):
    """Trajectories of 1, 2 or 3 steps, drawn at reset, with meters that are never exact."""

    def reset(self, mask=None):
        fresh = np.ones(self.num_envs, bool) if mask is None else mask
        if not hasattr(self, "until"):
            self.until = np.zeros(self.num_envs, int)
        self.until[fresh] = self.rng.integers(1, 4, fresh.sum())
        return super().reset(mask)

    def step(self, action):
        step = super().step(action)
        return step._replace(truncated=self.time >= self.until)

    def probe(self, action):
        return super().probe(action) + np.float32(0.1) * self._draw(self.num_envs)


def make_runner(stage=1, num_stages=2, lanes=8, env=None, horizon=1, **settings):
    config = (
        MADDPGConfig()
        .environment("quadratic_game", env_config={"horizon": horizon})
        .env_runners(num_envs_per_env_runner=lanes)
        .stages(num_stages=num_stages)
        .training(**{**DESCENDED, "actor_width": 8, "reward_scale": 1.0, **settings})
        .debugging(seed=0)
    )
    runner = StagedRunner(config=config)
    if env is not None:
        for count in range(1, lanes + 1):
            runner.lanes._joint[count] = env(count, 0, horizon=3)
    for later in range(2, stage + 1):
        runner.module[actor_id(later)].begun.fill_(True)
    assert runner.stage == stage
    return runner


def weights_of(runner, stage):
    return {k: v.clone() for k, v in runner.module[actor_id(stage)].actor.state_dict().items()}
