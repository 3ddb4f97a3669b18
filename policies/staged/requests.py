"""What is asked of runners."""

from __future__ import annotations

from typing import Any

from policies.staged.rollout import Rollout
from policies.staged.runner import MADDPGEnvRunner


class Request:
    """A call of `collect` for one runner, with the metrics it leaves."""

    def __init__(self, episodes: int, seed: tuple[int, ...], request: dict[str, Any]) -> None:
        self.episodes, self.seed, self.request = episodes, seed, request

    def __call__(self, runner: MADDPGEnvRunner) -> tuple[Rollout, Any] | None:
        """Serve it on a remote runner; None if that is a fresh one without weights."""
        return self.serve(runner) if runner.has_weights else None

    def serve(self, runner: MADDPGEnvRunner) -> tuple[Rollout, Any]:
        """Collect."""
        return runner.collect(self.episodes, self.seed, **self.request), runner.get_metrics()


def shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` nearly equal shares."""
    return [total // parts + (i < total % parts) for i in range(parts)]
