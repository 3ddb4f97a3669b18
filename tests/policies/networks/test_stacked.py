"""Stacked layers against torch's own, one member at a time."""

from __future__ import annotations

import torch

from policies.networks.stacked import StackedLayerNorm, StackedLinear


def test_each_member_is_an_affine_map():
    stacked, x = StackedLinear(3, 4, 5), torch.randn(3, 7, 4)
    for i, found in enumerate(stacked(x)):
        expected = x[i] @ stacked.weight[i] + stacked.bias[i, 0]
        torch.testing.assert_close(found, expected)


def test_members_are_initialised_as_torch_initialises_one():
    torch.manual_seed(0)
    weight, bias = StackedLinear(50, 16, 8).parameters()
    for found in (weight, bias):
        assert 0.24 < found.abs().max() <= 0.25  # 1 / sqrt(fan_in)
        assert abs(found.mean()) < 0.02
    StackedLinear(2, 0, 3)  # of nothing, too


def test_each_member_normalises_with_its_own_gain_and_shift():
    stacked, x = StackedLayerNorm(2, 4), 3.0 * torch.randn(2, 5, 4) + 1.0
    with torch.no_grad():
        stacked.weight.add_(torch.rand(2, 1, 4))
        stacked.bias.add_(torch.rand(2, 1, 4))
    for i, found in enumerate(stacked(x)):
        alone = torch.nn.LayerNorm(4)
        with torch.no_grad():
            alone.weight.copy_(stacked.weight[i, 0])
            alone.bias.copy_(stacked.bias[i, 0])
        torch.testing.assert_close(found, alone(x[i]))
