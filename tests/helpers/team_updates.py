"""Updates with small networks, and minibatches, that several tests share."""

from __future__ import annotations

import copy

import torch

from policies.algorithms.maddpg_update import MADDPGUpdate
from policies.contract.joint_spec import JointSpec
from policies.networks.actors import TeamActor
from policies.networks.critics import Critics

UNEVEN = JointSpec(("a", "b"), (2, 1), (1, 2), (1, 1))
GAME = JointSpec(("a", "b"), (1, 1), (1, 1), (1, 1))
RATES = {"actor": 0.05, "critic": 0.02}
KINDS = [("plain", "quadratic-residual"), ("paper", "paper")]


def make_update(
    spec, n, rule, *, stage=1, kinds=KINDS[0], width=8, rows=6, sgd=True, double=True, rates=RATES
):
    """An update by the rule, with networks that are the same at every call.

    Args:
        sgd: plain gradient descent at `rates`; else Adam.
    """
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
        for name, rate in rates.items()
    }
    return MADDPGUpdate(rule, **nets, **optimizers)


def networks(update):
    """Copies of the networks of an update, by name."""
    names = ("actor", "target_actor", "critic", "target_critic")
    return {name: copy.deepcopy(getattr(update, name)) for name in names}


def losses_of(figures):
    """The losses of critics and actors that a step returns, in this order."""
    return torch.stack([figures["critic"], figures["actor"]])


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
