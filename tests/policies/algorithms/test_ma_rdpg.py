"""Updates through trajectories: targets by hand, gradients by finite differences."""

from __future__ import annotations

import copy

import pytest
import torch
from team_updates import losses_of
from two_halves import work_in_halves

from policies.algorithms.losses import own_columns
from policies.algorithms.ma_rdpg import MARDPGUpdate, round_targets
from policies.algorithms.maddpg_update import UpdateRule
from policies.contract.joint_spec import JointSpec
from policies.networks.recurrent_actors import RecurrentActor
from policies.networks.recurrent_critics import RecurrentCritics

SPEC = JointSpec(("a", "b"), (1, 2), (2, 1), (1, 1))
WIDTH = SPEC.input_dim(2)
L, B = 2, 6


def team(steps, gamma, n=1, actor_lr=0.0, critic_lr=0.0, joint=True, tau=0.1):
    """Small networks in double precision with plain gradient descent, targets of their own."""
    torch.manual_seed(0)
    recurs = steps > 1 or gamma > 0.0
    make = {"recurs": recurs, "width": 5, "memory": 3}
    actors = [RecurrentActor(SPEC, L, kind="plain", **make).double() for _ in range(2)]
    critics = [
        RecurrentCritics(n, SPEC, L, kind="quadratic-residual", rows=3, **make).double()
        for _ in range(2)
    ]
    return MARDPGUpdate(
        UpdateRule(gamma, tau, joint),
        *actors,
        *critics,
        torch.optim.SGD(actors[0].parameters(), lr=actor_lr),
        torch.optim.SGD(critics[0].parameters(), lr=critic_lr),
    )


def batch(steps, gamma, n=1, seed=1):
    generator = torch.Generator().manual_seed(seed)

    def draw(width):
        return 0.3 * torch.randn(B, width, generator=generator, dtype=torch.float64)

    rows = {
        "inputs": draw((steps * L + (gamma > 0)) * WIDTH),
        "action": draw(steps * L * SPEC.action_dim),
        "reward": draw(steps * n),
    }
    if gamma > 0.0:
        rows["terminated"] = torch.arange(B * steps).view(B, steps).remainder(3).eq(0).double()
    return rows


def by_hand(made, rows, steps, gamma, n=1):
    """Targets and both losses in plain loops, from the networks' own forward passes."""
    m = SPEC.num_agents
    width, a = WIDTH, SPEC.action_dim
    rounds = steps * L
    inputs = torch.stack(
        [rows["inputs"][:, r * width : (r + 1) * width] for r in range(rounds + (gamma > 0))]
    )
    action = torch.stack([rows["action"][:, r * a : (r + 1) * a] for r in range(rounds)])
    memory = made.target_critic.remember(inputs)
    played = made.target_actor(inputs)
    later = made.target_critic(inputs, memory, played.expand(n, -1, -1, -1))
    target = torch.zeros(n, rounds, B, dtype=torch.float64)
    for r in range(rounds):
        step, last = divmod(r, L)
        for k in range(n):
            if last < L - 1:
                target[k, r] = later[k, r + 1]  # only a probe: nothing earned, nothing discounted
            else:
                target[k, r] = rows["reward"][:, step * n + k]
                if gamma > 0.0:
                    goes_on = 1.0 - rows["terminated"][:, step]
                    target[k, r] += gamma * goes_on * later[k, r + 1]
    seen = inputs[:rounds]
    memory = made.critic.remember(seen)
    value = made.critic(seen, memory, action.expand(n, -1, -1, -1))
    critic_loss = sum(((value - target.detach())[k] ** 2).mean() for k in range(n))

    def actor_loss(joint):
        policy, loss = made.actor(seen), 0.0
        if joint and n == 1:
            return -made.critic(seen, memory.detach(), policy[None]).mean()
        for i in range(m):
            mine = own_columns(SPEC.action_dims)[i, 0]
            mixed = policy.where(mine, policy.detach() if joint else action)
            sets = mixed.expand(n, -1, -1, -1)
            loss = loss - made.critic(seen, memory.detach(), sets)[i % n].mean()
        return loss

    return target.detach(), critic_loss, actor_loss


def test_targets_of_two_rounds_in_numbers():
    reward = torch.tensor([[[5.0, 6.0]]])  # (n, T, B)
    probed = torch.tensor([[[2.0, -3.0]]])  # what the second round promises
    found = round_targets(reward, 0.0, None, probed, num_rounds=2)
    assert found.tolist() == [[[2.0, -3.0], [5.0, 6.0]]]


