"""Minibatches split over learner processes: rows stay whole, and two learners do one's updates."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from quadratic_game import GAINS
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from tiny_training import DESCENDED

from policies import MADDPGConfig, MARDPGConfig
from policies.algorithms.maddpg_update import CRITIC
from policies.learning.modules import ROWS, actor_id

SIZE, STACK = 8, 3  # rows of a minibatch, minibatches in one call of the learners


def config(kind=MADDPGConfig, **settings):
    return (
        kind()
        .environment("quadratic_game", env_config={"gains": GAINS})
        .env_runners(num_envs_per_env_runner=8)
        .training(actor_width=8, critic_width=8, critic_rows=4, minibatch_size=SIZE)
        .training(**({**DESCENDED, **settings} if kind is MADDPGConfig else settings))
        .stages(episodes=24, warmup_episodes=8, updates_per_episode=1.0, collect_share=0.5)
        .stages(updates_per_iteration=8, validation_episodes=16)
        .debugging(seed=0)
    )


def update(algo, rows):
    """Bring rows to the learners as `StagedAlgorithm.update` does."""
    batch = MultiAgentBatch({ROWS: SampleBatch(dict(rows))}, env_steps=len(rows["action"]))
    algo.learner_group.update(batch=batch)


def of_each(algo, ask):
    """What a function answers for each learner."""
    answers = algo.learner_group.foreach_learner(ask)
    return [answer.get() if hasattr(answer, "get") else answer for answer in answers]


def weights(learner):
    states = (learner.module[m].unwrapped().state_dict() for m in (actor_id(1), CRITIC))
    return [{name: value.numpy().copy() for name, value in state.items()} for state in states]


def watch(learner):
    """Have a learner remember the minibatches that it works off."""
    update, learner.seen = learner.stage_update(), []
    step = update.step

    def remember(batch, rng=None, reduce=None):
        learner.seen.append({name: column.numpy().copy() for name, column in batch.items()})
        return step(batch, rng, reduce)

    update.step = remember


@pytest.fixture
def alone_and_pair(ray_session):
    """The same training with a learner in this process, and with two of their own."""
    algorithms = [config(gamma=0.5).learners(num_learners=n).build_algo() for n in (0, 2)]
    yield algorithms
    for algo in algorithms:
        algo.stop()


def test_rows_stay_whole_and_two_learners_do_the_updates_of_one(alone_and_pair):
    alone, pair = alone_and_pair
    runner = alone.env_runner_group.local_env_runner
    rows = runner.collect(STACK * SIZE, (0, 1, 2), 0.3).rows()
    for algo in alone_and_pair:
        of_each(algo, watch)

    update(pair, rows)
    shares = of_each(pair, lambda learner: learner.seen)
    # Joint rows lie in one module's batch: all columns of a share are the same whole rows.
    half = STACK * SIZE // 2
    for i, share in enumerate(shares):
        assert [len(minibatch["action"]) for minibatch in share] == [SIZE // 2] * STACK
        for name, column in rows.items():
            held = np.concatenate([minibatch[name] for minibatch in share])
            np.testing.assert_array_equal(held, column[i * half : (i + 1) * half], err_msg=name)

    # The k-th minibatches of both learners together are the k-th of one that is alone.
    together = [
        {name: np.concatenate([part[name] for part in parts]) for name in rows}
        for parts in zip(*shares, strict=True)
    ]
    update(alone, {name: np.concatenate([one[name] for one in together]) for name in rows})
    (expected,) = of_each(alone, weights)
    first, second = of_each(pair, weights)
    for module, other, whole in zip(first, second, expected, strict=True):
        for name, value in whole.items():
            np.testing.assert_array_equal(module[name], other[name], err_msg=name)
            np.testing.assert_allclose(module[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_recurrent_training_with_remote_runners_and_learners(ray_session):
    made = config(MARDPGConfig).learners(num_learners=2).env_runners(num_env_runners=2)
    algo = made.fault_tolerance(restart_failed_env_runners=False).build_algo()
    start = copy.deepcopy(of_each(algo, weights)[0])
    while not algo.train()["done"]:
        pass
    (stage,) = algo.ended
    assert stage.episodes == stage.updates == stage.probes == len(algo.memory) == 24
    assert np.isfinite(stage.best_return)
    first, second = of_each(algo, weights)
    for module, other, before in zip(first, second, start, strict=True):
        for name, value in module.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)
        assert any((value != before[name]).any() for name, value in module.items())

    def held(runner):
        actor = runner.module[actor_id(1)].unwrapped().actor
        return {f"actor.{name}": value.numpy() for name, value in actor.state_dict().items()}

    for runner_weights in algo.env_runner_group.foreach_env_runner(held):
        for name, value in runner_weights.items():
            np.testing.assert_array_equal(value, first[0][name], err_msg=name)
    algo.stop()
