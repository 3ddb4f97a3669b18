"""The order in which stages act, rounds follow and agents measure."""

from __future__ import annotations

import numpy as np
import pytest

from policies.contract.walk import Turns, walk


def walked(turns: Turns, seen: str = "s") -> tuple[str, list[str]]:
    """What the last turn sees, and all calls on the way to it, in words."""
    calls = []

    def act(turn, seen):
        calls.append(f"{turn}: stage {turns.stage(turn)} acts on {seen}")
        return f"a{turn}"

    def measure(action):
        calls.append(f"all measure under {action}")
        return f"o({action})"

    last = walk(turns, seen, act, measure, lambda turn, before, a, o: f"{turn}<{before}|{a}|{o}>")
    return last, calls


def test_stages_act_one_after_another_and_all_measure_in_between():
    last, calls = walked(Turns(stages=3))
    assert calls == [
        "1: stage 1 acts on s",
        "all measure under a1",
        "2: stage 2 acts on 2<s|a1|o(a1)>",
        "all measure under a2",
    ]
    assert last == "3<2<s|a1|o(a1)>|a2|o(a2)>"


def test_the_last_stage_acts_again_in_further_rounds():
    _, calls = walked(Turns(stages=2, rounds=3))
    assert [call[:10] for call in calls[::2]] == ["1: stage 1", "2: stage 2", "3: stage 2"]
    assert calls[1::2] == [f"all measure under a{turn}" for turn in (1, 2, 3)]


def test_one_network_in_every_round():
    turns = Turns(rounds=3)
    assert [turns.stage(turn) for turn in range(1, turns.last + 1)] == [1, 1, 1]
    assert (turns.last, turns.probes) == (3, 2)


def test_a_single_turn_is_the_callers_alone():
    assert walked(Turns()) == ("s", [])


def test_lanes_that_take_fewer_turns_keep_what_they_saw():
    state, own = np.array([[10.0], [20.0], [30.0]]), np.array([1, 3, 2])
    acted = []

    def act(turn, inputs):
        acted.append(inputs[:, -1].tolist())
        return inputs[:, -1:] + 1.0

    def see(turn, before, action, observation):
        return np.where((turn <= own)[:, None], action + observation, before)

    last = walk(Turns(stages=1, rounds=3), state, act, lambda action: 100.0, see)
    assert acted == [[10, 20, 30], [10, 121, 131]]
    assert last[:, 0].tolist() == [10, 222, 131]


@pytest.mark.parametrize(("stages", "rounds", "name"), [(0, 1, "stages"), (2, 0, "rounds")])
def test_no_turns_are_refused(stages, rounds, name):
    with pytest.raises(ValueError, match=f"{name} is 0, must be >= 1"):
        Turns(stages, rounds)
