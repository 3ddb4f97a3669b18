"""The actors of a team against one network at a time, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_networks import EVEN, UNEVEN, inputs, team

from policies.contract.joint_spec import JointSpec
from policies.networks.actors import TeamActor
from policies.networks.team import ACTORS

ALL = [(kind, stage, spec) for kind in ACTORS for stage in (1, 2) for spec in (EVEN, UNEVEN)]


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
