"""AC power flow against independent solvers, closed forms and LinDistFlow."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, Feeder, GridError
from rllib_grid.physics import lindistflow
from rllib_grid.physics.ac import branch_currents_kva, solve


@pytest.fixture(params=["ieee13", "sparse"])
def loaded(request, ieee13: Case, sparse_tree: Feeder):
    """A feeder, and a function that draws states which it carries, some of them heavy."""
    feeder, size = (ieee13.feeder, 125) if request.param == "ieee13" else (sparse_tree, 300)

    def draw(count):
        rng = np.random.default_rng(0)
        return rng.uniform(-size, 3 * size, (2, count, feeder.num_buses))

    return feeder, draw


def test_agrees_with_power_grid_model(loaded, grid_model_flow) -> None:
    feeder, draw = loaded
    p, q = draw(200)
    flow = solve(feeder, 1.03, p, q)
    v_pu, loss_kw = grid_model_flow(feeder, 1.03, p, q)
    assert v_pu.min() < 0.93  # heavy indeed
    assert flow.v_pu == pytest.approx(v_pu, abs=1e-8)
    assert flow.loss_kw == pytest.approx(loss_kw, rel=1e-6)
    assert flow.converged.all()


@pytest.mark.filterwarnings("ignore:::pandapower")
def test_agrees_with_pandapower(loaded, pandapower_flow) -> None:
    feeder, draw = loaded
    p, q = draw(4)
    flow, current_kva = solve(feeder, 0.98, p, q), branch_currents_kva(feeder, 0.98, p, q)
    for state in range(len(p)):
        v_pu, loss_kw, branch_current_kva = pandapower_flow(feeder, 0.98, p[state], q[state])
        assert flow.v_pu[state] == pytest.approx(v_pu, abs=1e-8)
        assert flow.loss_kw[state] == pytest.approx(loss_kw, rel=1e-6)
        assert current_kva[state] == pytest.approx(branch_current_kva, rel=1e-6, abs=1e-6)


def test_one_bus_closed_form(one_bus: Feeder) -> None:
    """v^4 + (2 (rP + xQ) - v0^2) v^2 + (r^2 + x^2)(P^2 + Q^2) = 0, the larger root."""
    p, q = np.array([[300.0], [-200.0]]), np.array([[100.0], [50.0]])
    r, x = 0.5 / 4000, 0.8 / 4000
    half = 1.02**2 / 2 - (r * p + x * q)
    v_sq = half + np.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    flow = solve(one_bus, 1.02, p, q)
    assert flow.v_pu == pytest.approx(np.sqrt(v_sq), abs=1e-10)
    assert flow.loss_kw == pytest.approx((r * (p**2 + q**2) / v_sq)[:, 0], rel=1e-9)


def test_small_loads_are_those_of_lindistflow(loaded) -> None:
    """What LinDistFlow leaves out shrinks with the square of the load."""
    feeder, draw = loaded
    p, q = draw(50)
    errors = []
    for share in (1e-2, 1e-3):
        flow = solve(feeder, 1.0, share * p, share * q)
        v_error = np.abs(flow.v_pu - lindistflow.v_pu(feeder, 1.0, share * p, share * q))
        loss = lindistflow.loss_kw(feeder, 1.0, share * p, share * q)
        errors.append((v_error.max(), np.abs(flow.loss_kw / loss - 1).max()))
    assert errors[1][0] < errors[0][0] / 50
    assert errors[1][1] < errors[0][1] / 5
    assert errors[1][1] < 1e-3


def test_lindistflow_overestimates_the_voltage(loaded) -> None:
    """Whatever the direction of the flow, for losses only lower it: its lower bound is unsafe."""
    feeder, draw = loaded
    for direction in (0.5, -0.5):
        p, q = direction * draw(100)
        flow = solve(feeder, 1.0, p, q)
        assert (flow.v_pu < lindistflow.v_pu(feeder, 1.0, p, q)).all()


def test_no_load_leaves_the_head_voltage(ieee13: Case) -> None:
    flow = solve(ieee13.feeder, 1.03, np.zeros((1, 12)), np.zeros((1, 12)))
    assert flow.v_pu.tolist() == [[1.03] * 12]
    assert flow.loss_kw.tolist() == [0.0]


def test_states_do_not_disturb_one_another(ieee13: Case) -> None:
    """A collapsing state among good ones, in a batch of several blocks."""
    rng = np.random.default_rng(1)
    p, q = rng.uniform(-200, 200, (2, 3000, 12))
    alone = solve(ieee13.feeder, 1.0, p, q)
    p[1700] = 4000.0
    among = solve(ieee13.feeder, 1.0, p, q, collapsed="floor")
    assert np.flatnonzero(~among.converged).tolist() == [1700]
    rest = np.arange(3000) != 1700
    assert among.v_pu[rest] == pytest.approx(alone.v_pu[rest], abs=1e-9)


def test_a_load_beyond_the_nose_is_refused_by_name(one_bus: Feeder) -> None:
    """The nose of a line with x = 0: P = v0^2 / (4 r)."""
    line = Feeder("line", (0,), one_bus.r_ohm, np.array([0.0]), v_base_kv=2.0)
    nose = 1000 * 2.0**2 / (4 * 0.5)
    below = np.array([[0.95 * nose]])
    root = (1 + np.sqrt(1 - 0.95)) / 2
    assert solve(line, 1.0, below, 0 * below).v_pu.item() == pytest.approx(root, abs=1e-8)
    p = np.array([[100.0], [1.05 * nose]])
    with pytest.raises(GridError, match=r"state 1: AC power flow does not converge \(mismatch .* "):
        solve(line, 1.0, p, 0 * p)
    with pytest.raises(
        GridError, match=r"state 1: .* the load is beyond what the feeder can carry"
    ):
        branch_currents_kva(line, 1.0, p, 0 * p)


def test_a_collapsed_feeder_is_worse_than_any_other(one_bus: Feeder) -> None:
    """Half the head's voltage; a loss that goes on from the nose's and grows with the load."""
    line = Feeder("line", (0,), one_bus.r_ohm, np.array([0.0]), v_base_kv=2.0)
    nose = 1000 * 2.0**2 * 1.05**2 / (4 * 0.5)
    p = nose * np.array([[0.97], [1.03], [2.0]])
    flow = solve(line, 1.05, p, 0 * p, collapsed="floor")
    assert flow.converged.tolist() == [True, False, False]
    assert flow.v_pu[1:].tolist() == [[0.525], [0.525]]
    assert flow.v_pu[0] > 0.525
    assert (np.diff(flow.loss_kw) > 0).all()
    # At the nose half of what is sent arrives, so the loss is the load.
    assert flow.loss_kw[1] == pytest.approx(1.03**2 * nose)


def test_collapse_costs_more_than_the_last_load_that_is_carried(ieee13: Case) -> None:
    """Of many buses too, whatever the direction in which the load grows."""
    directions = np.random.default_rng(2).normal(0.3, 1.0, (2, 20, 12))
    carried, lost = np.zeros((20, 1)), np.full((20, 1), 1e6)
    for _ in range(25):
        middle = (carried + lost) / 2
        flow = solve(ieee13.feeder, 1.0, *(middle * directions), collapsed="floor")
        carried = np.where(flow.converged[:, None], middle, carried)
        lost = np.where(flow.converged[:, None], lost, middle)
    within, beyond = (
        solve(ieee13.feeder, 1.0, *(load * directions), collapsed="floor")
        for load in (carried, lost)
    )
    assert within.converged.all() and not beyond.converged.any()
    assert (beyond.loss_kw > within.loss_kw).all()
