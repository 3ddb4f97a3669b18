"""Exact costs and gradients, a small team that reaches the exact rule, and the cache."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from rllib_grid import Case, Feeder, GaussianDemand, UniformDemand, make_case, team_optimal
from tuning.errors import CommandError
from tuning.judging import evaluation, information_limit
from tuning.judging.evaluation import Judge
from tuning.judging.exact_model import ExactModel
from tuning.judging.information_limit import (
    FULL_STATE,
    Budget,
    actor_inputs,
    find_limits,
    fit_stage,
    judge_stage,
    load_limits,
)

TINY = Budget(updates=4, batch=8, width=4, fresh_states=64)
FORK = Feeder("fork", (0, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), 1.0)
TRUNK = Feeder("trunk", (0, 1, 1), np.array([3.0, 1.0, 1.0]), np.array([0.3, 0.2, 0.3]), 1.0)


@pytest.fixture
def costly():
    """Two unequal agents; costs and limits of their own at every bus; bounds that bind."""
    return Case(
        "costly",
        FORK,
        groups=((3, 1), (2,)),
        p_limit_kw=np.array([10.0, 20.0, 30.0]),
        q_limit_kvar=np.array([1.0, 2.0, 3.0]),
        alpha_p=np.array([1e-3, 2e-3, 3e-3]),
        beta_p=np.array([0.1, -0.2, 0.3]),
        gamma_p=np.array([1.0, 2.0, 3.0]),
        alpha_q=np.array([4e-3, 5e-3, 6e-3]),
        beta_q=np.array([-0.4, 0.5, 0.6]),
        gamma_q=np.array([10.0, 20.0, 30.0]),
        v_head_pu=1.01,
        demand=UniformDemand(limit_kw=40.0),
    )


@pytest.fixture
def small():
    """Two agents, wide voltage bounds and symmetric demand: the team rule is the exact limit."""
    return Case(
        "small",
        TRUNK,
        groups=((1, 3), (2,)),
        p_limit_kw=15.0,
        q_limit_kvar=8.0,
        alpha_p=5e-3,
        alpha_q=5e-3,
        v_min_pu=0.5,
        v_max_pu=1.5,
        demand=UniformDemand(limit_kw=20.0),
    )


def drawn(case, size, seed=0):
    rng = np.random.default_rng(seed)
    state = case.layout.to_state(*case.demand.sample(rng, size))
    return state, rng.uniform(-1, 1, (size, state.shape[1])).astype(np.float32)


def exact(case, state, action):
    """Cost with penalty by the case's own double-precision functions."""
    powers = carried_out(case, state, action)
    return case.cost_kw(*powers) + case.penalty_kw(case.v_pu(*powers)).sum(1)


def carried_out(case, state, action):
    controls = case.within_ratings(*case.layout.to_controls(action))
    return (*case.layout.from_state(state), *controls)


def every_case(costly):
    binding = make_case("ieee13", v_head_pu=1.05, demand=GaussianDemand(sigma_kw=200.0))
    inverter = make_case("ieee13-inverter", s_max_kva=np.linspace(60.0, 140.0, 12))
    return costly, make_case("ieee13-volt"), make_case("ieee13-twelve"), binding, inverter


def test_cost_and_observation_are_those_of_the_case(costly):
    violating = 0
    for case in every_case(costly):
        state, action = drawn(case, 500)
        model = ExactModel(case)
        powers = carried_out(case, state, action)
        found = model.cost_kw(torch.from_numpy(state), torch.from_numpy(action)).numpy()
        np.testing.assert_allclose(found, exact(case, state, action), rtol=1e-5, atol=1e-5)
        obs = model.obs(torch.from_numpy(state), torch.from_numpy(action)).numpy()
        np.testing.assert_allclose(obs, case.layout.to_obs(case.v_pu(*powers)), atol=2e-6)
        violating += int((case.penalty_kw(case.v_pu(*powers)) > 0).any(axis=1).sum())
    assert violating > 100  # so the penalty was in it


def test_gradient_is_that_of_finite_differences(costly):
    for case in (costly, make_case("ieee13-volt")):
        state, action = drawn(case, 40)
        model = ExactModel(case, torch.float64)
        at = torch.from_numpy(action).double().requires_grad_()
        model.cost_kw(torch.from_numpy(state).double(), at).sum().backward()
        step = 1e-6
        for column in range(action.shape[1]):
            shift = step * np.eye(action.shape[1])[column]
            base = action.astype(np.float64)
            slope = (exact(case, state, base + shift) - exact(case, state, base - shift)) / 2 / step
            np.testing.assert_allclose(at.grad[:, column].numpy(), slope, rtol=1e-5, atol=1e-4)


def test_a_collapsed_feeder_has_a_cost_and_a_gradient(small):
    model = ExactModel(small)
    state = torch.full((1, 6), 1e3)
    action = torch.zeros(1, 6, requires_grad=True)
    model.cost_kw(state, action).sum().backward()
    assert torch.isfinite(action.grad).all()
    np.testing.assert_allclose(model.obs(state, action).detach(), -1.0 / small.obs_scale_pu, 1e-4)


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


