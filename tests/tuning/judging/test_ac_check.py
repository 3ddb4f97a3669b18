"""Controllers of LinDistFlow under AC power flow."""

from __future__ import annotations

import numpy as np
import pytest
from stand_in import StandIn

from rllib_grid import AcDispatch, OptimalDispatch, make_case
from rllib_grid.physics.ac import solve
from tuning.commands.train import TrainArgs, check
from tuning.judging import ac_check as room
from tuning.judging import evaluation
from tuning.judging.ac_check import ac_check, model_errors
from tuning.judging.evaluation import Judge
from tuning.judging.execution import run_controllers
from tuning.subjects import states_report as report
from tuning.training.configuration import make_config

CASE = make_case("ieee13-volt")
STATES = evaluation.test_states(CASE, 60)


class Droop(StandIn):
    """A controller that answers the voltages it is shown, and keeps them."""

    rounds, num_stages = 1, 2

    def __init__(self, agent):
        self.signature = CASE.layout.signature(agent)
        self.seen = []

    def act(self, state, prototype=None, observation=None, stage=None):
        if stage == 1:
            return np.zeros_like(state)
        self.seen.append(observation)
        p_kw = np.clip(3000 * (observation - 1.03), -105, 105)
        return np.hstack([p_kw, p_kw])


@pytest.fixture(scope="module")
def checked():
    agents = {agent: Droop(agent) for agent in CASE.agents}
    return agents, ac_check(CASE, agents, *STATES)


def test_lindistflow_figures_are_those_of_the_judge(checked):
    agents, check = checked
    judged = Judge(CASE, *STATES).stages(agents)[-1]
    for name in ("per_mean", "regret_kw_mean", "voltage_violation_rate"):
        assert check["lindistflow"][name] == getattr(judged, name)


def test_rescored_actions_are_the_same_and_those_run_on_ac_are_not(checked):
    agents, check = checked
    ac_case = CASE.replace(physics="ac")
    judge = Judge(ac_case, *STATES)
    acted = run_controllers(CASE, agents, *STATES)[-1]
    rescored = judge.judge(acted.p_ctrl_kw, acted.q_ctrl_kvar)
    run = judge.stages(agents)[-1]
    for name in ("per_mean", "cost_kw_mean", "voltage_violation_max_pu"):
        assert check["rescored"][name] == getattr(rescored, name)
        assert check["run_on_ac"][name] == getattr(run, name)
    assert check["rescored"]["cost_kw_mean"] != check["run_on_ac"]["cost_kw_mean"]
    flow = solve(CASE.feeder, 1.04, STATES[0] + acted.p_ctrl_kw, STATES[1] + acted.q_ctrl_kvar)
    assert check["rescored"]["loss_kw_mean"] == pytest.approx(flow.loss_kw.mean(), rel=1e-9)
    assert check["states"] == 60


def test_per_is_held_against_the_ac_optimum(checked):
    _, check = checked
    optimum = AcDispatch(CASE).solve(*STATES).cost_kw.mean()
    figures = check["rescored"]
    assert figures["cost_kw_mean"] - figures["regret_kw_mean"] == pytest.approx(optimum)


def test_model_errors_by_hand():
    best = OptimalDispatch(CASE).solve(*STATES)
    p_ctrl_kw = best.p_ctrl_kw.copy()
    p_ctrl_kw[3] = np.nan  # as of an infeasible state
    found = model_errors(CASE, *STATES, p_ctrl_kw, best.q_ctrl_kvar)
    zero = np.zeros_like(STATES[0])
    ac_case = CASE.replace(physics="ac")
    v_error = CASE.v_pu(*STATES, zero, zero) - ac_case.v_pu(*STATES, zero, zero)
    assert v_error.min() > 0
    assert found["no_control"]["voltage_max_pu"] == v_error.max()
    assert found["no_control"]["voltage_rms_pu"] == pytest.approx(np.sqrt(np.mean(v_error**2)))
    losses = [case.cost_kw(*STATES, zero, zero) for case in (CASE, ac_case)]
    assert found["no_control"]["loss"] == pytest.approx(losses[0].sum() / losses[1].sum() - 1)
    assert 0 < found["optimal"]["voltage_max_pu"] < found["no_control"]["voltage_max_pu"]


def test_collapsed_states_are_counted_apart():
    p_kw = np.vstack([STATES[0][:2], np.full((1, 12), 3000.0)])
    nothing = np.zeros_like(p_kw)
    found = model_errors(CASE, p_kw, nothing, nothing, nothing)["no_control"]
    assert found["collapsed_states"] == 1
    assert found["voltage_max_pu"] < 0.05
    found = model_errors(CASE, p_kw[2:], nothing[2:], nothing[2:], nothing[2:])["no_control"]
    assert np.isnan(found["voltage_max_pu"])


def test_nothing_to_check(checked):
    agents, _ = checked
    assert ac_check(CASE.replace(physics="ac"), agents, *STATES) is None


def test_ratings_are_held_against_an_optimum_that_has_them(checked):
    agents, free = checked
    rating = np.full(12, 1e4)
    figures = ac_check(CASE.replace(branch_limit_kva=rating), agents, *STATES)["run_on_ac"]
    assert figures["regret_kw_mean"] == pytest.approx(free["run_on_ac"]["regret_kw_mean"], rel=1e-4)


def test_large_feeders_are_checked_on_fewer_states(checked, monkeypatch):
    monkeypatch.setattr(room, "_MOST_NUMBERS", 12 * 7)
    assert ac_check(CASE, checked[0], *STATES)["states"] == 7


def test_physics_is_an_option_of_train():
    recipe = check(TrainArgs(physics="ac", case_settings=("drift_kw=1",))).recipe
    assert recipe.case_settings == {"physics": "ac", "drift_kw": 1}
    assert make_config(recipe).env_config["physics"] == "ac"
    assert check(TrainArgs()).recipe.case_settings == {}


def test_line_of_the_report(checked):
    _, check = checked
    line = report.ac_line(check)
    per = f"{100 * check['run_on_ac']['per_mean']:.2f}"
    assert f"run on AC {per} %" in line
    error = f"{check['model_error']['no_control']['voltage_max_pu']:.5f}"
    assert f"{error} p.u." in line
