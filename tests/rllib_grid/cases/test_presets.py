"""The presets are what they say, their feeders those of their sources, with something to win."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pandapower.networks as networks
import pytest

from rllib_grid import (
    GaussianDemand,
    OptimalDispatch,
    UniformDemand,
    case_names,
    make_case,
    make_dispatch,
    team_optimal,
)
from rllib_grid.cases.presets import CASES, case33bw_feeder, kerber_dorfnetz_feeder
from rllib_grid.feeders import from_pandapower

STATES = 10_000
INTERLEAVED = ((1, 3, 5, 7, 9, 11), (2, 4, 6, 8, 10, 12))


def same(shipped, source) -> None:
    assert shipped.feeder.parent == source.feeder.parent
    assert shipped.feeder.served == source.feeder.served
    assert shipped.feeder.v_base_kv == source.feeder.v_base_kv
    for name in ("r_ohm", "x_ohm"):
        found, wanted = getattr(shipped.feeder, name), getattr(source.feeder, name)
        np.testing.assert_allclose(found, wanted, rtol=1e-7)
    for name in ("p_load_kw", "q_load_kvar"):
        np.testing.assert_allclose(getattr(shipped, name), getattr(source, name))
    np.testing.assert_allclose(shipped.s_limit_kva, source.s_limit_kva, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "agents", "alpha", "head"),
    [
        ("ieee13", 2, 1e-5, 1.0),
        ("ieee13-contiguous", 2, 1e-4, 1.0),
        ("ieee13-twelve", 12, 1e-4, 1.0),
        ("ieee13-posseq", 2, 1e-5, 1.0),
        ("ieee13-gaussian", 2, 1e-5, 1.0),
        ("ieee13-pf", 2, 1e-5, 1.0),
        ("ieee13-correlated", 2, 1e-5, 1.0),
        ("ieee13-volt", 2, 3e-4, 1.04),
        ("ieee13-tight", 2, 1e-5, 1.05),
    ],
)
def test_what_the_presets_are(name: str, agents: int, alpha: float, head: float) -> None:
    case = make_case(name)
    assert case.name == name
    assert len(case.agents) == agents
    assert set(case.alpha_p) == set(case.alpha_q) == {alpha}
    assert case.v_head_pu == head
    assert set(case.p_limit_kw) == set(case.q_limit_kvar) == {105.0}
    assert not np.any([case.beta_p, case.beta_q, case.gamma_p, case.gamma_q])
    assert (case.v_min_pu, case.v_max_pu, case.feeder.v_base_kv) == (0.95, 1.05, 2.97)


def test_what_sets_the_ieee13_presets_apart() -> None:
    assert make_case("ieee13").groups == INTERLEAVED
    assert make_case("ieee13-contiguous").groups == (tuple(range(1, 7)), tuple(range(7, 13)))
    assert make_case("ieee13-twelve").groups == tuple((bus,) for bus in range(1, 13))
    assert make_case("ieee13").feeder.r_ohm[0] == 0.129470
    assert make_case("ieee13-posseq").feeder.r_ohm[0] == 0.070442
    assert make_case("ieee13").demand == UniformDemand(limit_kw=210.0, num_buses=12)
    assert make_case("ieee13-gaussian").demand == GaussianDemand(sigma_kw=121.0, num_buses=12)
    by_draw = UniformDemand(power_factor=1.0, power_factor_low=0.8, num_buses=12)
    assert make_case("ieee13-pf").demand == by_draw
    correlated = UniformDemand(correlation=0.3, num_buses=12)
    assert make_case("ieee13-correlated").demand == correlated


def test_case33bw_is_its_source() -> None:
    shipped = case33bw_feeder()
    same(shipped, from_pandapower(networks.case33bw()))
    assert shipped.p_load_kw.sum() == 3715 and shipped.q_load_kvar.sum() == 2300
    assert shipped.feeder.bus_names == tuple(str(bus) for bus in range(2, 34))


def test_kerber_dorfnetz_is_its_source() -> None:
    """House connections are drawn from two nearly equal cables; the shipped ones with seed 0."""
    state = random.getstate()
    random.seed(0)
    try:
        source = from_pandapower(networks.create_kerber_dorfnetz())
    finally:
        random.setstate(state)
    shipped = kerber_dorfnetz_feeder()
    same(shipped, source)
    assert shipped.feeder.bus_names == source.feeder.bus_names


@pytest.mark.parametrize(
    ("name", "buildings", "nodes", "agents", "per"),
    [("case33bw", 32, 32, 4, 0.336), ("kerber-dorfnetz", 57, 115, 6, 0.187)],
)
def test_cases(name: str, buildings: int, nodes: int, agents: int, per: float) -> None:
    """At least 99.9 % of the states are feasible; a second stage has something to win."""
    case = make_case(name)
    assert name in case_names() and name in CASES and case.name == name
    assert (case.num_buses, case.feeder.num_nodes) == (buildings, nodes)
    assert len(case.groups) == agents
    p_kw, q_kvar = (x.astype(float) for x in case.demand.sample(np.random.default_rng(0), STATES))
    best = OptimalDispatch(case).solve(p_kw, q_kvar)
    assert best.feasible.mean() >= 0.999
    rule = case.cost_kw(p_kw, q_kvar, *team_optimal(case, p_kw, q_kvar))
    assert np.mean(rule / best.cost_kw - 1) == pytest.approx(per, abs=0.01)
    idle = case.v_pu(p_kw, q_kvar, np.zeros_like(p_kw), np.zeros_like(p_kw))
    assert idle.min() < 0.96 and idle.max() > 1.04  # voltages move both ways


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("ieee13")])
def test_states_of_every_other_preset_are_feasible(name: str) -> None:
    case = make_case(name)
    count = STATES if case.s_max_kva is None else STATES // 10  # cone programs are slow
    p_kw, q_kvar = (x.astype(float) for x in case.demand.sample(np.random.default_rng(0), count))
    assert make_dispatch(case).solve(p_kw, q_kvar).feasible.mean() >= 0.999


def test_shipped_cases_need_no_pandapower() -> None:
    code = (
        "import sys; from rllib_grid import make_case; import rllib_grid.feeders\n"
        "make_case('case33bw'); make_case('kerber-dorfnetz')\n"
        "print({'pandapower', 'pandas', 'torch', 'ray', 'cvxpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
