"""Who collects what: shares, restarted runners, runners that are lost; several processes."""

from __future__ import annotations

import types

import numpy as np
import pytest
from tiny_training import assert_equal, run, tiny, weights

from policies import MADDPGConfig
from policies.learning.modules import actor_id
from policies.learning.schedule import StageCounts, StagePlan
from policies.sampling.rollout import Rollout
from policies.staged import crew as module
from policies.staged.crew import Crew, Request, RunnersLostError, shares


@pytest.mark.parametrize(
    ("total", "parts", "expected"), [(7, 3, [3, 2, 2]), (2, 2, [1, 1]), (5, 1, [5])]
)
def test_shares_are_nearly_equal(total, parts, expected):
    assert shares(total, parts) == expected


def rollout(episodes):
    live = np.ones((1, episodes), bool)
    return Rollout({}, live, live, returns=[0.0] * episodes, probes=2 * episodes)


class Memory:
    """Counts the rows that it takes in."""

    rows = 0

    def add(self, rollout):
        self.rows += rollout.env_steps

    def __len__(self):
        return self.rows


class Group:
    """Two remote runners, of which some may have died or been restarted."""

    def __init__(self):
        self.healthy, self.fresh, self.calls = [1, 2], set(), []

    def healthy_worker_ids(self):
        return self.healthy

    def foreach_env_runner(self, calls, remote_worker_ids, local_env_runner):
        self.calls.append([call.episodes for call in calls])
        assert not local_env_runner
        return [
            None if who in self.fresh else (rollout(call.episodes), {})
            for who, call in zip(remote_worker_ids, calls, strict=True)
        ]


def made(group, sync=lambda: None, restore=lambda: None, **settings):
    config = MADDPGConfig().env_runners(num_env_runners=2).training(**settings)
    metrics = types.SimpleNamespace(aggregate=lambda *args, **kwargs: None)
    return Crew(config, group, metrics, sync, restore)


PLAN = StagePlan(episodes=20, updates=10, warmup=7, collect_share=1.0)


def test_what_is_due_is_shared_among_the_runners():
    group, counts, memory = Group(), StageCounts(1), Memory()
    made(group).collect_due(counts, PLAN, memory)
    assert group.calls == [[4, 3]]
    assert (counts.episodes, counts.env_steps, counts.probes, counts.replay_rows) == (7, 7, 14, 7)
    counts.updates = 10
    made(group).collect_due(counts, PLAN, memory)
    assert counts.episodes == 20 and group.calls[1:] == [[7, 6]]


def test_what_a_failed_runner_owed_stays_due():
    group, counts, memory, synced = Group(), StageCounts(1), Memory(), []

    def sync():
        synced.append(True)
        group.fresh.clear()

    group.fresh = {2}  # restarted before anybody saw that it had died
    made(group, sync).collect_due(counts, PLAN, memory)
    assert group.calls == [[4, 3], [2, 1]]
    assert synced == [True] and counts.episodes == memory.rows == 7


def test_every_request_has_a_seed_of_its_own():
    seeds = []

    class Seen(Group):
        def foreach_env_runner(self, calls, **kwargs):
            seeds.extend(call.seed for call in calls)
            return super().foreach_env_runner(calls, **kwargs)

    counts, crew = StageCounts(2), made(Seen())
    for _ in range(3):
        crew.collect(counts, 2, sigma=0.0)
    assert counts.requests == 3
    assert seeds == [(0, 2, request, i) for request in range(3) for i in range(2)]


def test_a_runner_without_weights_answers_nothing():
    fresh = types.SimpleNamespace(has_weights=False)
    assert Request(3, (0,), {})(fresh) is None
    served = types.SimpleNamespace(
        has_weights=True,
        collect=lambda episodes, seed, **request: (episodes, seed, request),
        get_metrics=lambda: "metrics",
    )
    assert Request(3, (0,), {"sigma": 0.5})(served) == ((3, (0,), {"sigma": 0.5}), "metrics")


def test_lost_runners_are_waited_for_and_told(monkeypatch):
    group, restored = Group(), []
    group.healthy = []

    def restore():
        restored.append(True)
        if len(restored) == 3:
            group.healthy = [2]
        return False

    monkeypatch.setattr(module, "RUNNERS_POLL_S", 0.0)
    counts = StageCounts(1)
    made(group, restore=restore).collect_due(counts, PLAN, Memory())
    assert counts.episodes == 7 and len(restored) == 3
    group.healthy = []
    monkeypatch.setattr(module, "RUNNERS_WAIT_S", -1.0)
    counts.updates = 10
    with pytest.raises(RunnersLostError, match="none of 2 runners has answered"):
        made(group, restore=restore).collect_due(counts, PLAN, Memory())


# --- several processes ------------------------------------------------------------------


def test_two_remote_runners(ray_session):
    config = tiny().env_runners(num_env_runners=2, num_envs_per_env_runner=4)
    algo = config.fault_tolerance(restart_failed_env_runners=False).build_algo()
    run(algo)
    for number, stage in enumerate(algo.ended, start=1):
        assert stage.episodes == stage.env_steps == stage.updates == 24
        assert stage.probes == 24 * (number - 1)

    def held(runner):
        return {
            f"{module_id}.actor.{name}": value.numpy()
            for module_id in (actor_id(1), actor_id(2))
            for name, value in runner.module[module_id].actor.state_dict().items()
        }

    group, final = algo.env_runner_group, weights(algo)
    for runner_weights in group.foreach_env_runner(held):
        assert_equal(runner_weights, {name: final[name] for name in runner_weights})
    assert group.foreach_env_runner(lambda runner: runner.stage) == [2, 2, 2]
    for i in group.healthy_worker_ids():
        group._worker_manager.set_actor_state(i, healthy=False)
    assert algo.collect(4, sigma=0.0) == []  # they owe; RLlib restores them
    algo.stop()


def test_two_learners_are_one_in_two_parts(ray_session):
    """Each holds half of every minibatch; averaged gradients are those of the whole."""

    def config():
        made = tiny(lr_decay="constant").stages(episodes=8, updates_per_iteration=1)
        return made.stages(warmup_episodes=4)

    alone, pair = config().build_algo(), config().learners(num_learners=2).build_algo()
    for algo in (alone, pair):
        run(algo)
    results = pair.learner_group.foreach_learner(lambda learner: learner.module.get_state())
    first, second = (result.get() for result in results)
    for module_id, state in first.items():
        assert_equal(state, second[module_id])
    expected, found = weights(alone), weights(pair)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=2e-4, err_msg=name)
    for algo in (alone, pair):
        algo.stop()
