"""Actors begin as the best affine team."""

from __future__ import annotations

import pytest
import torch

from policies.contract.joint_spec import JointSpec
from policies.learning.affine_start import affine_start
from policies.networks.actors import TeamActor

SPEC = JointSpec(("a", "b", "c"), (1, 2, 1), (1, 2, 1), (1, 1, 1))


def team(stage):
    torch.manual_seed(0)
    actor = TeamActor(SPEC, stage, kind="plain", width=8)
    with torch.no_grad():
        for layer in (actor.first, actor.second, actor.last):
            layer.weight.mul_(0.1)
    return actor


@pytest.mark.parametrize("stage", [1, 2])
def test_no_affine_team_does_better(stage):
    rng = torch.Generator().manual_seed(1)
    width = SPEC.input_dim(stage)
    inputs = torch.randn(600, width, generator=rng) * 0.05  # so that nothing is clipped
    root = torch.randn(4, 4, generator=rng)
    bend, cross = -(root @ root.t() + torch.eye(4)), torch.randn(4, 4, generator=rng)

    def value(actor):
        a, s = actor(inputs), inputs[:, :4]
        return (0.5 * ((a @ bend) * a).sum(1) + ((s @ cross) * a).sum(1)).mean()

    actor = team(stage)
    before = value(actor).item()
    slope = (actor(inputs) @ bend + inputs[:, :4] @ cross).detach()
    assert affine_start(actor, inputs, slope, bend) > 0
    assert value(actor).item() > before
    gradients = torch.autograd.grad(value(actor), [actor.skip, actor.last.bias])
    used = [g.abs().max() for g in gradients]
    assert float(max(used).detach()) < 1e-4 * float(slope.abs().max())


def test_of_a_quadratic_that_is_not_concave_nothing_is_taken():
    actor = team(1)
    held = {name: value.clone() for name, value in actor.state_dict().items()}
    inputs = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    assert affine_start(actor, inputs, torch.ones(50, 4), torch.eye(4)) == 0
    assert all(held[name].equal(value) for name, value in actor.state_dict().items())
