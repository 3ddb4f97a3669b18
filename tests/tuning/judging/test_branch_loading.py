"""Branch loading in judgements and reports, where a case limits branches and only there."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import make_case
from tuning.judging import evaluation
from tuning.judging.evaluation import Judge
from tuning.judging.rules import feasible_rows, optimal_actions

FIGURES = {"branch_overload_rate", "branch_loading_max"}


@pytest.fixture(scope="module")
def judge():
    """30 states of ieee13 whose first branch is too weak for the larger ones."""
    limit_kva = np.full(12, 5_000.0)
    limit_kva[0] = 130.0
    case = make_case("ieee13", branch_limit_kva=limit_kva)
    return Judge(case, *evaluation.test_states(case, 30))


def test_figures_of_doing_nothing_by_hand(judge):
    entry = judge.zero_action().entry()
    through_kva = np.hypot(judge.p_base_kw.sum(axis=1), judge.q_base_kvar.sum(axis=1))
    assert entry["branch_overload_rate"] == np.mean(through_kva > 130)
    assert 0 < entry["branch_overload_rate"] < 1
    assert entry["branch_loading_max"] == pytest.approx(through_kva.max() / 130)


def test_the_optimum_overloads_nothing(judge):
    actions = feasible_rows(optimal_actions(judge.case, judge.p_base_kw, judge.q_base_kvar))
    found = judge.judge(actions.p_ctrl_kw, actions.q_ctrl_kvar)
    assert found.branch_overload_rate == 0
    assert found.branch_loading_max == pytest.approx(1, abs=1e-5)  # some branch is at its limit
    np.testing.assert_allclose(actions.branch_loading.max(), found.branch_loading_max)


def test_cases_without_limits_have_no_such_entry():
    case = make_case("ieee13")
    judge = Judge(case, *evaluation.test_states(case, 5))
    assert not FIGURES & set(judge.zero_action().entry())
    assert not FIGURES & set(judge.yardsticks()["team_rule"])
