"""Feeders of any size: their names, their trees, and states that stay within the bounds."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import (
    GridError,
    JointGridEnv,
    OptimalDispatch,
    case_names,
    make_case,
    synthetic_feeder,
)
from rllib_grid.cases.synthetic import MAX_BUSES, demand_limit_kw, parse_name

SIZES = (1, 2, 12, 100, 1000)


@pytest.mark.parametrize("n", SIZES)
def test_a_tree_below_one_trunk_with_impedances_of_lines(n: int) -> None:
    feeder = synthetic_feeder(n)
    assert feeder.num_buses == n
    assert feeder.parent[0] == 0 and min(feeder.parent[1:], default=1) >= 1
    ratio = feeder.x_ohm / feeder.r_ohm
    assert ratio[0] == pytest.approx(0.4 / 0.13)  # the trunk
    assert ratio.max() == ratio[0] and ratio.min() > 0.5
    if n >= 12:  # neither a star nor a chain
        assert 3 < feeder.paths.sum(axis=1).max() < 5 * np.log2(n)


@pytest.mark.parametrize("n", SIZES)
def test_idle_voltages_spread_alike_at_all_sizes(n: int) -> None:
    case = make_case(f"synthetic-{n}-1")
    p_kw, q_kvar = case.demand.sample(np.random.default_rng(0), 4000)
    idle = np.zeros_like(p_kw)
    v_pu = case.v_pu(p_kw, q_kvar, idle, idle)
    assert v_pu.std(axis=0).max() == pytest.approx(0.01, rel=0.05)
    assert p_kw.sum(axis=1).std() == pytest.approx(np.sqrt(12) * 210 / np.sqrt(3), rel=0.05)
    inside = ((v_pu > case.v_min_pu) & (v_pu < case.v_max_pu)).all(axis=1)
    assert inside.mean() >= 0.999
    lost = case.cost_kw(p_kw, q_kvar, idle, idle).mean()  # of what flows through the head
    assert 0.001 < lost / np.abs(p_kw.sum(axis=1)).mean() < 0.05


@pytest.mark.parametrize(("n", "states"), [(12, 2000), (100, 2000), (300, 100)])
def test_no_voltage_bound_binds_at_the_optimum(n: int, states: int) -> None:
    case = make_case(f"synthetic-{n}-4")
    demand = case.demand.sample(np.random.default_rng(1), states)
    found = OptimalDispatch(case).solve(*demand)
    assert found.feasible.all()
    free = (found.v_pu > case.v_min_pu + 1e-6) & (found.v_pu < case.v_max_pu - 1e-6)
    assert free.all(axis=1).mean() >= 0.999
    idle = np.zeros_like(demand[0])
    assert (found.cost_kw < case.cost_kw(*demand, idle, idle)).all()


def test_a_thousand_buses_and_a_hundred_agents() -> None:
    """The joint environment in float32 earns what the case's own formulas say."""
    case = make_case("synthetic-1000-100")
    env = JointGridEnv(case, 5, seed=0)
    state = env.reset()
    assert state.shape == (5, 2000) and len(env.agents) == 100
    action = np.random.default_rng(0).uniform(-1, 1, state.shape).astype(np.float32)
    step = env.step(action)
    flows = (*case.layout.from_state(state), *case.layout.to_controls(action))
    np.testing.assert_allclose(step.reward, -case.cost_kw(*flows), rtol=1e-4)
    np.testing.assert_allclose(case.layout.from_obs(step.obs), case.v_pu(*flows), atol=1e-6)


def test_buses_are_dealt_out_in_turn() -> None:
    case = make_case("synthetic-7-3")
    assert case.groups == ((1, 4, 7), (2, 5), (3, 6))
    assert make_case("synthetic-12-2").groups == make_case("ieee13").groups


def test_the_same_name_is_the_same_case() -> None:
    first, again, other = (make_case(f"synthetic-30-{m}") for m in (5, 5, 6))
    assert first.to_dict() == again.to_dict()
    assert first.feeder.to_dict() == other.feeder.to_dict()  # agents change no wire
    assert synthetic_feeder(30, seed=1).parent != first.feeder.parent
    assert make_case("synthetic-30-5", v_head_pu=1.02).v_head_pu == 1.02


def test_demand_and_controls_are_those_of_ieee13_at_its_size() -> None:
    case, ieee13 = make_case("synthetic-12-2"), make_case("ieee13")
    assert case.demand == ieee13.demand
    assert case.p_limit_kw.tolist() == ieee13.p_limit_kw.tolist()
    assert demand_limit_kw(1200) == pytest.approx(21.0)


def test_names() -> None:
    assert parse_name("synthetic-100-10") == (100, 10)
    assert parse_name("ieee13") is None
    assert not any(name.startswith("synthetic") for name in case_names())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("synthetic", "must be synthetic-BUSES-AGENTS, such as synthetic-100-10"),
        ("synthetic-12", "must be synthetic-BUSES-AGENTS"),
        ("synthetic-012-2", "must be synthetic-BUSES-AGENTS"),
        ("synthetic-12-0", "must be synthetic-BUSES-AGENTS"),
        ("synthetic-12-x", "must be synthetic-BUSES-AGENTS"),
        ("synthetic-12-13", "'synthetic-12-13' has 13 agents, must be <= 12, one bus for each"),
        (f"synthetic-{MAX_BUSES + 1}-2", f"has {MAX_BUSES + 1} buses, must be <= {MAX_BUSES}"),
        ("sinthetic-12-2", "unknown case 'sinthetic-12-2'; choose from .*synthetic-BUSES-AGENTS"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(GridError, match=message):
        make_case(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_buses": 0}, "num_buses is 0, must be a whole number >= 1"),
        ({"num_buses": MAX_BUSES + 1}, f"must be <= {MAX_BUSES}"),
        ({"num_buses": 5, "seed": -1}, "seed is -1, must be a whole number >= 0"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        synthetic_feeder(**arguments)
