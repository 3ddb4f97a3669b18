"""From the networks of all stages to what each agent runs by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from quadratic_game import JointGame

from policies import MADDPGConfig
from policies.contract.joint_spec import JointSpec
from policies.networks.actors import TeamActor
from policies.staged.export import controllers_of

GAME = JointGame(1, 0)
SPEC = JointSpec.of(GAME)


def team(spec, stages):
    torch.manual_seed(0)
    return [TeamActor(spec, stage, kind="plain", width=8) for stage in range(1, stages + 1)]


def exported(spec=SPEC, stages=2, **settings):
    config = MADDPGConfig().training(num_stages=2, **settings)
    actors = team(spec, stages)
    return actors, controllers_of(config, spec, GAME.signature, actors)


def test_each_agent_has_its_own_part_of_every_stage():
    actors, found = exported()
    assert list(found) == ["agent_0", "agent_1"]
    for i, (agent, controller) in enumerate(found.items()):
        assert controller.agent == agent and controller.signature == GAME.signature(agent)
        assert controller.kinds == ["plain", "plain"]
        for actor, weights in zip(actors, controller.weights, strict=True):
            for name, value in actor.agent_layers(i).items():
                np.testing.assert_array_equal(weights[name], value)


@pytest.mark.parametrize(("stages", "rounds"), [(1, 1), (2, 3)])
def test_only_the_last_of_all_stages_is_applied_several_times(stages, rounds):
    _, found = exported(stages=stages, rounds=3)
    assert {controller.rounds for controller in found.values()} == {rounds}


def test_with_the_full_state_every_agent_takes_all_states():
    spec = dataclasses.replace(SPEC, full_state=True)
    actors, found = exported(spec, stages=1, full_state=True)
    for i, controller in enumerate(found.values()):
        assert [entry["name"] for entry in controller.signature["state"]] == ["load[0]", "load[1]"]
        state = np.array([[0.3, -0.4]])
        with torch.no_grad():
            scaled = actors[0](torch.from_numpy(state.astype(np.float32)))[0, i].item()
        # In physical units: states are 10 + 4 s, actions 2 + 8 a.
        assert controller.act(10.0 + 4.0 * state)[0, 0] == pytest.approx(2.0 + 8.0 * scaled)
