"""Teams and minibatches that the tests of updates share."""

from __future__ import annotations

import copy

import torch

from policies.contract.joint_spec import JointSpec
from policies.networks.team import Critics, TeamActor
from policies.staged.update import Team, own_columns

UNEVEN = JointSpec(("a", "b"), (2, 1), (1, 2), (1, 1))
GAME = JointSpec(("a", "b"), (1, 1), (1, 1), (1, 1))
RATES = {"actor": 0.05, "critic": 0.02}
KINDS = [("plain", "quadratic-residual"), ("paper", "paper")]


def make_team(spec, n, *, stage=1, kinds=KINDS[0], width=8, rows=6, sgd=True, double=True):
    torch.manual_seed(0)
    nets = {}
    for name in ("actor", "target_actor"):
        nets[name] = TeamActor(spec, stage, kind=kinds[0], width=width)
    for name in ("critic", "target_critic"):
        nets[name] = Critics(n, spec, kind=kinds[1], width=width, rows=rows)
    if double:
        nets = {name: net.double() for name, net in nets.items()}
    optimizers = {
        f"{name}_optimizer": torch.optim.SGD(nets[name].parameters(), rate)
        if sgd
        else torch.optim.Adam(nets[name].parameters(), 3e-3)
        for name, rate in RATES.items()
    }
    return Team(**nets, **optimizers, own=own_columns(spec))


def make_batch(spec, n, stage, rows=9):
    generator = torch.Generator().manual_seed(1)
    width = spec.state_dim + (stage > 1) * (spec.action_dim + spec.obs_dim)

    def draw(columns):
        return torch.rand(rows, columns, generator=generator, dtype=torch.float64) * 2 - 1

    return {
        "inputs": draw(width),
        "action": draw(spec.action_dim),
        "reward": draw(n),
        "next_inputs": draw(width),
        "terminated": (draw(1) > 0.0).double(),
    }


def stepped(network, loss, rate):
    """A copy of a network after one step of plain gradient descent."""
    other = copy.deepcopy(network)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(other.parameters(), gradients, strict=True):
            parameter -= rate * gradient
    return other


def assert_same(network, expected, name):
    for (key, found), wanted in zip(
        network.state_dict().items(), expected.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(found, wanted, msg=lambda m, k=key: f"{name}.{k}: {m}")
