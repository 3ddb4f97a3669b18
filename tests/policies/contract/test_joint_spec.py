"""How joint arrays are divided among the agents."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from quadratic_game import JointGame

from policies.contract.joint_spec import JointEnv, JointSpec

SPEC = JointSpec(("a", "b", "c"), (2, 1, 3), (1, 2, 1), (1, 3, 0))


def slices(**parts):
    """An environment that is nothing but its slices."""
    whole = {"a": slice(0, 2), "b": slice(2, 3)}
    given = dict.fromkeys(("state_slices", "action_slices", "obs_slices"), whole) | parts
    return SimpleNamespace(agents=("a", "b"), **given)


def test_widths():
    assert (SPEC.num_agents, SPEC.state_dim, SPEC.action_dim, SPEC.obs_dim) == (3, 6, 4, 4)


def test_read_off_an_environment():
    game = JointGame(4, 0)
    assert isinstance(game, JointEnv)
    assert JointSpec.of(game) == JointSpec(("agent_0", "agent_1"), (1, 1), (1, 1), (1, 1))
    assert JointSpec.of(slices()) == JointSpec(("a", "b"), (2, 1), (2, 1), (2, 1))


@pytest.mark.parametrize(
    "part", [{"a": slice(0, 2), "b": slice(3, 4)}, {"a": slice(1, 3), "b": slice(0, 1)}]
)
@pytest.mark.parametrize("name", ["state_slices", "action_slices", "obs_slices"])
def test_gaps_and_other_orders_are_refused(name, part):
    with pytest.raises(ValueError, match=rf"{name}\['[ab]'\] starts at \d, must start at \d"):
        JointSpec.of(slices(**{name: part}))


def test_actor_inputs_at_stage_one_are_own_states():
    assert [own.tolist() for own in SPEC.actor_inputs(1)] == [[0, 1], [2], [3, 4, 5]]


@pytest.mark.parametrize("stage", [2, 3])
def test_actor_inputs_later_are_own_states_actions_and_observations(stage):
    # [s | a~ | o]: states 0..5, actions 6..9, observations 10..13.
    assert [own.tolist() for own in SPEC.actor_inputs(stage)] == [
        [0, 1, 6, 10],
        [2, 7, 8, 11, 12, 13],
        [3, 4, 5, 9],
    ]


def test_dict_round_trip_through_json():
    assert JointSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC


def test_plain_signature_is_scaled_units_themselves():
    signature = SPEC.plain_signature("b")
    assert [len(signature[part]) for part in ("state", "action", "observation")] == [1, 2, 3]
    for entries in signature.values():
        assert all((entry["offset"], entry["scale"]) == (0.0, 1.0) for entry in entries)
    assert all((entry["low"], entry["high"]) == (-1.0, 1.0) for entry in signature["action"])
    assert "low" not in signature["state"][0]