def test_targets_of_two_steps_in_numbers():
    reward = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    later = torch.arange(10.0, 18.0).view(1, 4, 2)  # rounds 2, 3, 4 and the one after
    terminated = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    found = round_targets(reward, 0.5, terminated, later, num_rounds=2)
    assert found.tolist() == [[[10, 11], [1 + 6, 2], [14, 15], [3, 4 + 8.5]]]


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("steps", "gamma"), [(1, 0.0), (2, 0.0), (1, 0.5), (2, 0.5)])
def test_losses_are_those_of_plain_loops(steps, gamma, n, joint):
    made, rows = team(steps, gamma, n, joint=joint), batch(steps, gamma, n)
    _, critic_loss, actor_loss = by_hand(made, rows, steps, gamma, n)
    expected = torch.stack([critic_loss, actor_loss(joint)]).detach()
    torch.testing.assert_close(losses_of(made.step(rows)), expected)


def differences(loss, parameter, step=1e-6):
    """The gradient of a loss by central differences, entry by entry."""
    gradient = torch.zeros_like(parameter)
    flat, out = parameter.data.view(-1), gradient.view(-1)
    for k in range(len(flat)):
        held = float(flat[k])
        values = []
        for side in (step, -step):
            flat[k] = held + side
            with torch.no_grad():
                values.append(float(loss()))
        flat[k] = held
        out[k] = (values[0] - values[1]) / (2.0 * step)
    return gradient


def test_gradients_run_through_the_rounds():
    """Plain descent moves every parameter by the gradient that finite differences give."""
    steps, gamma = 2, 0.5
    made, rows = team(steps, gamma, actor_lr=1.0), batch(steps, gamma)
    before = copy.deepcopy(made)
    made.step(rows)
    recurrent = {}
    for name, parameter in before.actor.named_parameters():
        expected = differences(lambda: by_hand(before, rows, steps, gamma)[2](True), parameter)
        found = parameter - made.actor.get_parameter(name)
        torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-5)
        recurrent[name] = float(expected.abs().max())
    assert recurrent["gru.hidden.weight"] > 1e-4


def test_the_critic_descends_through_the_rounds_too():
    made, rows = team(2, 0.5, critic_lr=1.0), batch(2, 0.5)
    before = copy.deepcopy(made)
    made.step(rows)
    for name, parameter in before.critic.named_parameters():
        expected = differences(lambda: by_hand(before, rows, 2, 0.5)[1], parameter)
        found = parameter - made.critic.get_parameter(name)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_early_rounds_pay_for_later_ones():
    """The critic's target in round 1 changes with what the second round's actors would do."""
    made, rows = team(1, 0.0), batch(1, 0.0)
    target = by_hand(made, rows, 1, 0.0)[0]
    with torch.no_grad():
        made.target_actor.last.bias.add_(1.0)
    moved = by_hand(made, rows, 1, 0.0)[0]
    assert (target[:, 0] != moved[:, 0]).all() and target[:, 1].equal(moved[:, 1])


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_both_targets_follow_slowly(gamma):
    made, rows = team(1, gamma, actor_lr=0.1, critic_lr=0.1, tau=0.2), batch(1, gamma)
    made.updates = 9
    before = copy.deepcopy(made)
    made.step(rows)
    for name in ("actor", "critic"):
        now, old = getattr(made, name), getattr(before, f"target_{name}")
        for new, kept, target in zip(
            now.parameters(),
            old.parameters(),
            getattr(made, f"target_{name}").parameters(),
            strict=True,
        ):
            torch.testing.assert_close(target, 0.2 * new + 0.8 * kept)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize(("steps", "gamma", "n"), [(1, 0.0, 1), (2, 0.8, 2)])
def test_halves_of_a_minibatch_with_averaged_gradients_are_the_whole(steps, gamma, n, joint):
    """As two learners share one minibatch."""
    rows, rates = batch(steps, gamma, n), {"actor_lr": 0.05, "critic_lr": 0.02}
    whole, *halves = (team(steps, gamma, n, joint=joint, **rates) for _ in range(3))
    expected = [losses_of(whole.step(rows)) for _ in range(3)]
    found = work_in_halves(halves, rows, steps=3)
    torch.testing.assert_close(found, torch.stack(expected))
    for name in ("actor", "critic", "target_actor", "target_critic"):
        for half in halves:
            states = (getattr(one, name).state_dict() for one in (half, whole))
            torch.testing.assert_close(*map(dict, states))
