"""Bounds on observations: charges and multipliers by hand, and what is learnt under them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from quadratic_game import GAINS
from team_updates import (
    GAME,
    RATES,
    UNEVEN,
    assert_same,
    losses_of,
    make_batch,
    make_update,
    networks,
    stepped,
)
from two_halves import work_in_halves

from policies.algorithms.losses import own_columns
from policies.algorithms.maddpg_update import UpdateRule
from policies.contract.joint_spec import JointSpec
from policies.learning.constraints import (
    Bounds,
    Lagrangian,
    ObservationModel,
    ascended,
    charge,
    excess,
)

INF = float("inf")


def test_excess_by_hand():
    obs = torch.tensor([[0.5, -2.0, 9.0], [0.25, 0.0, -9.0], [0.1, 1.5, 0.0]], requires_grad=True)
    low, high = torch.tensor([-INF, -1.0, -INF]), torch.tensor([0.25, 1.0, INF])
    found = excess(obs, low, high)
    expected = [[0.25, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]
    torch.testing.assert_close(found, torch.tensor(expected))
    tightened = excess(obs, low, high, 0.2)
    expected = [[0.45, 1.2, 0.0], [0.2, 0.0, 0.0], [0.05, 0.7, 0.0]]
    torch.testing.assert_close(tightened, torch.tensor(expected))
    tightened.sum().backward()
    slopes = [[1.0, -1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]  # a kink, not a curve
    assert obs.grad.tolist() == slopes


def test_charge_by_hand():
    outside, multipliers = torch.tensor([[0.5, 0.0], [2.0, 1.0]]), torch.tensor([3.0, 5.0])
    assert charge(outside, multipliers, 0.0).tolist() == [1.5, 11.0]
    assert charge(outside, multipliers, 4.0).tolist() == [1.5 + 0.5, 11.0 + 8.0 + 2.0]


def test_multipliers_rise_with_what_is_outside():
    found = ascended(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.3]), 10.0)
    assert found.tolist() == [1.0, 5.0]


def test_the_model_is_a_linear_map_and_an_mlp():
    torch.manual_seed(0)
    model = ObservationModel(UNEVEN, 5)
    state, action = torch.rand(4, 3), torch.rand(2, 4, 3)
    with torch.no_grad():
        for e in range(2):
            z = torch.cat([state, action[e]], 1)
            h = z @ model.first.weight[0] + model.first.bias[0]
            h = h * torch.sigmoid(h) @ model.last.weight[0] + model.last.bias[0]
            expected = z @ model.linear.weight[0] + model.linear.bias[0] + h
            torch.testing.assert_close(model(state, action)[e], expected)


def constrained(n=1, stage=1, joint=True):
    """An update with a Lagrangian, on (-0.2, 0.3)."""
    made = make_update(UNEVEN, n, UpdateRule(0.0, 0.1, joint), stage=stage)
    model, kind = ObservationModel(UNEVEN, 8).double(), torch.float64
    low, high = torch.full((2,), -0.2, dtype=kind), torch.full((2,), 0.3, dtype=kind)
    given = {"margin": 0.05, "curvature": 6.0, "step": 0.5, "scale": 0.25}
    made.lagrangian = Lagrangian(
        model,
        torch.optim.SGD(model.parameters(), 0.03),
        torch.tensor([1.0, 4.0], dtype=kind),
        Bounds(low, high, **given),
    )
    return made


def with_obs(batch, seed=3):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(batch["action"]), 2)
    return {**batch, "obs": torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1}


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("n", [1, 2])
def test_one_update_by_hand(n, joint):
    """Critic, model, then actors against both at the multipliers of before; these rise last."""
    made = constrained(n, stage=2, joint=joint)
    made.updates = 1000
    batch = with_obs(make_batch(UNEVEN, n, stage=2))
    old = networks(made)
    old_model = copy.deepcopy(made.lagrangian.model)
    state, action = batch["inputs"][:, :3], batch["action"]

    error = old["critic"](state, action.expand(n, -1, -1)) - batch["reward"].T
    critic = stepped(old["critic"], error.square().mean(1).sum(), RATES["critic"])
    error = old_model(state, action[None])[0] - batch["obs"]
    model = stepped(old_model, error.square().mean(0).sum(), 0.03)

    policy = old["actor"](batch["inputs"])
    judged = [policy]
    if not joint or n > 1:
        others = policy.detach() if joint else action
        judged = [policy.where(own, others) for own in own_columns(UNEVEN.action_dims)]
    judged = torch.stack(judged)
    actor_loss = -critic(state, judged).mean(1).sum()
    paid, outside = 0.0, 0.0
    for j, multiplier in enumerate((1.0, 4.0)):
        seen = model(state, judged)[:, :, j]
        over = (seen - 0.25).clamp(min=0.0) + (-0.15 - seen).clamp(min=0.0)
        paid = paid + (multiplier * over + 3.0 * over**2).mean(1).sum()
    seen = model(state, judged)
    outside = ((seen - 0.3).clamp(min=0.0) + (-0.2 - seen).clamp(min=0.0)).mean((0, 1))
    actor = stepped(old["actor"], actor_loss + 0.25 * paid, RATES["actor"])
    assert paid > 0.01
    assert (outside > 0.001).all()

    found = made.step(batch)
    torch.testing.assert_close(found["actor"], (actor_loss + 0.25 * paid).detach())
    assert_same(made.critic, critic, "critic")
    assert_same(made.lagrangian.model, model, "model")
    assert_same(made.actor, actor, "actor")
    raised = torch.tensor([1.0, 4.0], dtype=torch.float64) + 0.5 * outside.detach()
    torch.testing.assert_close(made.lagrangian.multipliers, raised)


def test_halves_of_a_minibatch_with_averages_are_the_whole():
    """As two learners share one minibatch: the excess is averaged like the gradients."""
    whole, *halves = (constrained(stage=2) for _ in range(3))
    rows = with_obs(make_batch(UNEVEN, 1, stage=2, rows=10))
    expected = [losses_of(whole.step(rows)) for _ in range(3)]
    found = work_in_halves(halves, rows, steps=3)
    torch.testing.assert_close(found, torch.stack(expected))
    for half in halves:
        assert_same(half.actor, whole.actor, "actor")
        assert_same(half.lagrangian.model, whole.lagrangian.model, "model")
        torch.testing.assert_close(half.lagrangian.multipliers, whole.lagrangian.multipliers)


def test_actors_learn_to_hold_a_bound_that_binds():
    """The game with a bound h on the sum of actions, seen by actors that know the whole state.

    The best action is the projection a = G s - [1' G s - h]+ / 2 (the same at -h), whose price is
    [|1' G s| - h]+: at most 1.4 - h.
    """
    h = 0.3
    spec = JointSpec(GAME.agents, (1, 1), (1, 1), (1, 1), full_state=True)
    rule = UpdateRule(0.0, 0.01, True)
    made = make_update(spec, 1, rule, width=24, rows=4, sgd=False, double=False)
    model = ObservationModel(spec, 8)
    bounds = Bounds(
        torch.full((2,), -h), torch.full((2,), h), margin=0.0, curvature=0.0, step=1.0, scale=1.0
    )
    optimizer = torch.optim.Adam(model.parameters())
    made.lagrangian = Lagrangian(model, optimizer, torch.full((2,), 0.1), bounds)
    rng, gains = np.random.default_rng(0), torch.tensor(GAINS)
    for step in range(600):
        for each in (made.actor_optimizer, made.critic_optimizer, optimizer):
            each.param_groups[0]["lr"] = 2e-2 * (1.0 - step / 600)
        drawn = rng.uniform(-1, 1, (2, 128, 2)).astype(np.float32)
        state, action = torch.from_numpy(drawn)
        reward = -(action - state @ gains.T).square().sum(1, keepdim=True)
        obs = action.sum(1, keepdim=True).expand(-1, 2)
        made.step({"inputs": state, "action": action, "reward": reward, "obs": obs})
    # Twice over, as both agents read the same sum; the price at first is far too low to hold it.
    assert made.lagrangian.multipliers.sum() > 0.7
    state = torch.from_numpy(rng.uniform(-1, 1, (2000, 2)).astype(np.float32))
    wish = state @ gains.T
    total = wish.sum(1)
    best = wish - ((total - total.clamp(-h, h)) / 2)[:, None]
    with torch.no_grad():
        found = made.actor(state)
    assert (wish - best).abs().mean() > 0.06  # where nothing is held
    assert (found.sum(1).abs() - h).max() < 0.03
    assert (found - best).abs().mean() < 0.03