def test_a_stage_that_wins_nothing_holds_what_it_is_given(small):
    spoiling = dataclasses.replace(TINY, rate=10.0)
    state = torch.from_numpy(drawn(small, 50)[0])
    first = fit_stage(small, [], Budget(updates=200, batch=64, width=8, fresh_states=512), seed=0)
    second = fit_stage(small, [first], spoiling, seed=0)
    rng = np.random.default_rng(0)
    inputs = actor_inputs(small, ExactModel(small), [first], state, rng)
    assert torch.equal(second(inputs), first(state))


def test_later_stages_see_what_meters_show_of_the_stage_before(small):
    case = small.replace(meter_error_pu=0.01)
    first = fit_stage(case, [], TINY, seed=0)
    state = torch.from_numpy(drawn(case, 4_000)[0])
    rng = np.random.default_rng(0)
    inputs = actor_inputs(case, ExactModel(case), [first], state, rng)
    clean = actor_inputs(small, ExactModel(small), [first], state, rng)
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


# The cache


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def per(content):
    return {entry["stage"]: entry["per_mean"] for entry in content["limits"]}


def test_limits_are_computed_once(small, here, monkeypatch):
    assert load_limits(small) is None
    content = find_limits(small, 2, TINY, 0, out=here / "out")
    assert set(per(content)) == {FULL_STATE, 1, 2}
    assert load_limits(small) == per(content)
    assert json.loads((here / "out/limits.json").read_text()) == json.loads(
        next(here.glob("runs/limits/*/limits.json")).read_text()
    )
    assert load_limits(small.replace(meter_error_pu=1e-4)) is None

    fitted = []
    real = information_limit.fit_stage
    monkeypatch.setattr(
        information_limit,
        "fit_stage",
        lambda case, earlier, *a, **k: fitted.append(len(earlier)) or real(case, earlier, *a, **k),
    )
    assert per(find_limits(small, 2, TINY, 0)) == per(content)
    assert fitted == []
    assert set(per(find_limits(small, 3, TINY, 0))) == {FULL_STATE, 1, 2, 3}
    assert fitted == [2]  # only the stage that was not there


def test_a_killed_computation_goes_on_to_the_same_result(small, here, monkeypatch):
    whole = per(find_limits(small, 2, TINY, 0))
    shutil.rmtree(here / "runs")
    real = information_limit.fit_stage

    def killed(case, earlier, *args, **more):
        if earlier:
            raise KeyboardInterrupt
        return real(case, earlier, *args, **more)

    monkeypatch.setattr(information_limit, "fit_stage", killed)
    with pytest.raises(KeyboardInterrupt):
        find_limits(small, 2, TINY, 0, out=here / "out")
    assert load_limits(small) == {1: whole[1]}
    assert (here / "out/limits.json").is_file()
    monkeypatch.setattr(information_limit, "fit_stage", real)
    assert per(find_limits(small, 2, TINY, 0)) == whole


def test_the_larger_budget_counts_figure_by_figure(small, here):
    less = per(find_limits(small, 2, TINY, 0))
    more = per(find_limits(small, 1, dataclasses.replace(TINY, updates=6), 0))
    assert less[1] != more[1]
    assert load_limits(small) == {**less, **more}


def test_files_of_another_case_and_broken_files_are_refused(small, here):
    find_limits(small, 1, TINY, 0)
    path = next(here.glob("runs/limits/*/limits.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "case": {**content["case"], "v_head_pu": 1.01}}))
    for call in (load_limits, lambda case: find_limits(case, 1, TINY, 0)):
        with pytest.raises(CommandError, match="holds the limits of another case"):
            call(small)
    path.write_text("{}")
    with pytest.raises(CommandError, match="is not a file of limits"):
        load_limits(small)
    path.write_text(json.dumps(content))
    (path.parent / "stage-1.safetensors").write_bytes(b"x")
    with pytest.raises(CommandError, match=r"stage-1\.safetensors cannot be read"):
        find_limits(small, 2, TINY, 0)


# The command


def test_the_command_prints_every_limit_and_keeps_it(door, here):
    words = ("limits", "--updates", 3, "--stages", 2, "--out", here / "out")
    code, out, err = door(*words)
    assert (code, err) == (0, "")
    for head in ("rule", "full", "stage 1/2  updates 3/3", "Pr(PER < 5 %), %", "mean regret, kW"):
        assert head in out
    found = load_limits(make_case("ieee13"))
    line = next(line for line in out.splitlines() if "mean PER" in line)
    shown = [f"{100 * found[stage]:.3f}" for stage in (1, 2, FULL_STATE)]
    assert line.split()[3:] == ["25.577", *shown]
    assert "exists already" in door(*words)[2]
    code, again, _ = door(*words[:-2])
    assert code == 0 and line in again.splitlines()
    assert "updates 3/3" not in again  # nothing is computed twice


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--case", "ieee13-contigous"], "is unknown; did you mean ieee13-contiguous?"),
        (["--stages", 0], "--stages: 0 is out of bounds, must be >= 1"),
        (["--updates", 0], "--updates: 0 is out of bounds, must be >= 1"),
        (["--updates", "x"], "argument --updates: invalid int value: 'x'"),
        (["--seed", -1], "--seed: -1 is out of bounds, must be >= 0"),
        (["--meter-error", "nan"], "--meter-error: nan is out of bounds, must be >= 0"),
        (["--out", "."], "exists already, nothing is overwritten"),
    ],
)
def test_bad_options_are_refused_before_any_work(refused, here, words, message):
    (here / "mine").touch()
    assert message in refused("limits", *words)
    assert [path.name for path in here.iterdir()] == ["mine"]
