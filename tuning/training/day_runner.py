"""The runner of day cases: it validates on the validation days."""

from __future__ import annotations

from typing import Any, cast

from policies.staged.runner import MADDPGEnvRunner
from rllib_grid.envs.day_env import JointDayEnv


class DayRunner(MADDPGEnvRunner):
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
