"""The modules as RLlib sees them: what runners get, and which stage is active."""

from __future__ import annotations

import pytest
import torch
from quadratic_game import JointGame
from ray.rllib.core.columns import Columns
from tiny_training import DESCENDED

from policies import MADDPGConfig
from policies.algorithms.maddpg_update import CRITIC
from policies.contract.joint_spec import JointSpec
from policies.learning.modules import CentralModule, active_stage


def build(num_stages=3, inference_only=False, **settings):
    config = (
        MADDPGConfig()
        .stages(num_stages=num_stages)
        .training(**{**DESCENDED, "actor_width": 8, **settings})
    )
    spaces = config.module_spaces(JointSpec.of(JointGame(1, 0)), has_probe=True)
    spec = config.get_multi_rl_module_spec(spaces=spaces, inference_only=inference_only)
    return spec.build()


def test_learners_hold_actors_of_all_stages_and_critics():
    module = build()
    assert set(module.keys()) == {"actor_1", "actor_2", "actor_3", CRITIC}
    assert module["actor_1"].actor.spec == JointSpec.of(JointGame(1, 0))


def test_runners_hold_neither_critics_nor_targets():
    module = build(inference_only=True)
    assert set(module.keys()) == {"actor_1", "actor_2", "actor_3"}
    state = build()["actor_2"].get_state(inference_only=True)
    assert {name.split(".")[0] for name in state} == {"actor", "begun"}
    module["actor_2"].set_state(state)  # what a learner sends fits what a runner holds


@pytest.mark.parametrize(("critic", "count"), [("shared", 1), ("separate", 2)])
def test_number_of_critics(critic, count):
    module = build(critic=critic)[CRITIC]
    assert module.network.n == module.target.n == count


def test_active_stage_is_the_last_that_has_begun():
    module = build()
    assert active_stage(module) == 1
    module["actor_2"].begun.fill_(True)
    assert active_stage(module) == 2
    module["actor_3"].begun.fill_(True)
    assert active_stage(module) == 3


def test_forward_is_the_actors_own():
    module = build()["actor_2"]
    x = torch.rand(4, 6)
    action = module.forward_inference({Columns.OBS: x})[Columns.ACTIONS]
    torch.testing.assert_close(action, module.actor(x))
    critic = build()[CRITIC]
    value = critic.forward_train({Columns.OBS: x[:, :2], Columns.ACTIONS: action})["q"]
    torch.testing.assert_close(value, critic.network(x[:, :2], action[None]))


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build()
    assert torch.rand(1).equal(expected)


def test_a_central_network_begins_afresh_with_its_target():
    one, other = build()[CRITIC], build()[CRITIC]
    assert isinstance(one, CentralModule) and one.trained is one.network
    before = one.network.last.weight.clone()
    for module in (one, other):
        with torch.no_grad():
            module.network.last.weight.add_(torch.rand(1))
        module.restart(2)
    assert one.network.last.weight.equal(other.network.last.weight)
    assert one.target.last.weight.equal(one.network.last.weight)
    assert not one.network.last.weight.equal(before)


def test_without_an_average_there_are_no_target_actors():
    config = MADDPGConfig().training(**DESCENDED, actor_width=8)
    config.averaged = False
    spaces = config.module_spaces(JointSpec.of(JointGame(1, 0)), has_probe=True)
    module = config.get_multi_rl_module_spec(spaces=spaces).build()["actor_1"]
    assert not hasattr(module, "target")
    assert module.get_non_inference_attributes() == []
