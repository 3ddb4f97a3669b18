"""Voltages and losses against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, Feeder
from rllib_grid.physics import ac
from rllib_grid.physics.lindistflow import (
    branch_flows,
    loss_kw,
    magnitude_deviation_pu,
    v_pu,
    v_sq_pu,
)


def test_two_bus_closed_form(one_bus: Feeder) -> None:
    p, q = np.array([[100.0], [-40.0]]), np.array([[50.0], [30.0]])
    expected = 1.02**2 - 2 * (0.5 * p + 0.8 * q) / (1000 * 2.0**2)
    assert v_sq_pu(one_bus, 1.02, p, q) == pytest.approx(expected, rel=1e-10)
    assert v_pu(one_bus, 1.02, p, q) == pytest.approx(np.sqrt(expected), rel=1e-10)
    # r (P^2 + Q^2) / V^2, in kW from kW, ohm and kV
    loss = 0.5 * (p**2 + q**2)[:, 0] / 2.0**2 / 1000
    assert loss_kw(one_bus, 1.0, p, q) == pytest.approx(loss, rel=1e-10)


def test_no_load_leaves_the_head_voltage(ieee13: Case) -> None:
    zero = np.zeros((1, 12))
    assert v_pu(ieee13.feeder, 1.03, zero, zero).tolist() == [[1.03] * 12]


def test_loss_is_the_sum_over_branches(ieee13: Case) -> None:
    feeder = ieee13.feeder
    p, q = np.random.default_rng(0).uniform(-300, 300, (2, 50, 12))
    flow_p, flow_q = branch_flows(feeder, p, q)
    by_branch = (feeder.r_ohm * (flow_p**2 + flow_q**2)).sum(axis=1) / (1000 * 2.97**2)
    assert loss_kw(feeder, 1.0, p, q) == pytest.approx(by_branch, rel=1e-10)


def test_flows_obey_the_balance_at_every_bus(ieee13: Case) -> None:
    feeder = ieee13.feeder
    p = np.random.default_rng(1).uniform(-300, 300, (5, 12))
    flow, _ = branch_flows(feeder, p, p)
    for bus in range(1, 13):
        below = [child - 1 for child in range(1, 13) if feeder.parent[child - 1] == bus]
        leaving = p[:, bus - 1] + flow[:, below].sum(axis=1)
        assert flow[:, bus - 1] == pytest.approx(leaving, abs=1e-9)


def test_voltage_falls_branch_by_branch(ieee13: Case) -> None:
    feeder = ieee13.feeder
    p, q = np.random.default_rng(2).uniform(-200, 200, (2, 5, 12))
    squared = np.hstack([np.full((5, 1), 1.02**2), v_sq_pu(feeder, 1.02, p, q)])  # head first
    flow_p, flow_q = branch_flows(feeder, p, q)
    for bus in range(1, 13):
        r, x = feeder.r_ohm[bus - 1], feeder.x_ohm[bus - 1]
        drop = 2 * (r * flow_p[:, bus - 1] + x * flow_q[:, bus - 1]) / (1000 * 2.97**2)
        assert squared[:, bus] == pytest.approx(squared[:, feeder.parent[bus - 1]] - drop)


def test_collapse_counts_as_zero_volts(one_bus: Feeder) -> None:
    p, q = np.array([[1e5]]), np.array([[0.0]])
    assert v_sq_pu(one_bus, 1.0, p, q).item() == pytest.approx(-24.0)
    assert v_pu(one_bus, 1.0, p, q).item() == 0.0


def test_small_signals_keep_their_digits_in_float32() -> None:
    signal = np.array([[1e-9, -3e-6, 2e-2, -2.0]])  # of v_sq; the last one is a collapse
    exact = magnitude_deviation_pu(signal.copy(), 1.02)
    first = signal[0, 0] / (2 * 1.02)  # dv = d(v_sq) / (2 v), to first order
    assert exact[0, 0] == pytest.approx(first, rel=1e-8)
    assert exact[0, 2] == pytest.approx(np.sqrt(1.02**2 + 2e-2) - 1.02, rel=1e-10)
    assert exact[0, 3] == -1.02
    single = magnitude_deviation_pu(signal.astype(np.float32), 1.02)
    assert single.dtype == np.float32
    assert single == pytest.approx(exact, rel=1e-6)


def test_losses_are_those_of_the_current_at_the_heads_voltage(one_bus: Feeder) -> None:
    p, q = np.array([[20.0]]), np.array([[10.0]])
    for v_head_pu in (0.95, 1.025, 1.05):
        light = loss_kw(one_bus, v_head_pu, p / 1e3, q / 1e3) * 1e6
        full = ac.solve(one_bus, v_head_pu, p / 1e3, q / 1e3).loss_kw * 1e6
        assert light == pytest.approx(full, rel=1e-4)
        assert light == pytest.approx(loss_kw(one_bus, 1.0, p, q) / v_head_pu**2, rel=1e-10)
