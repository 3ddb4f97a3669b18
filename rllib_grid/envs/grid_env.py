"""One feeder as an RLlib multi-agent environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rllib_grid.cases.by_name import make_case
from rllib_grid.cases.case import Case
from rllib_grid.envs.joint_env import JointGridEnv
from rllib_grid.envs.one_lane import OneLaneEnv, configured_case


class GridEnv(OneLaneEnv):
    """One feeder of a case, with one agent per group of buses.

    The same numbers as a `JointGridEnv` of one lane, cut up by agent. An agent observes the base
    demand of its own buses, scaled (its part of the joint state), and sets the controls of its own
    buses, scaled to [-1, 1]. The observations of all agents, side by side, are the joint state.
    Voltages come after an action: from `probe`, and in the infos of `step`.

    `step` rewards every agent by `Case.agent_reward`; its infos hold, per agent,
    `global_reward` and `local_reward` in kW and `v_pu` (own buses) in p.u.

    Args:
        config: {"case": name, `Case` or `Case.to_dict()`, ...}; "seed" seeds the demand, every
            other entry changes a field of the case. The case is "ieee13" by default.

    Raises:
        GridError: on an unknown case or field, or a bad value.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        overrides = dict(config or {})
        seed = overrides.pop("seed", None)
        self.case = configured_case(overrides, "ieee13", Case, make_case)
        # One lane that splits the reward by agent; `step` makes the choice of the case.
        seed = np.random.SeedSequence() if seed is None else seed
        lane = JointGridEnv(self.case.replace(agent_reward="local"), 1, seed)
        super().__init__(lane, self.case.agent_reward, self.case.v_head_pu, self.case.obs_scale_pu)

    def without_penalty(self) -> GridEnv:
        """The same feeder, whose rewards do not charge for voltages out of bounds."""
        return GridEnv({"case": self.case.replace(penalty_kw_per_pu=0.0)})

    def joint(self, num_envs: int, seed: int | np.random.SeedSequence) -> JointGridEnv:
        """A batch of feeders of this case."""
        return JointGridEnv(self.case, num_envs, seed)
