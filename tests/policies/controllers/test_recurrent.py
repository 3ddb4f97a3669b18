"""Exported recurrent controllers: the same numbers as torch, and files that are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.contract.joint_spec import JointSpec
from policies.contract.walk import Turns
from policies.controllers.agent import ControllerError
from policies.controllers.files import load_controllers, save_controllers
from policies.controllers.recurrent import RecurrentController, kind_name
from policies.networks.recurrent_actors import RecurrentActor
from policies.networks.team import ACTORS

SPEC = JointSpec(("agent_0", "agent_1", "agent_10"), (2, 1, 3), (1, 2, 1), (1, 3, 2))
ROOT = Path(__file__).resolve().parents[3]
L, B = 2, 30


def actor(kind, recurs=True):
    """With every parameter and map drawn at random; some of its actions saturate."""
    torch.manual_seed(0)
    made = RecurrentActor(SPEC, L, recurs=recurs, kind=kind, width=8, memory=5)
    made.fit_inputs(torch.randn(2 * L, 200, SPEC.input_dim(2)) + 0.5, 1e-3) if recurs else None
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return made


def signature(agent):
    made = SPEC.plain_signature(agent)
    for part, entries in made.items():
        for k, entry in enumerate(entries):
            entry.update(offset=3.0 * k - len(part), scale=2.0 + k)
            if part == "action":
                low, high = (entry["offset"] + side * entry["scale"] for side in (-1, 1))
                entry.update(low=low, high=high)
    return made


def controllers(kind="plain", recurs=True):
    team = actor(kind, recurs)
    return {
        agent: RecurrentController(
            agent, signature(agent), [kind_name(kind)], [team.agent_layers(i)], L
        )
        for i, agent in enumerate(SPEC.agents)
    }


def physical(agent, part, scaled):
    entries = signature(agent)[part]
    offset, scale = (np.array([entry[key] for entry in entries]) for key in ("offset", "scale"))
    return offset + scale * scaled


def split(joint, dims):
    return dict(zip(SPEC.agents, np.split(joint, np.cumsum(dims)[:-1], axis=-1), strict=True))


def draw(seed, width):
    return np.random.default_rng(seed).uniform(-1, 1, (B, width))


@pytest.mark.parametrize("kind", ACTORS)
def test_equal_to_the_torch_actors_over_two_time_steps(kind):
    made, torches = controllers(kind), actor(kind)
    action = np.zeros((B, SPEC.action_dim))
    seen, hidden, memories = np.zeros((B, SPEC.obs_dim)), None, {}
    for r in range(2 * L):
        state = draw(r // L, SPEC.state_dim)
        inputs = np.concatenate([state, action, seen], axis=1).astype(np.float32)
        with torch.no_grad():
            expected, hidden = torches.steps(torch.from_numpy(inputs)[None], r, hidden)
        found = {}
        for agent, controller in made.items():
            given = [physical(agent, "state", split(state, SPEC.state_dims)[agent])]
            if r:
                given += [
                    physical(agent, "action", split(action, SPEC.action_dims)[agent]),
                    physical(agent, "observation", split(seen, SPEC.obs_dims)[agent]),
                    memories[agent],
                ]
            found[agent], memories[agent] = controller.act_round(*given)
        action = expected[0].numpy().astype(float)
        for agent, one in split(action, SPEC.action_dims).items():
            np.testing.assert_allclose(found[agent], physical(agent, "action", one), atol=3e-5)
        assert action.std(0).mean() > 0.01
        seen = draw(10 + r, SPEC.obs_dim)


def test_a_row_alone_is_the_row_of_a_batch():
    controller = controllers()["agent_1"]
    states, seen = draw(0, 1), draw(1, 3)
    action, memory = controller.act_round(states)
    again, _ = controller.act_round(states, action, seen, memory)
    one, kept = controller.act_round(states[4])
    np.testing.assert_allclose(one, action[4], atol=1e-6)
    two, _ = controller.act_round(states[4], one, seen[4], kept)
    np.testing.assert_allclose(two, again[4], atol=1e-5)


def test_bad_calls_are_refused():
    controller = controllers()["agent_0"]
    action, memory = controller.act_round(np.zeros((B, 2)))
    with pytest.raises(ControllerError, match="the first round takes the state alone"):
        controller.act_round(np.zeros((B, 2)), action)
    with pytest.raises(ControllerError, match="the first round takes the state alone"):
        controller.act_round(np.zeros((B, 2)), memory=memory)
    with pytest.raises(ControllerError, match="must be equal"):
        controller.act_round(np.zeros((3, 2)), action[:3], np.zeros((3, 1)), memory)
    with pytest.raises(ControllerError, match="not finite"):
        controller.act_round([np.nan, 0.0])
    single = controllers(recurs=False)["agent_0"]
    memory = None
    for given in ((), ([0.0], [0.0])):
        action, memory = single.act_round([0.0, 0.0], *given, memory=memory)
    with pytest.raises(ControllerError, match="begin the next one without memory"):
        single.act_round([0.0, 0.0], action, [0.0], memory)


@pytest.mark.parametrize("recurs", [True, False])
@pytest.mark.parametrize("kind", ACTORS)
def test_files_round_trip(kind, recurs, tmp_path):
    made = controllers(kind, recurs)
    save_controllers(tmp_path, made)
    loaded = load_controllers(tmp_path)
    assert list(loaded) == list(SPEC.agents)
    for agent, controller in loaded.items():
        assert type(controller) is RecurrentController and controller.num_rounds == L
        assert controller.signature == made[agent].signature
        state = draw(0, len(controller.signature["state"]))
        np.testing.assert_array_equal(
            controller.act_round(state)[0], made[agent].act_round(state)[0]
        )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kinds", ["recurrent-deep"]),
        ("kinds", ["recurrent-plain", "recurrent-plain"]),
        ("kinds", ["recurrent-paper"]),
        ("kinds", ["plain"]),
        ("rounds", 0),
        ("rounds", "two"),
        ("rounds", 9),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(key, value, tmp_path):
    save_controllers(tmp_path, controllers())
    path = tmp_path / "agent_0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(ControllerError, match=r"agent_0.json: the description is damaged"):
        load_controllers(tmp_path)


def test_turns_are_the_rounds_it_was_trained_for():
    controller = controllers()["agent_1"]
    assert controller.turns() == controller.turns(stages=1, rounds=7) == Turns(1, L)
    with pytest.raises(ControllerError, match=r"agent_1: stage 2 is not in 1\.\.1"):
        controller.turns(stages=2)
    assert controller.goes_on and not controllers(recurs=False)["agent_1"].goes_on
    state = draw(0, 1)
    action, memory = controller.take(1, state)
    np.testing.assert_array_equal(action, controller.act_round(state)[0])
    again, _ = controller.take(2, state, action, draw(1, 3), memory)
    expected, _ = controller.act_round(state, action, draw(1, 3), memory)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("kind", ACTORS)
def test_actions_keep_their_circles(kind):
    free = controllers(kind)["agent_1"]
    bounded = {**free.signature, "action_circles": [[0, 1, 0.5]]}
    held = RecurrentController("agent_1", bounded, free.kinds, free.weights, L)
    memory = given = None
    for _ in range(L):
        seen = () if given is None else (given, draw(1, 3), memory)
        action, _ = free.act_round(10 * draw(0, 1), *seen)
        given, memory = held.act_round(10 * draw(0, 1), *seen)
        sizes = np.hypot(*action.T), np.hypot(*given.T)
        assert (sizes[0] > 0.5).any()
        np.testing.assert_allclose(sizes[1], np.minimum(sizes[0], 0.5))


def test_loading_needs_neither_ray_nor_torch(tmp_path):
    save_controllers(tmp_path, controllers())
    code = (
        "import sys; from policies import load_controllers; "
        f"c = load_controllers({str(tmp_path)!r})['agent_0']; c.act_round([0.0, 0.0]); "
        "print({'ray', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "set()", "")
