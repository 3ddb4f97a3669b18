"""Optimizer steps and averages of weights."""

from __future__ import annotations

import torch
from team_updates import GAME, assert_same

from policies.learning.descent import Tensors, Trained, copy_weights, polyak
from policies.networks.actors import TeamActor


def linear(weight):
    made = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([weight]))
    return made


def test_a_step_down_a_loss_moves_its_own_network_alone():
    first, second = linear([1.0, 2.0]), linear([3.0, 4.0])
    trained = Trained(first, torch.optim.SGD(first.parameters(), 0.5))
    x = torch.tensor([[1.0, -1.0]])
    trained.descend((first(x) * second(x)).sum())  # d/dw = x second(x) = (-1, 1)
    assert first.weight.tolist() == [[1.5, 1.5]]
    assert second.weight.tolist() == [[3.0, 4.0]]
    assert second.weight.grad is None


def test_gradients_are_reduced_before_the_step():
    first = linear([1.0, 2.0])
    trained = Trained(first, torch.optim.SGD(first.parameters(), 1.0))
    trained.descend(first(torch.ones(1, 2)).sum(), lambda gradients: gradients[0].mul_(0.25))
    assert first.weight.tolist() == [[0.75, 1.75]]


def test_an_average_moves_by_its_step_and_shares_memory_with_the_network():
    target, source = linear([0.0, 8.0]), linear([4.0, 0.0])
    averaged = Tensors(target)
    polyak(averaged, Tensors(source), 0.25)
    assert target.weight.tolist() == [[1.0, 6.0]]
    assert source.weight.tolist() == [[4.0, 0.0]]


def test_copy_weights_takes_buffers_too():
    first, second = (TeamActor(GAME, 1, kind="plain", width=4) for _ in range(2))
    first.fit_inputs(torch.rand(50, 2), 1e-3)
    copy_weights(second, first)
    assert_same(second, first, "actor")
    assert second.first.weight.data_ptr() != first.first.weight.data_ptr()
