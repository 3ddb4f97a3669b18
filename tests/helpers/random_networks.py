"""Small networks with every parameter drawn at random, and inputs for them."""

from __future__ import annotations

import torch

from policies.contract.joint_spec import JointSpec
from policies.networks.actors import TeamActor
from policies.networks.recurrent_actors import RecurrentActor

EVEN = JointSpec(("a", "b"), (2, 2), (1, 1), (1, 1))
UNEVEN = JointSpec(("a", "b", "c"), (2, 1, 3), (1, 2, 1), (1, 3, 0))
SPEC = JointSpec(("agent_0", "agent_1", "agent_2"), (2, 1, 3), (1, 2, 1), (1, 3, 2))
L, B = 2, 5  # rounds of a time step, and trajectories
WIDTH = SPEC.input_dim(2)


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


def recurrent_actor(kind="plain", spec=SPEC, seed=0, recurs=True):
    """With every parameter drawn at random, so that nothing is zero by its initial value."""
    torch.manual_seed(seed)
    made = RecurrentActor(spec, L, recurs=recurs, kind=kind, width=8, memory=6)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return made.double()


def sequence(rounds=2 * L, batch=B, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(rounds, batch, WIDTH, generator=generator, dtype=torch.float64)
