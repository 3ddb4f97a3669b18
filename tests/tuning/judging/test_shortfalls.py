"""What stands at the top of a report."""

from __future__ import annotations

import re

import pytest

from tuning.judging.shortfalls import shortfalls_of_days, shortfalls_of_states

GOOD = {
    "states": 10_000,
    "infeasible_states": 0,
    "per_mean": 0.012,
    "voltage_violation_rate": 0.0,
    "voltage_violation_max_pu": 0.0,
    "branch_overload_rate": 0.0,
    "branch_loading_max": 0.98,
}
RULE = {**GOOD, "per_mean": 0.05}
IDLE = {**GOOD, "per_mean": 1.2, "voltage_violation_rate": 0.3}


def of_states(**changes):
    return shortfalls_of_states({**GOOD, **changes}, RULE, IDLE)


def test_a_good_result_has_none():
    assert of_states() == []
    assert of_states(per_mean=0.05) == []  # as good as the rule


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"voltage_violation_rate": 0.0123, "voltage_violation_max_pu": 2e-4}, "1.23% .* 2.0e-04"),
        ({"voltage_violation_rate": 1e-5, "voltage_violation_max_pu": 2e-5}, "0.001 % of"),
        ({"infeasible_states": 4}, "no dispatch at all is feasible in 4 of 10,000"),
        ({"branch_overload_rate": 0.2, "branch_loading_max": 1.213}, "20.00% .* 121.3%"),
        ({"per_mean": 0.07}, "worse than the team-optimal rule: mean PER 7.00% against 5.00%$"),
    ],
)
def test_each_is_named(changes, words):
    (found,) = of_states(**changes)
    assert re.search(words, found)


def test_a_rival_that_violates_says_so():
    rule, idle = of_states(per_mean=2.0)
    assert rule.startswith("worse than the team-optimal rule")
    assert idle.endswith("against 120.00%, which violates bounds in 30.00% of the states")


def test_days():
    idle = {"step_violation_rate": 0.01, "violation_max_pu": 0.002, "cost_eur_mean": 20.0}
    good = {"step_violation_rate": 0.0, "violation_max_pu": 0.0, "cost_eur_mean": 12.0}
    assert shortfalls_of_days(good, idle) == []
    bounds, cost = shortfalls_of_days({**idle, "cost_eur_mean": 21.0}, idle)
    assert bounds == "voltages out of bounds in 1.00% of all steps, at most by 2.0e-03 p.u."
    assert cost == (
        "worse than no control: 21 EUR a day against 20, "
        "which violates bounds in 1.00% of the steps"
    )
