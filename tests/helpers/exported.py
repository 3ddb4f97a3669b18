"""Exported controllers with random weights, and joint inputs to hold them against torch with."""

from __future__ import annotations

import numpy as np
import torch

from policies.contract.joint_spec import JointSpec
from policies.controllers.staged import Controller
from policies.networks.actors import TeamActor

SPEC = JointSpec(("agent_0", "agent_1", "agent_10"), (2, 1, 3), (1, 2, 1), (1, 3, 2))


def actors(kind, stages=2):
    """Actors with every parameter and map drawn at random; some of their actions saturate."""
    torch.manual_seed(0)
    made = []
    for stage in range(1, stages + 1):
        actor = TeamActor(SPEC, stage, kind=kind, width=8)
        width = SPEC.state_dim + (stage > 1) * (SPEC.action_dim + SPEC.obs_dim)
        actor.fit_inputs(torch.randn(200, width) * torch.rand(width) + 0.5, 1e-3)
        with torch.no_grad():
            for parameter in actor.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
        made.append(actor)
    return made


def signature(agent, physical):
    """Each entry with an offset and a scale of its own where `physical`, else scaled units."""
    made = SPEC.plain_signature(agent)
    for part, entries in made.items():
        for k, entry in enumerate(entries):
            if physical:
                entry.update(offset=3.0 * k - len(part), scale=2.0 + k)
            if part == "action":
                low, high = (entry["offset"] + side * entry["scale"] for side in (-1, 1))
                entry.update(low=low, high=high)
    return made


def controllers(kind="plain", physical=False, stages=2):
    team = actors(kind, stages)
    return {
        agent: Controller(
            agent,
            signature(agent, physical),
            [kind] * stages,
            [actor.agent_layers(i) for actor in team],
        )
        for i, agent in enumerate(SPEC.agents)
    }


def inputs(rows=40):
    generator = torch.Generator().manual_seed(3)
    width = SPEC.state_dim + SPEC.action_dim + SPEC.obs_dim
    return 2 * torch.rand(rows, width, generator=generator) - 1


def own_inputs(agent, x):
    """One agent's state, prototype and observation out of joint inputs."""
    i = SPEC.agents.index(agent)
    columns = x.numpy()[:, SPEC.actor_inputs(2)[i]].astype(float)
    s, a = SPEC.state_dims[i], SPEC.action_dims[i]
    return columns[:, :s], columns[:, s : s + a], columns[:, s + a :]


def physical_units(controller, part, scaled):
    entries = controller.signature[part]
    offset, scale = (np.array([entry[key] for entry in entries]) for key in ("offset", "scale"))
    return offset + scale * scaled


def joint_actions(made, x, stage):
    """All agents' scaled actions from their own scaled inputs, through physical units."""
    actions = []
    for agent, controller in made.items():
        state, prototype, observation = own_inputs(agent, x)
        seen = [physical_units(controller, "state", state)]
        if stage > 1:
            seen.append(physical_units(controller, "action", prototype))
            seen.append(physical_units(controller, "observation", observation))
        action = controller.act(*seen, stage=stage)
        offset = physical_units(controller, "action", 0.0)
        actions.append((action - offset) / (physical_units(controller, "action", 1.0) - offset))
    return np.concatenate(actions, axis=1)
