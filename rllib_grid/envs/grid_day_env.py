"""One feeder's days as an RLlib multi-agent environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rllib_grid.cases.day_case import DayCase
from rllib_grid.cases.day_presets import make_day_case
from rllib_grid.envs.day_env import JointDayEnv
from rllib_grid.envs.one_lane import OneLaneEnv, configured_case


class GridDayEnv(OneLaneEnv):
    """One feeder of a day case, with one agent per group of buses.

    The same numbers as a `JointDayEnv` of one lane, cut up by agent. An agent observes base demand
    and state of charge of its own buses, the price and the clock, scaled, and sets the controls of
    its own buses, scaled to [-1, 1]. Voltages come after an action: from `probe`, and in the infos
    of `step` (`v_pu` of the own buses, in p.u.), beside `global_reward` and `local_reward` in EUR.
    Where the case has heat pumps, it also observes the temperatures in its own buildings and
    outdoors, and sets their heating.

    Args:
        config: {"case": name, `DayCase` or `DayCase.to_dict()`, ...}; "seed" seeds the draws,
            "split" names the part of the year to draw days from ("train" by default), every other
            entry changes a field of the case. The case is "ieee13-day" by default.

    Raises:
        GridError: on an unknown case or field, or a bad value.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        overrides = dict(config or {})
        seed = overrides.pop("seed", None)
        self._split = overrides.pop("split", "train")
        self.case = configured_case(overrides, "ieee13-day", DayCase, make_day_case)
        # One lane that splits the reward by agent; `step` makes the choice of the case.
        seed = np.random.SeedSequence() if seed is None else seed
        local = self.case.replace(agent_reward="local")
        lane = JointDayEnv(local, 1, seed, self._split)
        super().__init__(lane, self.case.agent_reward, self.case.v_head_pu, self.case.obs_scale_pu)

    def without_penalty(self) -> GridDayEnv:
        """The same feeder, whose rewards do not charge for voltages out of bounds."""
        case = self.case.replace(penalty_eur_per_pu_h=0.0)
        return GridDayEnv({"case": case, "split": self._split})

    def joint(self, num_envs: int, seed: int | np.random.SeedSequence) -> JointDayEnv:
        """A batch of feeders of this case."""
        return JointDayEnv(self.case, num_envs, seed, self._split)
