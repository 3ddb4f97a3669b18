"""Runners of cases of days: they validate on the validation days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from policies.algorithms.ma_rdpg_runner import MARDPGEnvRunner
from policies.algorithms.settings import MA_RDPG, MADDPG
from policies.staged.runner import MADDPGEnvRunner
from rllib_grid.envs.day_env import JointDayEnv

if TYPE_CHECKING:
    _Runner = MADDPGEnvRunner
else:
    _Runner = object


class OnOtherDays(_Runner):
    """Collects on the training days; what selects the actors to freeze are other days."""

    def validate(self, weights: Any, num_episodes: int, seed: int) -> tuple[float, int]:
        """The mean return of the active stage without noise, on validation days.

        Args:
            weights: of the active stage's actors, by parameter name.
            num_episodes: days, the same ones at every call with the same seed.
            seed: of the validation stream.

        Returns:
            The mean return in EUR, and the number of probes.
        """
        env = cast(JointDayEnv, self.lanes(num_episodes))
        env.draw_from("validation")
        try:
            return super().validate(weights, num_episodes, seed)
        finally:
            env.draw_from("train")


class DayRunner(OnOtherDays, MADDPGEnvRunner):
    """Of stages."""


class RecurrentDayRunner(OnOtherDays, MARDPGEnvRunner):
    """Of actors that recur over the day."""


DAY_RUNNERS: Mapping[str, type] = {MADDPG: DayRunner, MA_RDPG: RecurrentDayRunner}
