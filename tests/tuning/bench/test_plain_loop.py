"""The plain loop of `bench` does the very updates it is compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from policies.algorithms.maddpg_update import MADDPGUpdate, UpdateRule
from policies.contract.joint_spec import JointSpec
from policies.networks.actors import TeamActor
from policies.networks.critics import Critics
from tuning.bench.plain_loop import PlainLoop

SPEC = JointSpec(("a", "b"), (3, 3), (2, 2), (1, 1))
RATES = (2e-3, 1e-3)


def make_team(stage: int) -> MADDPGUpdate:
    torch.manual_seed(0)
    actor, target = (TeamActor(SPEC, stage, kind="plain", width=8) for _ in range(2))
    sample = torch.randn(100, sum(map(len, SPEC.actor_inputs(stage))))
    actor.fit_inputs(sample, 1e-3)
    target.load_state_dict(actor.state_dict())
    critics = [Critics(1, SPEC, kind="quadratic-residual", width=8, rows=4) for _ in range(2)]
    return MADDPGUpdate(
        UpdateRule(gamma=0.0, tau=0.1, joint_actor_step=True),
        actor,
        target,
        *critics,
        torch.optim.Adam(actor.parameters(), lr=RATES[0]),
        torch.optim.Adam(critics[0].parameters(), lr=RATES[1]),
    )


@pytest.mark.parametrize("stage", [1, 2])
def test_same_updates(stage: int) -> None:
    team = make_team(stage)
    plain = PlainLoop(team, RATES, tau=0.1)
    before = plain.actors[0].first.weight.detach().clone()
    width = sum(map(len, SPEC.actor_inputs(stage)))
    for _ in range(5):
        batch = {
            "inputs": torch.randn(16, width),
            "action": torch.rand(16, SPEC.action_dim) * 2 - 1,
            "reward": torch.randn(16, 1),
        }
        team.step(batch)
        plain.update(batch)
    assert (plain.actors[0].first.weight - before).abs().max() > 1e-3
    for networks, stacked in ((plain.actors, team.actor), (plain.targets, team.target_actor)):
        for agent, network in enumerate(networks):
            for name in ("first", "second", "last"):
                weights = stacked.agent_layers(agent)
                found = getattr(network, name).weight.detach().numpy().T
                np.testing.assert_allclose(found, weights[f"{name}.weight"], atol=2e-5)
    quadratic = team.critic.quadratic.weight[0].detach().numpy()
    found = plain.critic.quadratic.weight.detach().numpy().T
    np.testing.assert_allclose(found, quadratic, atol=2e-5)
