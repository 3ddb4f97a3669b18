"""Weights on their way: parts of a module's state, and who is brought which."""

from __future__ import annotations

import types

import numpy as np
import pytest
from runners import make_runner, weights_of

from policies import MADDPGConfig
from policies.learning.modules import actor_id
from policies.staged.weights import Courier, part, shapes

STATE = {
    "actor.first.weight": np.ones((2, 3), np.float32),
    "actor.bias": np.zeros(3, np.float32),
    "actors.bias": np.ones(9, np.float32),
    "target.bias": np.ones(3, np.float32),
    "begun": np.array(True),
}


def test_the_part_of_a_network_goes_by_its_own_names():
    found = part(STATE, "actor")
    assert set(found) == {"first.weight", "bias"}
    found["bias"][:] = 7.0
    assert not STATE["actor.bias"].any()  # a copy


def test_shapes_of_a_state():
    assert shapes(STATE)["actor.first.weight"] == (2, 3)
    assert shapes(STATE)["begun"] == ()


class Learners:
    """Holds the modules of a runner in place of learners, and remembers what it was asked."""

    def __init__(self, runner):
        self.runner, self.asked = runner, []

    def get_state(self, components, inference_only):
        module_id = components.split("/")[-1]
        self.asked.append((components, inference_only))
        module = self.runner.module[module_id].unwrapped()
        state = {name: value.numpy() for name, value in module.state_dict().items()}
        return {"learner": {"rl_module": {module_id: state}}}


def test_the_local_runner_is_brought_the_modules_that_are_named():
    learnt, runner = make_runner(), make_runner()
    for stage in (1, 2):
        learnt.module[actor_id(stage)].actor.skip.data += 1.0
    learners = Learners(learnt)
    group = types.SimpleNamespace(local_env_runner=runner)
    Courier(MADDPGConfig(), learners, group).sync([actor_id(1)])
    assert learners.asked == [("learner/rl_module/actor_1", True)]
    assert weights_of(runner, 1)["skip"].equal(weights_of(learnt, 1)["skip"])
    assert not weights_of(runner, 2)["skip"].any()


def test_remote_runners_are_brought_them_by_rllib():
    asked = []
    group = types.SimpleNamespace(sync_weights=lambda **how: asked.append(how))
    config, learners = MADDPGConfig().env_runners(num_env_runners=2), object()
    Courier(config, learners, group).sync([actor_id(2)])
    (how,) = asked
    assert how["policies"] == ["actor_2"] and how["inference_only"]
    assert how["from_worker_or_learner_group"] is learners
    assert how["timeout_seconds"] is None  # a stage must not go on with old weights


def test_what_became_of_a_learner_that_did_not_do_its_work_is_raised():
    def failed():
        raise OSError("a learner has died")

    results = [types.SimpleNamespace(ok=True), types.SimpleNamespace(ok=False, get=failed)]
    learners = types.SimpleNamespace(foreach_learner=lambda work, healthy_only: results)
    with pytest.raises(OSError, match="a learner has died"):
        Courier(MADDPGConfig(), learners, None).on_learners(lambda learner: None)
