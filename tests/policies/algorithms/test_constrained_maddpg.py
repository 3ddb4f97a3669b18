"""Bounds on observations from the environment to the exported actors, on a game that has them.

The quadratic game, its sum of actions bound to [-0.1, 0.1]: what a joint environment names as
`obs_low` and `obs_high`.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from quadratic_game import Game, JointGame
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.tune.registry import register_env
from tiny_training import DESCENDED, assert_equal, run, tiny, weights

from policies import MADDPG, MADDPGConfig, MARDPGConfig
from policies.algorithms.maddpg_update import CRITIC
from policies.contract.joint_spec import JointSpec
from policies.learning.modules import CONSTRAINT, ROWS, actor_id
from policies.sampling.exploration import Steady
from policies.sampling.runner import StagedRunner
from policies.staged.config import VIOLATION
from policies.staged.sizes import SPREAD

H = 0.1
SIZE = 16
LAGRANGIAN = {
    "constraint": "lagrangian",
    "constraint_price": [2.0, 3.0],
    "constraint_margin": [0.0, 0.02],
    "constraint_curvature": [0.0, 4.0],
    "constraint_step": [10.0, 20.0],
}


class BoundedGame(JointGame):
    """The game, with bounds on what the probe shows."""

    obs_low, obs_high = (np.full(2, bound, np.float32) for bound in (-H, H))


def bounded(config):
    game = Game(config)
    horizon = config.get("horizon", 1)
    game.joint = lambda num_envs, seed: BoundedGame(num_envs, seed, horizon=horizon)
    return game


register_env("bounded_game", bounded)


def configured(kind=MADDPGConfig, **settings):
    return (
        kind()
        .environment("bounded_game")
        .env_runners(num_envs_per_env_runner=8)
        .training(minibatch_size=SIZE, actor_width=8, critic_width=8, reward_scale=1.0)
        .training(**{**(DESCENDED if kind is MADDPGConfig else {}), "reward_scale": 1.0})
        .training(**{**LAGRANGIAN, **settings})
        .debugging(seed=0)
    )


def make_learner(seed=0, **settings):
    config = configured(**settings).stages(num_stages=2, episodes=40).debugging(seed=seed)
    config.validate()
    spaces = config.module_spaces(JointSpec.of(BoundedGame(1, 0)), has_probe=True)
    spec = config.get_multi_rl_module_spec(spaces=spaces)
    learner = config.get_default_learner_class()(config=config, module_spec=spec)
    learner.build()
    return learner


def update(learner, count, width=2, seed=0):
    rng = np.random.default_rng(seed)
    widths = {"inputs": width, "action": 2, "reward": 1, "obs": 2}
    assert set(learner.config.columns) == set(widths)
    rows = {
        name: rng.uniform(-1, 1, (count * SIZE, w)).astype(np.float32) for name, w in widths.items()
    }
    learner.update(batch=MultiAgentBatch({ROWS: SampleBatch(rows)}, env_steps=count * SIZE))


def held(learner, module_id):
    return {k: v.clone() for k, v in learner.module[module_id].unwrapped().state_dict().items()}


def same(first, second):
    return all(first[name].equal(second[name]) for name in first)


def test_bounds_are_read_off_the_environment():
    spec = JointSpec.of(BoundedGame(1, 0))
    assert spec.obs_low == pytest.approx((-H, -H))
    assert spec.obs_high == pytest.approx((H, H))
    assert JointSpec.from_dict(spec.to_dict()) == spec
    assert JointSpec.of(JointGame(1, 0)).obs_low == ()


def test_bounds_that_cannot_be_held_are_refused():
    free, bound = JointSpec.of(JointGame(1, 0)), JointSpec.of(BoundedGame(1, 0))
    for kind in (MADDPGConfig, MARDPGConfig):
        with pytest.raises(ValueError, match="has no obs_low and obs_high"):
            configured(kind).module_spaces(free, has_probe=True)
        wide = configured(kind, constraint_margin=0.2)
        with pytest.raises(ValueError, match=r"constraint_margin is 0\.2, must be < 0\.1"):
            wide.module_spaces(bound, has_probe=True)
    with pytest.raises(ValueError, match="constraint is 'lagrange', must be one of"):
        configured(constraint="lagrange")
    for name in ("price", "margin", "curvature", "step"):
        with pytest.raises(ValueError, match=rf"constraint_{name} is .* 1 to 2 number"):
            configured(**{f"constraint_{name}": [1.0, 1.0, 1.0]})
        with pytest.raises(ValueError, match=rf"constraint_{name} is -1\.0, must be >= 0"):
            configured(**{f"constraint_{name}": -1.0})


def test_probing_stages_have_the_first_number_and_the_last_stage_the_second():
    config = configured(constraint_step=7.0).stages(num_stages=3)
    prices = [config.constraint_of(stage, 2)["price"] for stage in (1, 2, 3)]
    assert prices == [[2.0] * 2, [2.0] * 2, [3.0] * 2]
    assert config.constraint_of(1, 1)["step"] == config.constraint_of(3, 1)["step"] == [7.0]
    assert config.stages(num_stages=1).constraint_of(1, 1)["price"] == [3.0]


def test_nothing_is_added_unless_asked_for():
    config = configured(constraint="none")
    spaces = config.module_spaces(JointSpec.of(BoundedGame(1, 0)), has_probe=True)
    assert set(spaces) == {actor_id(1), CRITIC}
    assert config.columns == ("inputs", "action", "reward")


@pytest.mark.parametrize("horizon", [1, 3])
def test_rows_hold_what_is_measured_under_the_rewarded_action(horizon):
    config = configured(gamma=0.5).stages(num_stages=2)
    runner = StagedRunner(config=config.environment(env_config={"horizon": horizon}))
    runner.module[actor_id(2)].begun.fill_(True)
    columns = runner.collect(16, (0, 1), 0.3).rows()
    expected = np.repeat(columns["action"].sum(1, keepdims=True), 2, axis=1)
    np.testing.assert_array_equal(columns["obs"], expected)
    recurrent = configured(MARDPGConfig).recurrence(time_steps=horizon)
    runner = StagedRunner(config=recurrent.environment(env_config={"horizon": horizon}))
    columns = runner.collect(16, (0, 1), 0.3).rows()
    last = columns["action"].reshape(16, horizon, 2, 2)[:, :, -1].sum(-1)  # of two rounds
    np.testing.assert_array_equal(columns["obs"].reshape(16, horizon, 2)[:, :, 0], last)


@pytest.mark.parametrize("stage", [1, 2])
def test_validation_charges_for_what_is_outside(stage):
    """Actors that always do 0.2 bring a sum of 0.4, which is 0.3 outside at both meters."""
    free, priced = (
        StagedRunner(config=configured(constraint=kind).stages(num_stages=2))
        for kind in ("none", "lagrangian")
    )
    scores = []
    for runner in (free, priced):
        runner.module[actor_id(2)].begun.fill_(stage == 2)
        actor = copy.deepcopy(runner.module[actor_id(stage)].actor)
        with torch.no_grad():
            for parameter in actor.parameters():
                parameter.zero_()
            actor.last.bias.fill_(0.2)
            first = runner.module[actor_id(1)].actor
            for parameter in first.parameters() if stage == 2 else ():
                parameter.zero_()  # so that the prototype is 0
        scores.append(runner.validate(actor.state_dict(), 100, 0).score)
    excess = 2 * (2.0 if stage == 1 else 3.0) * 0.3  # of two observations, at the stage's price
    share = VIOLATION * SPREAD * (1 - 1e-4)  # all states violate, of which 1e-4 may
    assert scores[0] - scores[1] == pytest.approx(excess + share, rel=1e-5)


def test_a_stage_begins_with_its_price_and_what_the_model_has_learnt():
    learner = make_learner()
    assert held(learner, CONSTRAINT)["multipliers"].tolist() == [2.0, 2.0]
    fresh = held(learner, CONSTRAINT)
    update(learner, 5)
    learnt = held(learner, CONSTRAINT)
    assert (learnt["multipliers"] > 2.0).all()
    assert not learnt["model.linear.weight"].equal(fresh["model.linear.weight"])
    assert learner.get_optimizer(CONSTRAINT).state
    learner.begin_stage(2, learner.stage_update().actor.state_dict())
    assert not learner.get_optimizer(CONSTRAINT).state
    begun = held(learner, CONSTRAINT)
    assert begun.pop("multipliers").tolist() == [3.0, 3.0]
    assert begun.pop("margin").tolist() == pytest.approx([0.02, 0.02])
    assert same(begun, learnt)
    bounds = learner.stage_update().lagrangian.bounds
    found = [getattr(bounds, name).tolist() for name in ("margin", "curvature", "step")]
    assert found == [pytest.approx([value] * 2) for value in (0.02, 4.0, 20.0)]
    assert bounds.scale == 1.0


@pytest.mark.parametrize("stage", [1, 2])
def test_state_round_trip_goes_on_bit_by_bit(stage):
    first, second = make_learner(), make_learner(seed=9)
    width = 2 if stage == 1 else 6
    update(first, 4)
    if stage == 2:
        first.begin_stage(2, first.stage_update().actor.state_dict())
        update(first, 3, width)
    second.set_state(copy.deepcopy(first.get_state()))
    for learner in (first, second):
        update(learner, 4, width, seed=7)
    for module_id in (actor_id(1), actor_id(2), CRITIC, CONSTRAINT):
        assert same(held(first, module_id), held(second, module_id)), module_id


@pytest.mark.parametrize("kind", [MADDPGConfig, MARDPGConfig])
def test_the_bound_is_held(kind, ray_session):
    """At a price of 2 and more no one gains by leaving it: the reward's slope is at most 2.

    Without it the sum of actions lies outside in most states.
    """
    config = (
        configured(kind, minibatch_size=128, actor_width=24, critic_width=24)
        .training(actor_lr=6e-3, critic_lr=1e-2, constraint_margin=0.02)
        .stages(episodes=400, warmup_episodes=150, updates_per_iteration=100)
        .stages(validation_episodes=500, updates_per_episode=1.0)
    )
    algo = config.build_algo()
    run(algo)
    runner = algo.env_runner_group.local_env_runner
    actor = runner.module[actor_id(1)].unwrapped().actor
    actor.load_state_dict({k: torch.as_tensor(v) for k, v in algo.actor_weights(1).items()})
    collector = runner._collector(watched=False)
    explorer, seed = Steady(collector.act), np.random.SeedSequence(5)
    found = collector.run(runner.lanes(500), 500, seed, explorer).rows()["obs"]
    algo.stop()
    assert np.mean(np.abs(found) > H + 0.03) < 0.02
    assert np.std(found) > 0.01  # not by doing nothing


@pytest.mark.parametrize("carry_critic", [True, False])
def test_a_restored_run_and_one_built_on_a_stage_go_on_bit_by_bit(
    carry_critic, ray_session, tmp_path
):
    def made(num_stages=2, settings=LAGRANGIAN):
        config = tiny(num_stages, **settings).training(carry_critic=carry_critic)
        return config.environment("bounded_game").build_algo()

    # A single stage is the last, unless it is told to be as the probing ones are.
    probing = {k: v[0] if isinstance(v, list) else v for k, v in LAGRANGIAN.items()}
    whole, first = made(), made(1, probing)
    for i in range(100):
        whole.train()
        whole.save_to_path(str(tmp_path / str(i)))
        if whole.finished:
            break
    run(first)
    expected = weights(whole)
    assert f"{CONSTRAINT}.multipliers" in expected
    behind = made()
    behind.build_on(first)
    for algo in (behind, MADDPG.from_checkpoint(str(tmp_path / "0"))):
        run(algo)
        assert_equal(weights(algo), expected)
        algo.stop()
    for algo in (whole, first):
        algo.stop()
