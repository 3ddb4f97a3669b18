"""Controllers of stages: the same numbers as the torch actors, and inputs that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exported import SPEC, actors, controllers, inputs, joint_actions, own_inputs

from policies.contract.walk import Turns
from policies.controllers.agent import ControllerError
from policies.controllers.staged import Controller
from policies.networks.team import ACTORS


@pytest.mark.parametrize("physical", [False, True])
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("kind", ACTORS)
def test_equal_to_the_torch_actors(kind, stage, physical):
    made, x = controllers(kind, physical), inputs()
    actor = actors(kind)[stage - 1]
    with torch.no_grad():
        expected = actor(x if stage > 1 else x[:, : SPEC.state_dim]).numpy()
    found = joint_actions(made, x, stage)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.std(0).min() > 0.01


def test_actions_keep_their_limits():
    controller = controllers(physical=True)["agent_10"]
    (entry,) = controller.signature["action"]
    state = np.random.default_rng(0).uniform(-1e3, 1e3, (200, 3))
    action = controller.act(state)
    assert action.shape == (200, 1) and action.dtype == np.float64
    assert (action.min(), action.max()) == (entry["low"], entry["high"])
    entry["high"] = entry["offset"]  # a limit of its own, inside the scale
    tight = Controller("agent_10", controller.signature, controller.kinds, controller.weights)
    np.testing.assert_array_equal(tight.act(state), np.minimum(action, entry["offset"]))


def test_one_state_or_many():
    controller = controllers()["agent_1"]
    state, prototype, observation = own_inputs("agent_1", inputs())
    many = controller.act(state, prototype, observation)
    one = controller.act(state[4], prototype[4], observation[4])
    assert many.shape == (40, 2) and one.shape == (2,)
    np.testing.assert_allclose(one, many[4], atol=1e-6)


def test_default_stage():
    controller = controllers(stages=3)["agent_1"]
    seen = own_inputs("agent_1", inputs())
    same = np.testing.assert_array_equal
    same(controller.act(seen[0]), controller.act(seen[0], stage=1))
    same(controller.act(*seen), controller.act(*seen, stage=3))
    assert not np.allclose(controller.act(*seen), controller.act(*seen, stage=2))


STATE, PROTOTYPE, SEEN = [0.1], [0.2, 0.3], [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("given", "stage", "message"),
    [
        ((STATE,), 0, "agent_1: stage 0 is not in 1..2"),
        ((STATE,), 3, "agent_1: stage 3 is not in 1..2"),
        ((STATE,), 2, "agent_1: stage 2 takes state, prototype and observation"),
        ((STATE, PROTOTYPE), None, "agent_1: stage 2 takes state, prototype and observation"),
        ((STATE, PROTOTYPE, SEEN), 1, "agent_1: stage 1 takes the state alone"),
        (([0.1, 0.2],), None, r"state has shape \(2,\), must be \(1,\) or \(B, 1\): state\[0\]"),
        ((0.1,), None, r"state has shape \(\), must be"),
        (([[STATE]],), None, r"state has shape \(1, 1, 1\), must be"),
        ((STATE, [0.1], SEEN), None, r"action has shape \(1,\), must be \(2,\)"),
        ((STATE, PROTOTYPE, STATE), None, r"observation has shape \(1,\), must be \(3,\)"),
        (([STATE] * 2, PROTOTYPE, [SEEN] * 2), None, "batch shapes .* must be equal"),
        (([STATE] * 2, [PROTOTYPE] * 3, [SEEN] * 2), None, "batch shapes .* must be equal"),
        (([np.nan],), None, "agent_1: state has values that are not finite"),
        ((STATE, PROTOTYPE, [0.1, np.inf, 0.3]), None, "observation has values that are not"),
    ],
)
def test_wrong_inputs_are_refused_in_one_line(given, stage, message):
    with pytest.raises(ControllerError, match=message) as error:
        controllers()["agent_1"].act(*given, stage=stage)
    assert "\n" not in str(error.value)


def test_turns_are_the_stages_and_the_rounds_of_the_last():
    made = controllers(stages=3)["agent_1"]
    made.rounds = 2
    assert made.turns() == Turns(3, 2)
    assert made.turns(stages=2) == made.turns(stages=2, rounds=5) == Turns(2, 1)
    assert made.turns(rounds=5) == Turns(3, 5)
    with pytest.raises(ControllerError, match=r"agent_1: stage 4 is not in 1\.\.3"):
        made.turns(stages=4)
    assert not made.goes_on


def test_a_turn_is_a_stage_and_further_turns_are_the_last_ones():
    made = controllers(stages=2)["agent_1"]
    seen = own_inputs("agent_1", inputs())
    for turn, given, stage in ((1, seen[:1], 1), (2, seen, 2), (3, seen, 2)):
        action, memory = made.take(turn, *given)
        np.testing.assert_array_equal(action, made.act(*given, stage=stage))
        assert memory is None


def test_actions_keep_their_circles():
    made = controllers()["agent_1"]
    signature = {**made.signature, "action_circles": [[0, 1, 0.5]]}
    limited = Controller("agent_1", signature, made.kinds, made.weights)
    state = np.random.default_rng(0).uniform(-10, 10, (200, 1))
    free, held = np.hypot(*made.act(state).T), np.hypot(*limited.act(state).T)
    assert (free > 0.5).any()
    np.testing.assert_allclose(held, np.minimum(free, 0.5))
