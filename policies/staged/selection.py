"""Which actors a stage ends with: candidates, their scores on validation, and what was trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.rllib.utils.typing import StateDict

from policies.learning.schedule import StageCounts
from policies.staged.weights import Weights, part


class Selection:
    """Scores a stage's candidates after each iteration, and keeps the best of them.

    Args:
        config: names the candidates, how they score, and whether the best or the last is frozen.
    """

    def __init__(self, config: Any) -> None:
        self._config = config
        self.best: Weights | None = None  # of the active stage
        self.trained: list[dict[str, Weights]] = []  # of each ended stage: every candidate's last

    def validate(
        self, runner: Any, state: StateDict, counts: StageCounts
    ) -> NDArray[np.float32] | None:
        """Score all candidates as they are now.

        Args:
            runner: does it.
            state: of the active stage's module.
            counts: of the stage; validation's figures go up.

        Returns:
            `Validated.worst` of the first candidate.
        """
        config, scores, worst = self._config, [], None
        for name in config.candidates:
            weights = part(state, name)
            found = runner.validate(weights, config.validation_episodes, config.validation_seed)
            scores.append(found.score)
            counts.validation_probes += found.probes
            worst = found.worst if worst is None else worst
            if found.score > counts.best_return:
                counts.best_return, self.best = found.score, weights
        counts.validation_return = max(scores)
        return worst

    def chosen(self, state: StateDict) -> Weights | None:
        """What would be frozen now; None where no score was a number.

        Args:
            state: of the active stage's module.
        """
        if self._config.selection == "last":
            return part(state, self._config.candidates[0])
        return self.best

    def end_stage(self, state: StateDict, counts: StageCounts) -> Weights:
        """What is frozen; what was trained last is kept beside it.

        Args:
            state: of the stage's module.
            counts: of the stage.

        Raises:
            RuntimeError: no score was a number.
        """
        chosen = self.chosen(state)
        if chosen is None:
            raise RuntimeError(
                f"stage {counts.stage} ends without actors to freeze: no validation return was a "
                "number; training diverged, so lower actor_lr and critic_lr, or reward_scale"
            )
        self.trained.append({name: part(state, name) for name in self._config.candidates})
        self.best = None
        return chosen

    def get_state(self) -> dict[str, Any]:
        """Everything that it holds."""
        return {"best": self.best, "trained": list(self.trained)}

    def set_state(self, state: dict[str, Any]) -> None:
        """The inverse of `get_state`."""
        self.best, self.trained = state["best"], list(state["trained"])
