"""The runner as RLlib sees it: validation, samples, weights, the environment."""

from __future__ import annotations

import numpy as np
import pytest
from quadratic_game import GAINS, Game, JointGame
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.policy.sample_batch import MultiAgentBatch
from ray.rllib.utils.metrics import WEIGHTS_SEQ_NO
from runners import make_runner, weights_of

from policies import MADDPGConfig
from policies.learning.modules import ROWS, actor_id
from policies.sampling.runner import StagedRunner


@pytest.mark.parametrize("stage", [1, 2])
def test_validation_judges_given_weights_and_leaves_its_own(stage):
    runner = make_runner(stage, lanes=4)
    held = weights_of(runner, stage)
    given = {name: np.zeros_like(value) for name, value in held.items()}
    given["input_map"] += np.eye(given["input_map"].shape[-1], dtype=np.float32)
    if stage == 1:
        given["skip"] += 0.8  # a_i = 0.8 s_i
    found = runner.validate(given, 4000, seed=3)
    value, probes = found.score, found.probes
    assert probes == 4000 * (stage - 1)
    if stage == 1:
        exact = -np.square(0.8 * np.eye(2) - np.array(GAINS)).sum() / 3
        assert value == pytest.approx(exact, rel=0.05)
    assert runner.num_envs == 4
    for name, tensor in weights_of(runner, stage).items():
        assert tensor.equal(held[name]), name
    assert runner.validate(given, 4000, seed=3) == found  # the same states
    assert runner.validate(given, 4000, seed=4).score != value


def test_weights_come_back_after_a_failed_validation():
    runner = make_runner()
    held = weights_of(runner, 1)
    with pytest.raises(RuntimeError, match="Missing key"):
        runner.validate({"skip": held["skip"] + 1.0}, 10, seed=0)
    assert runner.num_envs == 8
    for name, tensor in weights_of(runner, 1).items():
        assert tensor.equal(held[name]), name


def test_sample_returns_joint_rows_as_rllib_batches():
    runner = make_runner(horizon=3)
    batches = runner.sample(num_episodes=5, explore=False)
    assert [type(batch) for batch in batches] == [MultiAgentBatch]
    assert batches[0].env_steps() == 15 and set(batches[0].policy_batches) == {ROWS}
    rows = batches[0][ROWS]
    np.testing.assert_allclose(rows["action"], runner._actor(1)(rows["inputs"]), atol=1e-6)
    batches = runner.sample(num_timesteps=50)
    assert [batch.env_steps() for batch in batches] == [24, 24, 24]
    assert not np.allclose(batches[0][ROWS]["inputs"], batches[1][ROWS]["inputs"])


def test_sample_draws_from_streams_that_no_training_request_draws_from():
    runner = make_runner(lanes=50)
    sampled = {float(x) for _ in range(4) for x in runner.sample()[0][ROWS]["inputs"].ravel()}
    for stage in range(3):
        for request in range(4):
            seed = (0, stage + 1, request)
            trained = runner.collect(50, seed, 0.0).rows()["inputs"]
            assert not sampled & set(trained.ravel().tolist())


def test_state_takes_weights_to_another_runner_whatever_their_number():
    first, second = make_runner(), make_runner()
    second.module[actor_id(1)].actor.skip.data += 1.0
    state = first.get_state(components=COMPONENT_RL_MODULE)
    moved = second.get_state(components=COMPONENT_RL_MODULE)

    def skip():
        return weights_of(second, 1)["skip"]

    second.set_state({**moved, WEIGHTS_SEQ_NO: 5})
    assert skip().max() == 1.0
    second.set_state({**state, WEIGHTS_SEQ_NO: 5})  # a stage that began without an update
    assert skip().max() == 0.0
    second.set_state({**moved, WEIGHTS_SEQ_NO: 4})  # from an older checkpoint
    assert skip().max() == 1.0


def test_an_unregistered_environment_is_named():
    config = MADDPGConfig().environment("nowhere")
    with pytest.raises(ValueError, match="environment 'nowhere' is not registered; import"):
        StagedRunner(config=config)


def test_copies_of_a_plain_environment_are_few_and_all_closed():
    made, closed = [], []

    class Plain(Game):
        def __init__(self, context):
            super().__init__({"joint": False})
            made.append(self)

        def close(self):
            closed.append(self)

    config = MADDPGConfig().environment(Plain).env_runners(num_envs_per_env_runner=4)
    runner = StagedRunner(config=config.stages(num_stages=1).training(actor_width=8))
    runner.collect(6, (0,), 0.1)
    runner.collect(3, (1,), 0.1)
    runner.validate(weights_of(runner, 1), 5, 0)
    assert len(made) == 4  # one per lane of collecting, which serve validation too
    assert not closed
    runner.stop()
    assert closed == made


def test_no_environment_is_one_line():
    with pytest.raises(ValueError, match=r"no environment: name one by \.environment\(\.\.\.\)"):
        StagedRunner(config=MADDPGConfig())


def test_joint_forms_are_few_and_all_closed():
    asked, closed = [], []

    class Own(Game):
        def __init__(self, context):
            super().__init__({"joint": True})
            self.joint = self._asked

        def _asked(self, num_envs, seed):
            asked.append(num_envs)
            made = JointGame(num_envs, seed)
            made.close = lambda: closed.append(num_envs)
            return made

        def close(self):
            closed.append("environment")

    config = MADDPGConfig().environment(Own).env_runners(num_envs_per_env_runner=4)
    runner = StagedRunner(config=config.training(actor_width=8))
    for request in range(3):
        runner.collect(6, (0, request), 0.1)
        runner.collect(3, (1, request), 0.1)
        runner.validate(weights_of(runner, 1), 5, 0)
    assert sorted(asked) == [1, 3, 4, 5]  # each number of lanes once
    assert not closed
    runner.stop()
    assert sorted(map(str, closed)) == ["1", "3", "4", "5", "environment"]


def test_validation_draws_from_its_own_states_and_collecting_from_those_of_training():
    drawn = []

    class Split(JointGame):
        split = "train"

        def draw_from(self, split):
            drawn.append(split)

        def step(self, action):
            drawn.append("step")
            return super().step(action)

    runner = make_runner(env=lambda count, seed, horizon: Split(count, seed))
    runner.validate(weights_of(runner, 1), 8, 0)
    assert drawn == ["validation", "step", "train"]


def test_there_are_weights_once_those_of_all_stages_have_come():
    runner, learner = make_runner(), make_runner()
    assert not runner.has_weights
    state = learner.get_state(components=COMPONENT_RL_MODULE)
    weights = state[COMPONENT_RL_MODULE]
    for stage, complete in ((1, False), (2, True)):
        one = {actor_id(stage): weights[actor_id(stage)]}
        runner.set_state({COMPONENT_RL_MODULE: one})
        assert runner.has_weights == complete
