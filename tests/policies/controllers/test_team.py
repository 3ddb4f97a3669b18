"""A team takes its turns together, each agent with what it has seen itself."""

from __future__ import annotations

import numpy as np
import pytest
from stand_in import StandIn

from policies.contract.walk import Turns
from policies.controllers.agent import ControllerError
from policies.controllers.team import Team


class Adder(StandIn):
    """Adds up all that it sees, and 1 for each turn."""

    def __init__(self, num_stages=2, rounds=1):
        self.num_stages, self.rounds, self.stages = num_stages, rounds, []

    def act(self, state, prototype=None, observation=None, stage=None):
        self.stages.append(stage)
        seen = 0.0 if prototype is None else prototype + observation
        return state + seen + 1.0


class Counter(Adder):
    """The same in rounds, and adds the number of turns it remembers."""

    goes_on = True

    def turns(self, stages=None, rounds=None):
        return Turns(1, self.rounds)

    def take(self, turn, state, last_action=None, last_observation=None, memory=None):
        memory = (memory or 0) + 1
        return self.act(state, last_action, last_observation, turn) + 1000 * (memory - 1), memory


STATES = {"a": np.array([10.0]), "b": np.array([20.0])}


def measure(asked):
    """A probe that gives each agent what the other did."""

    def probe(actions):
        asked.append({agent: float(action[0]) for agent, action in actions.items()})
        return {"a": actions["b"], "b": actions["a"]}

    return probe


def test_each_agent_sees_its_own_action_and_what_it_measured_under_all():
    agents, asked = {"a": Adder(2, 2), "b": Adder(2, 2)}, []
    team = Team(agents)
    assert (team.turns, team.goes_on) == (Turns(2, 2), False)
    actions = team.act(STATES, measure(asked))
    assert asked == [{"a": 11, "b": 21}, {"a": 43, "b": 53}]
    assert actions == {"a": 10 + 43 + 53 + 1, "b": 20 + 53 + 43 + 1}
    assert agents["a"].stages == [1, 2, 2]


def test_fewer_stages_or_more_rounds():
    for stages, rounds, expected in ((1, None, [1]), (None, 3, [1, 2, 2, 2])):
        agents = {"a": Adder(), "b": Adder()}
        Team(agents, stages, rounds).act(STATES, measure([]))
        assert agents["b"].stages == expected


def test_stages_begin_every_time_step_with_the_state_alone():
    team = Team({"a": Adder(), "b": Adder()})
    first = team.act(STATES, measure([]))
    team.measured({"a": first["b"], "b": first["a"]})
    assert team.act(STATES, measure([])) == first


def test_a_team_that_goes_on_carries_what_the_last_time_step_left_behind():
    team, asked = Team({"a": Counter(rounds=2), "b": Counter(rounds=2)}), []
    first = team.act(STATES, measure(asked))
    assert first == {"a": 10 + 11 + 21 + 1 + 1000, "b": 20 + 21 + 11 + 1 + 1000}
    team.measured({"a": np.array([0.5]), "b": np.array([0.25])})
    team.act(STATES, measure(asked))
    assert asked[1] == {"a": 10 + 1043 + 0.5 + 1 + 2000, "b": 20 + 1053 + 0.25 + 1 + 2000}
    team.begin()
    assert team.act(STATES, measure([])) == first


def test_agents_must_take_the_same_turns():
    with pytest.raises(
        ControllerError, match=r"differ in \(stages, rounds\): \[\(2, 1\), \(2, 3\)"
    ):
        Team({"a": Adder(), "b": Adder(rounds=3)})
    with pytest.raises(ControllerError, match=r"stage 3 is not in 1\.\.2"):
        Team({"a": Adder()}, stages=3)
