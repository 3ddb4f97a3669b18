"""The runners at work: who is asked for what, and what happens when some are lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS

from policies.learning.schedule import StageCounts, StagePlan
from policies.sampling.exploration import LinearSchedule
from policies.sampling.memories import Memory
from policies.sampling.rollout import Rollout
from policies.sampling.runner import StagedRunner

RUNNERS_WAIT_S = 300.0  # for remote runners that died to be restarted, where none is left
RUNNERS_POLL_S = 0.1


class RunnersLostError(RuntimeError):
    """No remote runner has answered for `RUNNERS_WAIT_S`."""


class Request:
    """A call of `collect` for one runner, with the metrics it leaves."""

    def __init__(self, episodes: int, seed: tuple[int, ...], request: dict[str, Any]) -> None:
        self.episodes, self.seed, self.request = episodes, seed, request

    def __call__(self, runner: StagedRunner) -> tuple[Rollout, Any] | None:
        """Serve it on a remote runner; None if that is a fresh one without weights."""
        return self.serve(runner) if runner.has_weights else None

    def serve(self, runner: StagedRunner) -> tuple[Rollout, Any]:
        """Collect."""
        return runner.collect(self.episodes, self.seed, **self.request), runner.get_metrics()


class Crew:
    """Collects what a stage's plan asks for, from one local runner or from remote ones.

    Args:
        config: the algorithm's configuration.
        group: its `EnvRunnerGroup`.
        metrics: its `MetricsLogger`.
        sync: brings the weights of all stages to all runners.
        restore: brings back runners that Ray has restarted; says whether there were any.
    """

    def __init__(
        self,
        config: Any,
        group: Any,
        metrics: Any,
        sync: Callable[[], None],
        restore: Callable[[], Any],
    ) -> None:
        self._config, self._group, self._metrics = config, group, metrics
        self._sync, self._restore = sync, restore

    def collect_due(self, counts: StageCounts, plan: StagePlan, memory: Memory) -> None:
        """Bring a stage's episodes up to what is due before its next update.

        Args:
            counts: of the stage; go up.
            plan: of the stage.
            memory: takes in the rollouts.

        Raises:
            RunnersLostError: nobody has answered for too long.
        """
        config = self._config
        sigma = LinearSchedule(config.sigma[0], config.sigma[-1])
        answered = time.monotonic()
        while (due := plan.episodes_due(counts.updates) - counts.episodes) > 0:
            warming = counts.episodes < plan.warmup
            if warming:
                due = min(due, plan.warmup - counts.episodes)
            rollouts = self.collect(
                counts,
                due,
                sigma=sigma(counts.episodes / plan.episodes),
                random_actions=warming and counts.stage == 1 and config.random_warmup,
            )
            if not rollouts:
                self._await_runners(answered)
                continue
            answered = time.monotonic()
            for rollout in rollouts:
                memory.add(rollout)
                counts.episodes += len(rollout.returns)
                counts.env_steps += rollout.env_steps
                counts.probes += rollout.probes
        counts.replay_rows = len(memory)

    def collect(self, counts: StageCounts, episodes: int, **request: Any) -> list[Rollout]:
        """Ask the runners for trajectories; what a failed runner owed stays due.

        Args:
            counts: of the stage, whose requests number the seeds.
            episodes: how many.
            **request: see `StagedRunner.collect`.
        """
        seed = (self._config.seed or 0, counts.stage, counts.requests)
        counts.requests += 1
        if not self._config.num_env_runners:
            results = [Request(episodes, seed, request).serve(self._group.local_env_runner)]
        else:
            healthy = self._group.healthy_worker_ids()[:episodes]
            if not healthy:
                return []
            calls = [
                Request(share, (*seed, i), request)
                for i, share in enumerate(shares(episodes, len(healthy)))
            ]
            results = self._group.foreach_env_runner(
                calls, remote_worker_ids=healthy, local_env_runner=False
            )
            if None in results:  # a runner was restarted before anybody saw that it had died
                self._sync()
                results = [result for result in results if result is not None]
        self._metrics.aggregate([metrics for _, metrics in results], key=ENV_RUNNER_RESULTS)
        return [rollout for rollout, _ in results]

    def _await_runners(self, answered: float) -> None:
        """Ask once whether Ray has restarted a runner, and bring those back that it has.

        Args:
            answered: when a runner answered last, by `time.monotonic`.

        Raises:
            RunnersLostError: that was too long ago.
        """
        if time.monotonic() - answered > RUNNERS_WAIT_S:
            raise RunnersLostError(
                f"none of {self._config.num_env_runners} runners has answered for "
                f"{RUNNERS_WAIT_S:.0f} s"
            )
        if not self._restore():
            time.sleep(RUNNERS_POLL_S)


def shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` nearly equal shares."""
    return [total // parts + (i < total % parts) for i in range(parts)]
