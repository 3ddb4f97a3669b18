"""Last stages that act again, and actors of the full state, judged as they are made."""

from __future__ import annotations

import numpy as np
import pytest
from stand_in import StandIn

from rllib_grid import make_case
from tuning.judging import evaluation
from tuning.judging.evaluation import Judge
from tuning.judging.execution import run_controllers


class Halving(StandIn):
    """Stage 1 feeds in 64 kW at every bus; stage 2 halves its last action."""

    num_stages = 2

    def __init__(self, signature: dict, rounds: int) -> None:
        self.signature, self.rounds = signature, rounds
        self.states: list[np.ndarray] = []

    def act(self, state, prototype=None, observation=None, stage=None):
        self.states.append(state)
        if stage == 1:
            return np.full((len(state), 2 * len(self.signature["buses"])), -64.0)
        return prototype / 2


def test_last_stage_is_applied_round_after_round_and_judged_at_the_last() -> None:
    case = make_case("ieee13")
    states = evaluation.test_states(case, 20)
    agents = {agent: Halving(case.layout.signature(agent), rounds=3) for agent in case.agents}
    done = run_controllers(case, agents, *states)
    assert [actions.p_ctrl_kw[0, 0] for actions in done] == [-64.0, -32.0, -16.0, -8.0]
    assert len(run_controllers(case, agents, *states, num_stages=1)) == 1
    judge = Judge(case, *states)
    judged = [judgement.cost_kw_mean for judgement in judge.stages(agents)]
    assert judged == pytest.approx([done[0].cost_kw.mean(), done[3].cost_kw.mean()])
    by_round = [judgement.cost_kw_mean for judgement in judge.rounds(agents, 5)]
    assert by_round[:3] == pytest.approx([actions.cost_kw.mean() for actions in done[1:]])
    assert len(by_round) == 5


def test_full_state_controllers_are_shown_the_state_they_name() -> None:
    case = make_case("ieee13")
    p_base_kw, q_base_kvar = evaluation.test_states(case, 4)
    signatures = {agent: case.layout.signature(agent) for agent in case.agents}
    whole = [entry for agent in case.agents for entry in signatures[agent]["state"]]
    agents = {
        agent: Halving({**signature, "state": whole}, rounds=1)
        for agent, signature in signatures.items()
    }
    run_controllers(case, agents, p_base_kw, q_base_kvar)
    odd, even = np.arange(0, 12, 2), np.arange(1, 12, 2)
    expected = np.hstack(
        [p_base_kw[:, odd], q_base_kvar[:, odd], p_base_kw[:, even], q_base_kvar[:, even]]
    )
    for agent in agents.values():
        np.testing.assert_array_equal(agent.states[0], expected)
