"""One update by hand and by finite differences, and what many updates converge to.

The learning tests use a game whose values are known: s uniform in [-1, 1]^2, reward
-|a - G s|^2, states independent over time.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from quadratic_game import GAINS
from team_updates import (
    GAME,
    KINDS,
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
from policies.learning.descent import copy_weights


def between(target, source, tau):
    other = copy.deepcopy(target)
    with torch.no_grad():
        for mixed, new in zip(other.parameters(), source.parameters(), strict=True):
            mixed.copy_(tau * new + (1.0 - tau) * mixed)
    return other


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("gamma", [0.0, 0.9])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("critic_tau", [None, 0.3])
def test_one_update_by_hand(critic_tau, n, joint, gamma, stage, kinds):
    """Critic, then actors against the new critic, then targets; nothing else moves."""
    tau = 0.1
    rule = UpdateRule(gamma, tau, joint, critic_tau)
    made = make_update(UNEVEN, n, rule, stage=stage, kinds=kinds)
    made.updates = 1000  # far enough for tau to be itself
    batch = make_batch(UNEVEN, n, stage)
    old = networks(made)
    state, action = batch["inputs"][:, :3], batch["action"]

    target = batch["reward"].T
    if gamma > 0.0:
        following = old["target_actor"](batch["next_inputs"]).expand(n, -1, -1)
        value = old["target_critic"](batch["next_inputs"][:, :3], following)
        target = target + gamma * (1.0 - batch["terminated"][:, 0]) * value
    error = old["critic"](state, action.expand(n, -1, -1)) - target.detach()
    critic_loss = sum((error[e] ** 2).mean() for e in range(n))
    critic = stepped(old["critic"], critic_loss, RATES["critic"])

    policy = old["actor"](batch["inputs"])
    actor_loss = 0.0
    if joint and n == 1:
        actor_loss = -critic(state, policy[None]).mean()
    else:
        for i, own in enumerate((slice(0, 1), slice(1, 3))):
            others = policy.detach() if joint else action
            judged = others.clone()
            judged[:, own] = policy[:, own]
            values = critic(state, judged.expand(n, -1, -1))
            actor_loss = actor_loss - values[min(i, n - 1)].mean()
    actor = stepped(old["actor"], actor_loss, RATES["actor"])

    found = made.step(batch)
    expected = torch.stack([critic_loss, actor_loss]).detach()
    torch.testing.assert_close(losses_of(found), expected)
    assert not any(loss.requires_grad for loss in found.values())
    assert_same(made.critic, critic, "critic")
    assert_same(made.actor, actor, "actor")
    assert_same(made.target_actor, between(old["target_actor"], actor, tau), "target_actor")
    moved = (
        between(old["target_critic"], critic, critic_tau or tau)
        if gamma > 0.0
        else old["target_critic"]
    )
    assert_same(made.target_critic, moved, "target_critic")
    assert made.updates == 1001


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("n", [1, 2])
def test_actor_gradient_by_finite_differences(n, joint):
    """Each agent climbs its own critic in its own weights, the others held."""
    rates = {**RATES, "critic": 0.0}
    made = make_update(UNEVEN, n, UpdateRule(0.0, 0.1, joint), stage=2, rates=rates)
    batch = make_batch(UNEVEN, n, stage=2)
    actor = copy.deepcopy(made.actor)
    made.step(batch)
    before, after = actor.state_dict(), made.actor.state_dict()
    names = [name for name, _ in actor.named_parameters()]
    state, own = batch["inputs"][:, :3], own_columns(UNEVEN.action_dims)

    def objective(agent, direction, step):
        """Agent's value when its own weights (its row of the stack) move along a direction."""
        moved = {k: v.clone() for k, v in before.items()}
        for name in names:
            moved[name][agent] += step * direction[name]
        policy = actor.with_weights(moved)(batch["inputs"])
        others = actor(batch["inputs"]) if joint else batch["action"]
        judged = policy.where(own[agent], others)
        return made.critic(state, judged.expand(n, -1, -1))[min(agent, n - 1)].mean().item()

    generator = torch.Generator().manual_seed(2)
    for agent in range(2):
        direction = {
            name: torch.randn(before[name][agent].shape, generator=generator, dtype=torch.float64)
            for name in names
        }
        step = 1e-5
        slope = (objective(agent, direction, step) - objective(agent, direction, -step)) / 2 / step
        climbed = sum(
            ((after[name][agent] - before[name][agent]) * direction[name]).sum().item()
            for name in names
        )
        assert abs(slope) > 1e-4
        assert climbed / RATES["actor"] == pytest.approx(slope, rel=1e-5)


def test_average_forgets_fast_at_first():
    """Until 1 / tau updates the targets are the mean of the weights so far."""
    made = make_update(GAME, 1, UpdateRule(0.0, 0.01, True))
    batch = make_batch(GAME, 1, stage=1)
    seen = [copy.deepcopy(made.target_actor.skip)]
    for _ in range(4):
        made.step(batch)
        seen.append(made.actor.skip.detach().clone())
    torch.testing.assert_close(made.target_actor.skip, torch.stack(seen).mean(0))


