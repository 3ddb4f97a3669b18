"""The learner on its own: stacks of minibatches, rates, the switch of stages, its state."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from quadratic_game import JointGame
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from team_updates import losses_of
from tiny_training import DESCENDED

from policies import MADDPGConfig
from policies.algorithms.maddpg_update import CRITIC, UpdateRule
from policies.contract.joint_spec import JointSpec
from policies.learning.modules import ROWS, active_stage, actor_id

SIZE = 16


def make_learner(updates=40, num_stages=2, seed=0, **settings):
    settings = {"minibatch_size": SIZE, "actor_width": 8, "critic_width": 8} | settings
    settings = DESCENDED | settings
    config = (
        MADDPGConfig()
        .environment("quadratic_game")
        .training(**settings)
        .stages(num_stages=num_stages, episodes=updates)
        .debugging(seed=seed)
    )
    config.validate()
    spaces = config.module_spaces(JointSpec.of(JointGame(1, 0)), has_probe=True)
    learner = config.get_default_learner_class()(
        config=config, module_spec=config.get_multi_rl_module_spec(spaces=spaces)
    )
    learner.build()
    return learner


def rows(count, width=2, seed=0):
    rng = np.random.default_rng(seed)
    widths = {"inputs": width, "action": 2, "reward": 1, "next_inputs": width, "terminated": 1}
    return {
        name: rng.uniform(-1, 1, (count * SIZE, w)).astype(np.float32) for name, w in widths.items()
    }


def update(learner, count, width=2, seed=0):
    columns = rows(count, width, seed)
    columns = {name: columns[name] for name in learner.config.columns}
    batch = MultiAgentBatch({ROWS: SampleBatch(columns)}, env_steps=count * SIZE)
    return learner.update(batch=batch)


def weights(learner, module_id):
    return {k: v.clone() for k, v in learner.module[module_id].unwrapped().state_dict().items()}


def rates(learner):
    ids = (actor_id(learner.stage), CRITIC)
    return [learner.get_optimizer(i).param_groups[0]["lr"] for i in ids]


def same(first, second):
    return all(first[name].equal(second[name]) for name in first)


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_a_stack_is_worked_off_minibatch_by_minibatch(gamma):
    learner, other = make_learner(gamma=gamma), make_learner(gamma=gamma)
    results = update(learner, 3)
    work, losses = other.stage_update(), []
    for i in range(3):
        decay = 0.5 * (1.0 + np.cos(np.pi * i / 40))
        work.actor_optimizer.param_groups[0]["lr"] = 2e-3 * decay
        work.critic_optimizer.param_groups[0]["lr"] = 3e-3 * decay
        minibatch = {k: torch.from_numpy(v[i * SIZE : (i + 1) * SIZE]) for k, v in rows(3).items()}
        losses.append(losses_of(work.step(minibatch)))
    for module_id in (actor_id(1), actor_id(2), CRITIC):
        assert same(weights(learner, module_id), weights(other, module_id)), module_id
    expected = torch.stack(losses).mean(0)
    found = [results[i]["total_loss"].peek() for i in (CRITIC, actor_id(1))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rates_follow_a_cosine_over_the_stage_and_start_again():
    learner = make_learner(updates=20, actor_lr=[4e-3], critic_lr=[3e-3, 1e-3])
    update(learner, 1)
    assert rates(learner) == pytest.approx([4e-3, 3e-3])
    update(learner, 10)  # the last of these is the eleventh update, after half the stage
    assert rates(learner) == pytest.approx([2e-3, 1.5e-3])
    update(learner, 9)
    last = 0.5 * (1.0 + np.cos(np.pi * 19 / 20))
    assert rates(learner) == pytest.approx([4e-3 * last, 3e-3 * last])
    learner.begin_stage(2, learner.stage_update().actor.state_dict())
    update(learner, 1, width=6)
    assert rates(learner) == pytest.approx([4e-3, 1e-3])


def test_constant_rates_stay():
    learner = make_learner(updates=20, lr_decay="constant")
    update(learner, 20)
    assert rates(learner) == pytest.approx([2e-3, 3e-3])


def test_the_next_stage_begins_with_fresh_actors_and_the_critic_of_the_last():
    learner, fresh = make_learner(gamma=0.9), make_learner(gamma=0.9)
    update(learner, 5)
    critic = weights(learner, CRITIC)
    assert not critic["network.last.weight"].equal(critic["target.last.weight"])
    best = {k: v.numpy() + 0.5 for k, v in learner.stage_update().target_actor.state_dict().items()}
    learner.begin_stage(2, best)
    assert learner.stage == active_stage(learner.module) == 2
    frozen = weights(learner, actor_id(1))
    for name, value in best.items():
        np.testing.assert_array_equal(frozen["actor." + name], value)
        np.testing.assert_array_equal(frozen["target." + name], value)
    assert {**weights(fresh, actor_id(2)), "begun": torch.tensor(True)}.keys() == frozen.keys()
    assert not [
        name
        for name, value in weights(learner, actor_id(2)).items()
        if name != "begun" and not value.equal(weights(fresh, actor_id(2))[name])
    ]
    carried = weights(learner, CRITIC)
    for name, value in critic.items():
        if name.startswith("network."):
            assert carried[name].equal(value)
            assert carried["target." + name.removeprefix("network.")].equal(value)
    for module_id in (CRITIC, actor_id(2)):
        assert not learner.get_optimizer(module_id).state
    update(learner, 5, width=6)
    assert same(weights(learner, actor_id(1)), frozen)
    assert not same(weights(learner, actor_id(2)), weights(fresh, actor_id(2)))
    assert not same(weights(learner, CRITIC), carried)


def test_a_critic_that_is_not_carried_over_starts_anew():
    learner, other = (make_learner(gamma=0.9, carry_critic=False) for _ in range(2))
    initial = weights(learner, CRITIC)
    update(learner, 5)
    trained = weights(learner, CRITIC)
    for each in (learner, other):
        each.begin_stage(2, each.stage_update().actor.state_dict())
    begun = weights(learner, CRITIC)
    assert same(begun, weights(other, CRITIC))  # whatever it had learnt
    for name, value in begun.items():
        assert value.equal(begun[name.replace("network.", "target.", 1)])
        if name.endswith("weight"):
            assert not value.equal(trained[name])
            assert not value.equal(initial[name])


@pytest.mark.parametrize("stage", [1, 2])
def test_state_round_trip_goes_on_bit_by_bit(stage):
    first, second = make_learner(gamma=0.9), make_learner(gamma=0.9, seed=9)
    width = 2
    update(first, 4)
    if stage == 2:
        first.begin_stage(2, first.stage_update().actor.state_dict())
        width = 6
        update(first, 3, width=6)
    second.set_state(copy.deepcopy(first.get_state()))
    assert second.stage == stage
    for learner in (first, second):
        update(learner, 4, width, seed=7)
    for module_id in (actor_id(1), actor_id(2), CRITIC):
        assert same(weights(first, module_id), weights(second, module_id)), module_id
    assert rates(first) == rates(second)


def test_inputs_are_whitened_for_current_and_averaged_actors():
    learner = make_learner()
    sample = (np.random.default_rng(0).standard_normal((500, 2)) * [3.0, 0.2] + 1.0).astype("f4")
    learner.fit_inputs(sample)
    work = learner.stage_update()
    assert same(work.actor.state_dict(), work.target_actor.state_dict())
    mapped = work.actor.gather(torch.from_numpy(sample)) @ work.actor.input_map
    mapped = mapped + work.actor.input_shift
    torch.testing.assert_close(mapped.std(1), torch.ones(2, 1), rtol=1e-3, atol=0)


def test_modules_start_from_their_seed():
    one, alike, other = make_learner(), make_learner(), make_learner(seed=1)
    for module_id in (actor_id(1), actor_id(2), CRITIC):
        assert same(weights(one, module_id), weights(alike, module_id))
        assert not same(weights(one, module_id), weights(other, module_id))
    module = one.module[actor_id(1)].unwrapped()
    assert same(module.actor.state_dict(), module.target.state_dict())
    first = weights(one, actor_id(1))["actor.second.weight"]
    assert not first.equal(weights(one, actor_id(2))["actor.second.weight"])


def test_gradients_are_averaged_over_learners(monkeypatch):
    learner = make_learner()
    learner.config = learner.config.copy(copy_frozen=False).learners(num_learners=2)
    mine = [torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [-4.0]])]
    theirs = torch.tensor([3.0, 0.0, 1.0, 4.0])
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: flat.add_(theirs))
    learner._average_gradients(mine)
    assert [gradient.tolist() for gradient in mine] == [[2.0, 1.0], [[2.0], [0.0]]]


def test_the_rule_is_that_of_the_settings():
    learner = make_learner(gamma=0.9, tau=0.25, critic_tau=0.5, actor_step="own")
    assert learner.stage_update().rule == UpdateRule(0.9, 0.25, False, 0.5)
    assert make_learner().stage_update().rule == UpdateRule(0.0, 0.002, True, None)


def test_there_is_no_loss_of_a_single_module():
    with pytest.raises(NotImplementedError, match="no loss of a single module"):
        make_learner().compute_loss_for_module()
