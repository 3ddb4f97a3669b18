"""A small team that reaches the exact rule, and what later stages see."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from rllib_grid import team_optimal
from tuning.judging import evaluation
from tuning.judging.evaluation import Judge
from tuning.judging.information_limits.budget import Budget
from tuning.judging.information_limits.exact_model import ExactModel
from tuning.judging.information_limits.stage_fit import fit_stage, inputs_behind, judge_stage

TINY = Budget(updates=4, batch=8, width=4, fresh_states=64)


def test_one_stage_comes_to_the_team_rule_and_more_knowledge_comes_closer(small):
    budget = Budget(updates=600, batch=128, width=32, fresh_states=4_096)
    judge = Judge(small, *evaluation.test_states(small, 2_000))
    first = fit_stage(small, [], budget, seed=0)
    rule, found = judge.team_rule(), judge_stage(judge, [], first)
    assert rule.regret_kw_mean > 0.05 * judge.zero_action().regret_kw_mean  # there is much to know
    assert found.regret_kw_mean == pytest.approx(rule.regret_kw_mean, rel=0.02)
    states = judge.p_base_kw, judge.q_base_kvar
    action = first(torch.from_numpy(small.layout.to_state(*states))).numpy()
    for ours, best in zip(
        small.layout.to_controls(action), team_optimal(small, *states), strict=True
    ):
        assert np.sqrt(np.mean((ours - best) ** 2)) < 0.3  # of 15 kW and 8 kvar

    second = judge_stage(judge, [first], fit_stage(small, [first], budget, seed=0))
    full = judge_stage(judge, [], fit_stage(small, [], budget, seed=0, full_state=True))
    assert 0 < second.regret_kw_mean < 0.3 * rule.regret_kw_mean
    assert 0 < full.regret_kw_mean < 0.1 * rule.regret_kw_mean


def test_a_stage_that_wins_nothing_holds_what_it_is_given(small, drawn):
    spoiling = dataclasses.replace(TINY, rate=10.0)
    state = torch.from_numpy(drawn(small, 50)[0])
    first = fit_stage(small, [], Budget(updates=200, batch=64, width=8, fresh_states=512), seed=0)
    second = fit_stage(small, [first], spoiling, seed=0)
    rng = np.random.default_rng(0)
    inputs = inputs_behind(small, ExactModel(small), [first], state, rng)
    assert torch.equal(second(inputs), first(state))


def test_later_stages_see_what_meters_show_of_the_stage_before(small, drawn):
    case = small.replace(meter_error_pu=0.01)
    first = fit_stage(case, [], TINY, seed=0)
    state = torch.from_numpy(drawn(case, 4_000)[0])
    rng = np.random.default_rng(0)
    inputs = inputs_behind(case, ExactModel(case), [first], state, rng)
    clean = inputs_behind(small, ExactModel(small), [first], state, rng)
    assert inputs.shape == (4_000, 6 + 6 + 3)
    assert torch.equal(inputs[:, :12], clean[:, :12])
    assert torch.equal(clean[:, 6:12], first(state))
    assert torch.equal(clean[:, 12:], ExactModel(small).obs(state, first(state)))
    error = (inputs - clean)[:, 12:].numpy() * case.obs_scale_pu
    assert np.std(error, axis=0) == pytest.approx(0.01, rel=0.1)


def test_the_same_seed_gives_the_same_actors_and_leaves_the_global_generator_alone(small):
    before = torch.random.get_rng_state()
    one, two, other = (fit_stage(small, [], TINY, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["first.weight"], other["first.weight"])
    assert torch.equal(before, torch.random.get_rng_state())
