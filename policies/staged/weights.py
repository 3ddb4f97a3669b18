"""Weights on their way: out of the learners, and to the runners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE
from ray.rllib.utils.typing import StateDict

Weights = dict[str, NDArray[np.float32]]


class Courier:
    """Reads modules off the learners and keeps those of the runners equal to them.

    Args:
        config: the algorithm's configuration.
        learners: its `LearnerGroup`.
        runners: its `EnvRunnerGroup`.
    """

    def __init__(self, config: Any, learners: Any, runners: Any) -> None:
        self._config, self._learners, self._runners = config, learners, runners

    def state(self, module_id: str, inference_only: bool = False) -> StateDict:
        """The state of a module on the learners."""
        state = self._learners.get_state(
            components=f"{COMPONENT_LEARNER}/{COMPONENT_RL_MODULE}/{module_id}",
            inference_only=inference_only,
        )
        module_state: StateDict = state[COMPONENT_LEARNER][COMPONENT_RL_MODULE][module_id]
        return module_state

    def sync(self, modules: Sequence[str]) -> None:
        """Bring weights of these modules to all runners."""
        if self._config.num_env_runners:
            self._runners.sync_weights(
                policies=list(modules),
                from_worker_or_learner_group=self._learners,
                inference_only=True,
                timeout_seconds=None,
            )
        else:
            state = {m: self.state(m, inference_only=True) for m in modules}
            self._runners.local_env_runner.set_state({COMPONENT_RL_MODULE: state})

    def on_learners(self, work: Callable[[Any], Any]) -> Any:
        """Have every learner do something: what the first returns; raise if one did not do it."""
        results = list(self._learners.foreach_learner(work, healthy_only=False))
        for result in results:
            if not result.ok:
                raise result.get()
        return results[0].get()


def part(state: StateDict, network: str) -> Weights:
    """The weights of one network of a module, copied, by its own parameter names."""
    prefix = network + "."
    return {
        key.removeprefix(prefix): np.array(value)
        for key, value in state.items()
        if key.startswith(prefix)
    }


def shapes(state: StateDict) -> dict[str, tuple[int, ...]]:
    """The shape of everything in a module's state."""
    return {name: np.shape(value) for name, value in state.items()}
