"""The rules that buildings follow today, against closed forms and an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import root

from rllib_grid import Case, Feeder, GridError, UniformDemand, make_case
from rllib_grid.baselines import (
    BASELINES,
    VOLT_VAR,
    VOLT_WATT,
    Characteristic,
    linear_droop,
    no_control,
    settle,
    unity_power_factor,
    volt_var,
    volt_var_and_watt,
    volt_watt,
)


@pytest.fixture
def one_building(one_bus: Feeder) -> Case:
    """A single bus behind 0.5 + j0.8 ohm at 2 kV, 100 kW and 200 kvar of control."""
    return Case(
        "one",
        one_bus,
        groups=((1,),),
        p_limit_kw=100.0,
        q_limit_kvar=200.0,
        v_head_pu=1.04,
        demand=UniformDemand(limit_kw=300.0),
    )


@pytest.fixture
def states(ieee13: Case) -> tuple[np.ndarray, np.ndarray]:
    return ieee13.demand.sample(np.random.default_rng(0), 200)


@pytest.mark.parametrize(
    ("v_pu", "share"),
    [(0.9, -0.44), (0.92, -0.44), (0.95, -0.22), (0.98, 0), (1.02, 0), (1.05, 0.22), (1.2, 0.44)],
)
def test_volt_var_curve_of_table_8(v_pu: float, share: float) -> None:
    """Category B; injecting is negative here."""
    assert VOLT_VAR.at(np.array(v_pu)) == pytest.approx(share, abs=1e-10)


@pytest.mark.parametrize(("v_pu", "share"), [(1.0, 1.0), (1.06, 1.0), (1.08, 0.5), (1.1, 0.0)])
def test_volt_watt_curve_of_table_10(v_pu: float, share: float) -> None:
    assert VOLT_WATT.at(np.array(v_pu)) == pytest.approx(share, abs=1e-10)


def test_steepest_slopes() -> None:
    assert pytest.approx(0.44 / 0.06) == VOLT_VAR.steepest
    assert pytest.approx(1 / 0.04) == VOLT_WATT.steepest


def test_volt_var_at_one_bus_in_closed_form(one_building: Case) -> None:
    """v^2 = head^2 - c (r p + x q) and q = k (v - 1.02) make a quadratic equation of v."""
    p = np.array([[-60.0]])
    _, q_ctrl = volt_var(one_building, p, np.zeros((1, 1)))
    k, c = 0.44 * 200 / 0.06, 2 / (1000 * 2.0**2)
    b = c * 0.8 * k
    v = (-b + np.sqrt(b**2 + 4 * (1.04**2 + c * 0.5 * 60 + b * 1.02))) / 2
    assert 1.02 < v < 1.08
    assert q_ctrl[0, 0] == pytest.approx(k * (v - 1.02), abs=1e-4)


def test_volt_watt_at_one_bus_in_closed_form(one_building: Case) -> None:
    """The inverter carries 100 of the 180 kW, and fewer from 1.06 p.u. on."""
    case = one_building.replace(v_head_pu=1.05)
    p_ctrl, q_ctrl = volt_watt(case, np.array([[-180.0]]), np.zeros((1, 1)))
    c, k = 2 / (1000 * 2.0**2), 100 / 0.04  # p_ctrl = k (v - 1.06)
    b = c * 0.5 * k
    v = (-b + np.sqrt(b**2 + 4 * (1.05**2 + c * 0.5 * 180 + b * 1.06))) / 2
    assert 1.06 < v < 1.10
    assert p_ctrl[0, 0] == pytest.approx(k * (v - 1.06), abs=1e-4)
    assert not q_ctrl.any()


def test_volt_watt_cuts_feed_in_and_never_more_than_there_is(one_building: Case) -> None:
    """At 1.2 p.u. nothing may be fed in: the first feeds 30 kW, the next is beyond its rating."""
    case = one_building.replace(v_head_pu=1.2)
    p_ctrl, _ = volt_watt(case, np.array([[-30.0], [-500.0], [80.0]]), np.zeros((3, 1)))
    assert p_ctrl[:, 0] == pytest.approx([30.0, 100.0, 0.0])


def test_droop_at_one_bus_in_closed_form(one_building: Case) -> None:
    p = np.array([[150.0]])
    _, q_ctrl = linear_droop(one_building, p, np.zeros((1, 1)), slope_kvar_per_pu=900.0)
    c = 2 / (1000 * 2.0**2)
    b = c * 0.8 * 900
    v = (-b + np.sqrt(b**2 + 4 * (1.04**2 - c * 0.5 * 150 + b * 1.04))) / 2
    assert v < 1.04 and q_ctrl[0, 0] < 0  # low voltage: inject
    assert q_ctrl[0, 0] == pytest.approx(900 * (v - 1.04), abs=1e-4)


def test_default_slope_of_the_droop(one_building: Case) -> None:
    """It reaches the limit of 200 kvar at half the band of +-0.05 p.u. away from the head."""
    states = np.array([[100.0]]), np.zeros((1, 1))
    mine = linear_droop(one_building, *states)
    assert mine[1] == pytest.approx(linear_droop(one_building, *states, 200 / 0.05, 1.04)[1])
    assert mine[1][0, 0] < -10


@pytest.mark.parametrize("head", [0.94, 1.0, 1.07])
def test_volt_var_settles_where_an_independent_solver_does(head: float, states: tuple) -> None:
    case = make_case("ieee13", v_head_pu=head)
    p, q = states[0][:3], states[1][:3]
    _, q_ctrl = volt_var(case, p, q)
    for i in range(3):
        one = slice(i, i + 1)

        def gap(q_kvar: np.ndarray, one: slice = one) -> np.ndarray:
            v = case.v_pu(p[one], q[one], np.zeros((1, 12)), q_kvar[None])[0]
            return np.interp(v, (0.92, 0.98, 1.02, 1.08), (-46.2, 0, 0, 46.2)) - q_kvar

        found = root(gap, np.zeros(12), tol=1e-12)
        assert q_ctrl[i] == pytest.approx(found.x, abs=1e-4)
    assert np.abs(q_ctrl).max() > 3


def test_droop_settles_where_answering_at_once_would_hunt(ieee13: Case, states: tuple) -> None:
    slope = 8_000.0
    _, q_ctrl = linear_droop(ieee13, *states, slope_kvar_per_pu=slope)
    nothing = np.zeros_like(q_ctrl)
    v = ieee13.v_pu(*states, nothing, q_ctrl)
    assert q_ctrl == pytest.approx(np.clip(slope * (v - 1.0), -105, 105), abs=1e-3)
    hunting = nothing
    for _ in range(100):
        v = ieee13.v_pu(*states, nothing, hunting)
        before, hunting = hunting, np.clip(slope * (v - 1.0), -105, 105)
    assert np.abs(hunting - before).max() > 100


@pytest.mark.parametrize("name", BASELINES)
def test_within_limits_and_the_same_alone_as_in_a_batch(name: str, states: tuple) -> None:
    case = make_case("ieee13-tight", s_max_kva=80.0, q_limit_kvar=60.0)
    p_ctrl, q_ctrl = BASELINES[name](case, *states)
    assert p_ctrl.shape == q_ctrl.shape == (200, 12)
    assert (np.abs(p_ctrl) <= case.p_limit_kw).all() and (np.abs(q_ctrl) <= 60.0).all()
    assert (p_ctrl**2 + q_ctrl**2 <= 80.0**2 * (1 + 1e-9)).all()
    alone = BASELINES[name](case, states[0][7:8], states[1][7:8])
    assert alone[0][0] == pytest.approx(p_ctrl[7], abs=1e-9)
    assert alone[1][0] == pytest.approx(q_ctrl[7], abs=1e-9)


def test_the_rating_is_the_inverter_where_the_case_has_one(one_building: Case) -> None:
    """At 1.2 p.u. each absorbs 44 % of its rating, as far as the limit on q goes."""
    state = np.zeros((1, 1)), np.zeros((1, 1))
    for changes, expected in (
        ({}, 0.44 * 200),
        ({"s_max_kva": 300.0}, 0.44 * 300),
        ({"s_max_kva": 300.0, "q_limit_kvar": 50.0}, 50.0),
    ):
        case = one_building.replace(v_head_pu=1.3, **changes)
        assert volt_var(case, *state)[1][0, 0] == pytest.approx(expected)


def test_reactive_power_goes_first(one_building: Case) -> None:
    case = one_building.replace(v_head_pu=1.4, s_max_kva=90.0)
    p_ctrl, q_ctrl = volt_var_and_watt(case, np.array([[-200.0]]), np.zeros((1, 1)))
    assert q_ctrl[0, 0] == pytest.approx(0.44 * 90)
    assert p_ctrl[0, 0] == pytest.approx(np.sqrt(1 - 0.44**2) * 90)


def test_both_curves_hold_at_once(states: tuple) -> None:
    case = make_case("ieee13-tight")
    p_ctrl, q_ctrl = volt_var_and_watt(case, *states)
    v = case.v_pu(*states, p_ctrl, q_ctrl)
    carried = np.clip(-states[0], 0, 105)
    assert q_ctrl == pytest.approx(105 * VOLT_VAR.at(v), abs=1e-3)
    assert p_ctrl == pytest.approx(np.maximum(carried - 105 * VOLT_WATT.at(v), 0), abs=1e-3)
    assert p_ctrl.max() > 1 and q_ctrl.max() > 1


@pytest.mark.parametrize("physics", ["lindistflow", "ac"])
def test_controls_answer_the_voltages_that_follow_from_them(physics: str, states: tuple) -> None:
    case = make_case("ieee13-tight", physics=physics)
    _, q_ctrl = volt_var(case, *states)
    v = case.v_pu(*states, np.zeros_like(q_ctrl), q_ctrl)
    assert q_ctrl == pytest.approx(105 * VOLT_VAR.at(v), abs=1e-3)
    assert np.abs(q_ctrl).max() > 30


def test_unity_power_factor_within_limits(fork_case: Case) -> None:
    q = np.array([[0.5, -3.0, 3.0]])  # limits 1, 2 and 3 kvar
    p_ctrl, q_ctrl = unity_power_factor(fork_case, np.ones((1, 3)), q)
    assert q_ctrl.tolist() == [[-0.5, 2.0, -3.0]] and not p_ctrl.any()
    rated = fork_case.replace(s_max_kva=[1.0, 1.5, 2.5])
    assert unity_power_factor(rated, p_ctrl, q)[1].tolist() == [[-0.5, 1.5, -2.5]]


def test_no_control(fork_case: Case) -> None:
    p_ctrl, q_ctrl = no_control(fork_case, np.ones((2, 3)), np.ones((2, 3)))
    assert p_ctrl.shape == (2, 3) and not p_ctrl.any() and not q_ctrl.any()


def test_volt_var_takes_other_settings(one_building: Case) -> None:
    category_a = Characteristic((0.9, 1.0, 1.1), (-0.25, 0.0, 0.25))
    state = np.zeros((1, 1)), np.zeros((1, 1))
    case = one_building.replace(v_head_pu=1.3)
    assert volt_var(case, *state, category_a)[1][0, 0] == pytest.approx(0.25 * 200)


def test_a_state_that_does_not_settle_is_named(one_building: Case) -> None:
    """An inverter that switches has no fixed point where switching brings the voltage back."""

    def switch(v_pu: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros_like(v_pu), np.where(v_pu > 1.04, 100.0, 0.0)

    p = np.array([[50.0], [-10.0], [60.0]])
    slopes = np.zeros(1), np.zeros(1)
    with pytest.raises(GridError, match=r"^state 1: switch does not settle: after 500 steps"):
        settle("switch", one_building, p, np.zeros((3, 1)), switch, slopes)


def test_a_state_that_the_power_flow_cannot_answer_is_named(
    one_building: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    v_pu = Case.v_pu

    def collapse(case: Case, p_base_kw: np.ndarray, *powers: np.ndarray) -> np.ndarray:
        return np.where(p_base_kw > 70, np.nan, v_pu(case, p_base_kw, *powers))

    monkeypatch.setattr(Case, "v_pu", collapse)
    p = np.array([[50.0], [60.0], [80.0]])
    with pytest.raises(GridError, match=r"^state 2: volt-var: the power flow has no answer"):
        volt_var(one_building, p, np.zeros((3, 1)))


def test_bad_input(ieee13: Case) -> None:
    with pytest.raises(GridError, match=r"q_base_kvar has shape \(1, 3\), must be \(B, 12\)"):
        volt_var(ieee13, np.zeros((1, 12)), np.zeros((1, 3)))
    with pytest.raises(GridError, match="2 rows of p_base_kw, 1 of q_base_kvar"):
        no_control(ieee13, np.zeros((2, 12)), np.zeros((1, 12)))
    with pytest.raises(GridError, match=r"slope_kvar_per_pu is -1, must be >= 0"):
        linear_droop(ieee13, np.zeros((1, 12)), np.zeros((1, 12)), slope_kvar_per_pu=-1.0)
    with pytest.raises(GridError, match="2 voltages and 1 shares"):
        Characteristic((0.9, 1.0), (0.1,))
    with pytest.raises(GridError, match=r"voltage after it is 0\.9, must be > 1"):
        Characteristic((1.0, 0.9), (0.1, 0.0))
