"""Which modules a configuration asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from policies.contract.joint_spec import JointSpec
from policies.staged.modules import (
    CONSTRAINT,
    CRITIC,
    ConstraintModule,
    CriticModule,
    actor_id,
    actor_spec,
    learner_spec,
)

_CONSTRAINT_SEED = 900  # apart from those of critics and actors


class JointBox(Box):
    """The space of a joint input; knows how it is divided among the agents."""

    def __init__(self, width: int, spec: JointSpec) -> None:
        super().__init__(-np.inf, np.inf, (width,))
        self.spec = spec


def module_specs(
    config: Any, spaces: dict[str, tuple[Any, Any]], inference_only: bool
) -> dict[str, RLModuleSpec]:
    """One module per stage with its actors and, on learners, one with the critics.

    Where bounds on observations are to be held, learners have one more that holds them.

    Args:
        config: a `MADDPGConfig`.
        spaces: see `MADDPGConfig.module_spaces`.
        inference_only: whether they are for a runner.
    """
    seed = (config.seed or 0) % 2**32 * 1_000
    spec: JointSpec = spaces[CRITIC][0].spec
    shared = {"joint_spec": spec.to_dict()}
    specs = {}
    for stage in range(1, config.num_stages + 1):
        model = {"stage": stage, "kind": config.actor_net, "width": config.actor_width}
        specs[actor_id(stage)] = actor_spec(
            {**shared, **model, "seed": seed + stage}, spaces[actor_id(stage)]
        )
        specs[actor_id(stage)].inference_only = inference_only
    if inference_only:
        return specs
    model = {
        "num_critics": 1 if config.critic == "shared" else spec.num_agents,
        "kind": config.critic_net,
        "width": config.critic_width,
        "rows": config.critic_rows,
    }
    specs[CRITIC] = learner_spec(CriticModule, {**shared, **model, "seed": seed}, spaces[CRITIC])
    if config.constraint != "none":
        model = {"width": config.critic_width, "price": config.constraint_of(1)["price"]}
        specs[CONSTRAINT] = learner_spec(
            ConstraintModule,
            {**shared, **model, "seed": seed + _CONSTRAINT_SEED},
            spaces[CONSTRAINT],
        )
    return specs
