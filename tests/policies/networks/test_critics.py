"""Centralised critics against one network at a time, computed by hand."""

from __future__ import annotations

import pytest
import torch
from random_networks import EVEN, UNEVEN, scrambled

from policies.networks.critics import CRITICS, Critics


def critics(kind, n, seed=0):
    return scrambled(Critics(n, UNEVEN, kind=kind, width=8, rows=5), seed)


def pairs(e, rows=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 6, generator=generator), torch.randn(e, rows, 4, generator=generator)


@pytest.mark.parametrize("kind", CRITICS)
def test_one_critic_judges_several_sets_of_actions_as_one_by_one(kind):
    critic = critics(kind, 1)
    state, action = pairs(3)
    value = critic(state, action)
    assert value.shape == (3, 6)
    for e in range(3):
        torch.testing.assert_close(value[e], critic(state, action[e : e + 1])[0])


@pytest.mark.parametrize("kind", CRITICS)
def test_separate_critics_share_nothing(kind):
    critic = critics(kind, 3)
    state, action = pairs(3)
    before = critic(state, action)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter[1] += 0.1
    after = critic(state, action)
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]], rtol=0, atol=0)
    assert (after[1] - before[1]).abs().min() > 1e-4
    gradients = torch.autograd.grad(after[1].sum(), list(critic.parameters()))
    for gradient in gradients:
        assert gradient[[0, 2]].abs().max() == 0.0
    assert all(gradient[1].abs().max() > 0.0 for gradient in gradients)
    changed = action.clone()
    changed[0] += 1.0  # critic e judges the actions of entry e alone
    torch.testing.assert_close(critic(state, changed)[1:], after[1:], rtol=0, atol=0)


def test_quadratic_residual_by_hand():
    critic = critics("quadratic-residual", 2)
    state, action = pairs(2)
    for e in range(2):
        z = torch.cat([state, action[e]], 1)

        def layer(name, x, e=e):
            module = getattr(critic, name)
            return x @ module.weight[e] + module.bias[e]

        h = layer("first", z)
        h = h * torch.sigmoid(h)
        h = layer("second", h)
        h = h * torch.sigmoid(h)
        expected = layer("last", h)[:, 0] - layer("quadratic", z).square().sum(1)
        torch.testing.assert_close(critic(state, action)[e], expected)


def test_saddle_bends_upwards_along_the_state_alone():
    critic = critics("saddle-residual", 1).double()
    with torch.no_grad():
        critic.last.weight.zero_()  # without the residual
    weight, upward = critic.quadratic.weight[0].detach(), critic.upward.weight[0].detach()
    state, action = (x.double() for x in pairs(1, rows=1))

    def value(z):
        return critic(z[None, :6], z[None, None, 6:])[0, 0]

    hessian = torch.autograd.functional.hessian(value, torch.cat([state[0], action[0, 0]]))
    expected = -2.0 * weight @ weight.T
    expected[:6, :6] += 2.0 * upward @ upward.T
    torch.testing.assert_close(hessian, expected)
    assert torch.linalg.eigvalsh(hessian).max() > 0.1
    assert torch.linalg.eigvalsh(hessian[6:, 6:]).max() < 1e-9


def test_quadratic_part_is_concave():
    critic = critics("quadratic-residual", 1).double()
    with torch.no_grad():
        critic.last.weight.zero_()  # without the residual
    weight = critic.quadratic.weight[0].detach()
    for seed in range(3):
        state, action = (x.double() for x in pairs(1, rows=1, seed=seed))

        def value(z):
            return critic(z[None, :6], z[None, None, 6:])[0, 0]

        z = torch.cat([state[0], action[0, 0]])
        hessian = torch.autograd.functional.hessian(value, z)
        torch.testing.assert_close(hessian, -2.0 * weight @ weight.T)
        eigenvalues = torch.linalg.eigvalsh(hessian)
        assert eigenvalues.max() < 1e-9 and eigenvalues.min() < -0.1


def test_paper_critic_takes_actions_at_its_second_layer():
    critic = critics("paper", 1)
    state, action = pairs(1)

    def layer_norm(module, x):
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return x * module.weight[0] + module.bias[0]

    assert critic.first.weight.shape == (1, 6, 8)
    h = layer_norm(critic.norm1, state @ critic.first.weight[0] + critic.first.bias[0]).relu()
    h = torch.cat([h, action[0]], 1)
    h = layer_norm(critic.norm2, h @ critic.second.weight[0] + critic.second.bias[0]).relu()
    expected = (h @ critic.last.weight[0] + critic.last.bias[0])[:, 0]
    torch.testing.assert_close(critic(state, action)[0], expected)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="critic net is 'deep', must be one of paper, quad"):
        Critics(1, EVEN, kind="deep", width=8)