def test_gradients_are_reduced_before_each_step():
    """With `reduce` doubling them, plain gradient descent goes twice as far."""
    once, twice = (make_update(UNEVEN, 2, UpdateRule(0.0, 0.1, True)) for _ in range(2))
    start = copy.deepcopy(once.critic)
    batch = make_batch(UNEVEN, 2, stage=1)
    calls = []

    def double(gradients):
        calls.append(len(gradients))
        torch._foreach_mul_(gradients, 2.0)

    once.step(batch)
    twice.step(batch, reduce=double)
    assert calls == [len(list(start.parameters())), len(list(once.actor.parameters()))]
    for old, one, two in zip(
        start.parameters(), once.critic.parameters(), twice.critic.parameters(), strict=True
    ):
        torch.testing.assert_close(two - old, 2.0 * (one - old))


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("gamma", [0.0, 0.9])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("n", [1, 2])
def test_halves_of_a_minibatch_with_averaged_gradients_are_the_whole(n, joint, gamma, kinds):
    """As two learners share one minibatch; agents of unequal width, plain gradient descent."""
    rule = UpdateRule(gamma, 0.1, joint)
    whole, *halves = (make_update(UNEVEN, n, rule, stage=2, kinds=kinds) for _ in range(3))
    rows = make_batch(UNEVEN, n, stage=2, rows=10)
    start = {name: copy.deepcopy(getattr(whole, name)) for name in ("actor", "critic")}
    expected = [losses_of(whole.step(rows)) for _ in range(3)]
    found = work_in_halves(halves, rows, steps=3)
    torch.testing.assert_close(found, torch.stack(expected))
    for name in ("actor", "critic", "target_actor", "target_critic"):
        for half in halves:
            assert_same(getattr(half, name), getattr(whole, name), name)
    for name, before in start.items():
        moved = zip(before.parameters(), getattr(whole, name).parameters(), strict=True)
        assert all((old != new).any() for old, new in moved)


# --- learning ---------------------------------------------------------------------------


def game_batch(rng, n, rows=128, ends=0.0):
    gains = np.array(GAINS)
    state, following = rng.uniform(-1, 1, (2, rows, 2))
    action = rng.uniform(-1, 1, (rows, 2))
    square = np.square(action - state @ gains.T)
    reward = -square.sum(1, keepdims=True) if n == 1 else -2.0 * square
    columns = {
        "inputs": state,
        "action": action,
        "reward": reward,
        "next_inputs": following,
        "terminated": rng.random((rows, 1)) < ends,
    }
    return {name: torch.from_numpy(np.float32(column)) for name, column in columns.items()}


def known_value(batch, n, const=0.0):
    return batch["reward"].T + const


@pytest.mark.parametrize(("n", "joint"), [(1, True), (2, True), (1, False)])
def test_without_discount_critic_learns_the_reward_and_actors_their_gains(n, joint):
    rule = UpdateRule(0.0, 0.01, joint)
    made = make_update(GAME, n, rule, width=16, rows=4, sgd=False, double=False)
    rng = np.random.default_rng(0)
    for step in range(400):
        for optimizer in (made.actor_optimizer, made.critic_optimizer):
            optimizer.param_groups[0]["lr"] = 1e-2 * (1.0 - step / 400)
        made.step(game_batch(rng, n))
    test = game_batch(rng, n, rows=1000)
    with torch.no_grad():
        value = made.critic(test["inputs"], test["action"].expand(n, -1, -1))
        action = made.actor(test["inputs"])
        averaged = made.target_actor(test["inputs"])
    error = (value - known_value(test, n)).square().mean().sqrt()
    assert error < 0.03  # the rewards' standard deviation is above 0.5
    # E[s_j | s_i] = 0: the best rule knows its own part alone, a_i = G_ii s_i.
    best = test["inputs"] * torch.tensor([GAINS[0][0], GAINS[1][1]])
    assert (action - best).abs().mean() < 0.02
    assert (averaged - best).abs().mean() < 0.02


@pytest.mark.parametrize("ends", [0.0, 0.5])
def test_with_discount_critic_learns_the_return_of_its_actors(ends):
    """Q(s, a) = r(s, a) + c with c = k v / (1 - k), k = gamma (1 - P(end)), v = E r(s, mu(s)).

    States are independent over time, so the future does not depend on (s, a). The actors are
    held at a_i = 0.8 s_i: v = -|0.8 I - G|^2 / 3 = -(2 * 0.16 + 2 * 0.09) / 3.
    """
    gamma, v = 0.8, -(2 * 0.4**2 + 2 * 0.3**2) / 3
    rule = UpdateRule(gamma, 0.05, True)
    made = make_update(GAME, 1, rule, width=16, rows=4, sgd=False, double=False)
    for actor in (made.actor, made.target_actor):
        with torch.no_grad():
            for parameter in actor.parameters():
                parameter.zero_()
            actor.skip.fill_(0.8)
    made.actor_optimizer.param_groups[0]["lr"] = 0.0
    copy_weights(made.target_critic, made.critic)
    rng = np.random.default_rng(0)
    for step in range(800):
        made.critic_optimizer.param_groups[0]["lr"] = 1e-2 * (1.0 - step / 800)
        made.step(game_batch(rng, 1, ends=ends))
    test = game_batch(rng, 1, rows=1000)
    with torch.no_grad():
        value = made.critic(test["inputs"], test["action"][None])
    k = gamma * (1.0 - ends)
    error = value - known_value(test, 1, const=k * v / (1.0 - k))
    assert abs(error.mean().item()) < 0.03  # the constants are -0.667 and -0.111
    assert error.square().mean().sqrt() < 0.04
