"""Stacked networks against one network at a time, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from policies.contract.joint_spec import JointSpec
from policies.networks.team import ACTORS, CRITICS, Critics, ProjectedClip, TeamActor

EVEN = JointSpec(("a", "b"), (2, 2), (1, 1), (1, 1))
UNEVEN = JointSpec(("a", "b", "c"), (2, 1, 3), (1, 2, 1), (1, 3, 0))
ALL = [(kind, stage, spec) for kind in ACTORS for stage in (1, 2) for spec in (EVEN, UNEVEN)]


def scrambled(module, seed=0, scale=0.5):
    """Every parameter and map drawn at random, so that nothing is hidden behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))
    return module


def team(kind, stage, spec, seed=0):
    actor = TeamActor(spec, stage, kind=kind, width=8)
    mask = actor._mask.clone()
    scrambled(actor, seed)
    actor._mask.copy_(mask)
    with torch.no_grad():
        for name, parameter in actor.named_parameters():
            parameter *= 0.2 if name.startswith(("last", "skip")) else 1.0
    return actor


def inputs(spec, stage, rows=7, seed=1):
    width = spec.state_dim + (stage > 1) * (spec.action_dim + spec.obs_dim)
    return torch.rand(rows, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def by_hand(kind, layers, x, prototype):
    """One agent's action from its own inputs, layer by layer as the docstrings say."""

    def affine(name, x):
        return x @ layers[f"{name}.weight"].astype(float) + layers[f"{name}.bias"]

    def norm(name, x):
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return x * layers[f"{name}.weight"] + layers[f"{name}.bias"]

    def silu(x):
        return x / (1.0 + np.exp(-x))

    x = affine("inputs", x)
    if kind == "paper":
        h = np.maximum(norm("norm1", affine("first", x)), 0.0)
        h = np.maximum(norm("norm2", affine("second", h)), 0.0)
        return np.tanh(affine("last", h))
    h = silu(affine("second", silu(affine("first", x))))
    return np.clip(affine("last", h) + x @ layers["skip.weight"] + prototype, -1.0, 1.0)


@pytest.mark.parametrize(("kind", "stage", "spec"), ALL)
def test_team_equals_each_agent_by_hand(kind, stage, spec):
    actor, x = team(kind, stage, spec), inputs(spec, stage)
    joint = actor(x).detach().numpy()
    assert joint.shape == (7, spec.action_dim)
    column = 0
    for i, own in enumerate(spec.actor_inputs(stage)):
        width = spec.action_dims[i]
        seen = x.numpy()[:, own].astype(float)
        first = spec.state_dims[i]
        prototype = seen[:, first : first + width] if stage > 1 else 0.0
        layers = actor.agent_layers(i)
        assert layers["inputs.weight"].shape[0] == len(own)
        assert layers["last.weight"].shape[1] == width
        expected = by_hand(kind, layers, seen, prototype)
        np.testing.assert_allclose(joint[:, column : column + width], expected, atol=1e-5)
        assert np.std(expected, axis=0).min() > 1e-5  # it does depend on what it sees
        column += width


@pytest.mark.parametrize(("kind", "stage", "spec"), ALL)
def test_no_agent_sees_what_is_not_its_own(kind, stage, spec):
    actor, x = team(kind, stage, spec), inputs(spec, stage, rows=1)
    x *= 0.1  # away from the limits, where nothing is clipped
    jacobian = torch.autograd.functional.jacobian(actor, x)[0, :, 0].numpy()  # (A, width)
    row = 0
    for i, own in enumerate(spec.actor_inputs(stage)):
        others = np.setdiff1d(np.arange(x.shape[1]), own)
        for _ in range(spec.action_dims[i]):
            np.testing.assert_array_equal(jacobian[row, others], 0.0)
            assert np.all(jacobian[row, own] != 0.0)
            row += 1
    assert row == spec.action_dim


def test_a_later_plain_stage_begins_near_the_stage_before():
    actor = TeamActor(UNEVEN, 2, kind="plain", width=64)
    x = inputs(UNEVEN, 2, rows=200)
    prototype = x[:, 6:10]
    assert (actor(x) - prototype).abs().max() < 0.2
    assert not TeamActor(UNEVEN, 1, kind="plain", width=8).residual
    assert not TeamActor(UNEVEN, 2, kind="paper", width=8).residual


def test_weights_can_be_exchanged_without_touching_the_original():
    first, second = team("plain", 2, UNEVEN, seed=0), team("plain", 2, UNEVEN, seed=5)
    x = inputs(UNEVEN, 2)
    before = first(x)
    weights = {name: value.numpy() for name, value in second.state_dict().items()}
    torch.testing.assert_close(first.with_weights(weights)(x), second(x), rtol=0, atol=0)
    torch.testing.assert_close(first(x), before, rtol=0, atol=0)


def test_clip_stops_only_gradients_that_point_outward():
    x = torch.tensor([-2.0, -2.0, -0.5, 0.5, 2.0, 2.0], requires_grad=True)
    grad = torch.tensor([-1.0, 1.0, 3.0, -3.0, -1.0, 1.0])
    y = ProjectedClip.apply(x)
    np.testing.assert_array_equal(y.detach(), [-1.0, -1.0, -0.5, 0.5, 1.0, 1.0])
    y.backward(grad)
    # Descent goes against the gradient: at x = -2 a positive one leads further down.
    np.testing.assert_array_equal(x.grad, [-1.0, 0.0, 3.0, -3.0, 0.0, 1.0])


def covariance(actor, x, agent):
    mapped = torch.baddbmm(actor.input_shift, actor.gather(x), actor.input_map)[agent]
    mapped = mapped.double().numpy()
    np.testing.assert_allclose(mapped.mean(0), 0.0, atol=1e-3)
    return np.cov(mapped.T)


@pytest.mark.parametrize("spec", [EVEN, UNEVEN])
def test_fit_inputs_whitens_what_each_agent_sees(spec):
    actor = TeamActor(spec, 2, kind="plain", width=8)
    rng = np.random.default_rng(0)
    width = spec.state_dim + spec.action_dim + spec.obs_dim
    mixed = rng.standard_normal((4000, width)) @ rng.standard_normal((width, width)) + 5.0
    x = torch.from_numpy(mixed.astype(np.float32))
    actor.fit_inputs(x, 1e-4)
    fan_in = max(actor.input_dims)
    for i, dim in enumerate(actor.input_dims):
        found = np.sort(np.linalg.eigvalsh(covariance(actor, x, i)))
        expected = np.repeat([0.0, 1.0], [fan_in - dim, dim])  # padding stays empty
        np.testing.assert_allclose(found, expected, atol=5e-3)
        # Whitened along principal axes: the map's columns are uncorrelated, not just scaled.
        np.testing.assert_allclose(covariance(actor, x, i), np.diag(expected), atol=5e-3)


@pytest.mark.parametrize("floor", [1e-3, 0.1])
def test_fit_inputs_magnifies_no_axis_beyond_the_floor(floor):
    spec = JointSpec(("a",), (3,), (1,), (0,))
    actor = TeamActor(spec, 1, kind="plain", width=8)
    rng = np.random.default_rng(0)
    load = rng.standard_normal(4000)
    nearly = load + 0.02 * rng.standard_normal(4000)  # of the load, but for 2 %
    sample = np.stack([load, nearly, np.full(4000, 7.0)], axis=1)  # and one that never moves
    x = torch.from_numpy(sample.astype(np.float32))
    actor.fit_inputs(x, floor)
    assert torch.isfinite(actor.input_map).all() and torch.isfinite(actor.input_shift).all()
    rho = np.corrcoef(load, nearly)[0, 1]
    variances = np.array([0.0, 1.0 - rho, 1.0 + rho])  # principal axes of standardised inputs
    found = np.linalg.eigvalsh(covariance(actor, x, 0))
    np.testing.assert_allclose(found, variances / (variances + floor**2), rtol=0.02, atol=1e-6)
    gain = np.linalg.norm(actor.input_map[0].numpy() * sample.std(0, ddof=1)[:, None], axis=0)
    assert gain.max() <= 1.001 / floor
    moved = torch.baddbmm(actor.input_shift, actor.gather(x + torch.eye(3)[2]), actor.input_map)
    still = torch.baddbmm(actor.input_shift, actor.gather(x), actor.input_map)
    torch.testing.assert_close(moved, still)  # the column that never moved is not looked at


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
    with pytest.raises(ValueError, match="actor net is 'deep', must be one of paper, plain"):
        TeamActor(EVEN, 1, kind="deep", width=8)
    with pytest.raises(ValueError, match="critic net is 'deep', must be one of paper, quad"):
        Critics(1, EVEN, kind="deep", width=8)
