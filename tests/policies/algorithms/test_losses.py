"""Targets and losses by hand, and which agent a gradient reaches."""

from __future__ import annotations

import pytest
import torch

from policies.algorithms import losses

OWN = losses.own_columns((1, 2))


def test_target_by_hand():
    # Rows: in the middle, terminated, truncated (which is no termination).
    reward = torch.tensor([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]])
    next_value = torch.tensor([[10.0, 20.0, 30.0], [1.0, 2.0, 3.0]])
    terminated = torch.tensor([0.0, 1.0, 0.0])
    target = losses.td_target(reward, 0.9, terminated, next_value)
    expected = torch.tensor([[10.0, 2.0, 30.0], [-0.1, -2.0, -0.3]])
    torch.testing.assert_close(target, expected)


def test_critic_loss_by_hand():
    value = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    target = torch.tensor([[0.0, 4.0], [3.0, 1.0]])
    # (1 + 4) / 2 + (9 + 1) / 2: means over the minibatch, summed over the critics.
    assert losses.critic_loss(value, target).item() == pytest.approx(7.5)


def test_actor_loss_by_hand():
    assert losses.actor_loss(torch.tensor([[1.0, 3.0], [5.0, 6.0]])).item() == -7.5


def test_own_columns():
    assert OWN.tolist() == [[[True, False, False]], [[False, True, True]]]


@pytest.mark.parametrize(
    ("joint", "n", "expected"),
    [
        (True, 1, [[[1, 2, 3]]]),
        (True, 2, [[[1, 2, 3]], [[1, 2, 3]]]),
        (False, 1, [[[1, -2, -3]], [[-1, 2, 3]]]),
        (False, 2, [[[1, -2, -3]], [[-1, 2, 3]]]),
    ],
)
def test_judged_actions_and_whom_their_gradients_reach(joint, n, expected):
    policy = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    replayed = -policy.detach()
    judged = losses.actor_actions(policy, replayed, OWN, joint=joint, n=n)
    assert judged.tolist() == expected
    if len(judged) == 1:  # one joint value: its gradient is everyone's
        (gradient,) = torch.autograd.grad(judged.sum(), policy)
        assert gradient.tolist() == [[1.0, 1.0, 1.0]]
        return
    for i, entry in enumerate(judged):
        (gradient,) = torch.autograd.grad(entry.sum(), policy, retain_graph=True)
        assert gradient.tolist() == OWN[i].float().tolist()
