"""Costs, bounds and checks of a case."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from rllib_grid import Case, GridError, UniformDemand, make_case
from rllib_grid.physics.lindistflow import loss_kw


def test_building_costs_by_hand(fork_case: Case) -> None:
    p, q = np.array([[2.0, -3.0, 4.0]]), np.array([[0.5, 1.0, -2.0]])
    by_hand = [
        1e-3 * 4 + 0.1 * 2 + 1 + 4e-3 * 0.25 - 0.4 * 0.5 + 10,
        2e-3 * 9 + 0.2 * 3 + 2 + 5e-3 * 1 + 0.5 * 1 + 20,
        3e-3 * 16 + 0.3 * 4 + 3 + 6e-3 * 4 - 0.6 * 2 + 30,
    ]
    assert fork_case.control_cost_kw(p, q) == pytest.approx(np.array([by_hand]))
    p_base, q_base = np.array([[1.0, 2.0, 3.0]]), np.array([[-1.0, 0.0, 1.0]])
    loss = loss_kw(fork_case.feeder, fork_case.v_head_pu, p_base + p, q_base + q)
    assert fork_case.cost_kw(p_base, q_base, p, q) == pytest.approx(loss + sum(by_hand))


def test_penalty_is_the_excess_outside_the_bounds(fork_case: Case) -> None:
    case = fork_case.replace(penalty_kw_per_pu=150.0, v_min_pu=0.95, v_max_pu=1.05)
    penalty = case.penalty_kw(np.array([[0.94, 1.0, 1.07], [0.95, 1.05, 0.9]]))
    assert penalty == pytest.approx(np.array([[1.5, 0, 3.0], [0, 0, 7.5]]), abs=1e-10)


def test_voltages_follow_base_and_control_alike(fork_case: Case) -> None:
    zero, load = np.zeros((1, 3)), np.array([[10.0, -5.0, 3.0]])
    by_base = fork_case.v_pu(load, zero, zero, zero)
    by_control = fork_case.v_pu(zero, zero, load, zero)
    assert by_base == pytest.approx(by_control, rel=1e-10)
    assert by_base[0, 0] == pytest.approx(np.sqrt(1.01**2 - 2 * 1.0 * (10 - 5 + 3) / 1000))


@pytest.mark.parametrize("name", ["ieee13", "ieee13-gaussian", "ieee13-twelve"])
def test_dict_round_trip_through_json(name: str) -> None:
    case = make_case(name, horizon=3, agent_reward="local", beta_p=list(range(12)))
    again = Case.from_dict(json.loads(json.dumps(case.to_dict())))
    assert again.to_dict() == case.to_dict()
    assert again.groups == case.groups
    assert again.beta_p.tolist() == list(range(12))


def test_pickle_round_trip(fork_case: Case) -> None:
    assert pickle.loads(pickle.dumps(fork_case)).to_dict() == fork_case.to_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": [[1, 2], [2, 3]]}, "bus 2 is in groups 0 and 1, must be in exactly one"),
        ({"groups": [[1], [2]]}, "no group holds bus 3: put each bus in exactly one"),
        ({"groups": [[1, 2, 3], []]}, "group 1 is empty"),
        ({"groups": [[1, 2, 3, 4]]}, r"group 0: bus is 4, must be one of 1..3"),
        ({"groups": [[0, 1, 2, 3]]}, "group 0: bus is 0, must be a whole number >= 1"),
        ({"groups": [1, 2, 3]}, "must be lists of buses, one per agent"),
        ({"alpha_p": [1, -2, 3]}, "bus 2: alpha_p is -2, must be >= 0"),
        ({"beta_q": [1, 2]}, r"beta_q has shape \(2,\), must be one number or 3"),
        ({"gamma_p": [1, 2, float("nan")]}, "bus 3: gamma_p is nan, must be finite"),
        ({"gamma_p": "dear"}, "gamma_p is 'dear', must be a number or 3 of them"),
        ({"p_limit_kw": [1, 0, 1]}, "bus 2: p_limit_kw is 0, must be > 0"),
        ({"v_head_pu": -1}, "v_head_pu is -1, must be > 0"),
        ({"v_min_pu": 1.05}, "v_max_pu is 1.05, must be > 1.05"),
        ({"penalty_kw_per_pu": -1}, "penalty_kw_per_pu is -1, must be >= 0"),
        ({"meter_error_pu": -1e-4}, "meter_error_pu is -0.0001, must be >= 0"),
        ({"horizon": 0}, "horizon is 0, must be a whole number >= 1"),
        ({"horizon": 1.5}, "horizon is 1.5, must be a whole number"),
        ({"agent_reward": "own"}, "unknown agent_reward 'own'; choose from shared, local"),
        ({"demand": UniformDemand(num_buses=12)}, "is for 12 buses, the feeder has 3"),
        ({"demand": 210}, "demand is 210, must be a Demand or its to_dict"),
        ({"feeder": "ieee13"}, "feeder is 'ieee13', must be a Feeder or its to_dict"),
    ],
)
def test_bad_values(fork_case: Case, changes: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        fork_case.replace(**changes)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (np.zeros(3), r"p_base_kw has shape \(3,\), must be \(B, 3\)"),
        (np.zeros((2, 4)), r"p_base_kw has shape \(2, 4\), must be \(B, 3\)"),
        (
            np.array([[0, 0, 0], [0, np.inf, 0]]),
            "p_base_kw: row 1, column 1 is inf, must be finite",
        ),
        ("load", "p_base_kw must be an array of numbers"),
    ],
)
def test_bad_states(fork_case: Case, p, message: str) -> None:
    zero = np.zeros((2, 3))
    with pytest.raises(GridError, match=message):
        fork_case.cost_kw(p, zero, zero, zero)


def test_unknown_and_missing_fields(ieee13: Case) -> None:
    with pytest.raises(GridError, match="unknown case field 'colour'"):
        Case.from_dict({**ieee13.to_dict(), "colour": "red"})
    with pytest.raises(GridError, match="a case needs the field 'groups'"):
        Case.from_dict({"name": "x", "feeder": ieee13.feeder})


def test_replace(ieee13: Case) -> None:
    assert ieee13.replace(groups=[[2, 1], list(range(12, 2, -1))]).groups == (
        (1, 2),
        tuple(range(3, 13)),
    )
    assert ieee13.replace(v_head_pu=1.02).v_head_pu == 1.02 and ieee13.v_head_pu == 1.0
