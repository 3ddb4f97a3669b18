"""Feeders to pandapower: the same losses and voltages, by three independent solutions."""

from __future__ import annotations

import numpy as np
import pandapower as pp
import pytest

from rllib_grid import Feeder, GridError, make_case
from rllib_grid.feeders import from_pandapower, to_pandapower
from rllib_grid.physics import lindistflow as power_flow


def exact(feeder: Feeder, v_head_pu: float, p_kw, q_kvar):
    """AC voltages (p.u.) and losses (kW) by sweeps over the branches, in complex numbers."""
    v = np.full(feeder.num_nodes + 1, v_head_pu, complex)
    z_pu = (feeder.r_ohm + 1j * feeder.x_ohm) / (1000 * feeder.v_base_kv**2)  # of 1 kVA
    load = np.zeros(feeder.num_nodes + 1, complex)
    load[list(feeder.served)] = p_kw + 1j * q_kvar
    order = sorted(range(1, feeder.num_nodes + 1), key=lambda n: len(path(feeder, n)))
    for _ in range(100):
        i = np.conj(load / v)
        for node in reversed(order):  # from the ends to the head
            i[feeder.parent[node - 1]] += i[node]
        for node in order:
            v[node] = v[feeder.parent[node - 1]] - z_pu[node - 1] * i[node]
    lost = (z_pu.real * np.abs(i[1:]) ** 2).sum()
    return np.abs(v[1:]), lost


def path(feeder: Feeder, node: int) -> list[int]:
    return [] if node == 0 else [node, *path(feeder, feeder.parent[node - 1])]


def solved(feeder: Feeder, v_head_pu: float, p_kw, q_kvar):
    net = to_pandapower(feeder, p_kw, q_kvar, v_head_pu=v_head_pu)
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    return net


@pytest.mark.parametrize("name", ["ieee13", "case33bw"])
def test_power_flow_of_an_exported_feeder(name: str) -> None:
    case = make_case(name)
    p_kw, q_kvar = (x[0].astype(float) for x in case.demand.sample(np.random.default_rng(3), 1))
    feeder, head = case.feeder, 1.02
    net = solved(feeder, head, p_kw, q_kvar)
    v_pu, lost_kw = exact(feeder, head, p_kw, q_kvar)
    np.testing.assert_allclose(net.res_bus.vm_pu[1:], v_pu, atol=1e-8)
    assert 1000 * net.res_line.pl_mw.sum() == pytest.approx(lost_kw, rel=1e-6)

    # LinDistFlow leaves out the losses, and divides by the base voltage: second-order errors.
    linear_v = power_flow.v_pu(feeder, head, p_kw[None], q_kvar[None])[0]
    linear_kw = power_flow.loss_kw(feeder, 1.0, p_kw[None], q_kvar[None])[0]
    served = np.array(feeder.served) - 1
    assert np.abs(linear_v - head).max() > 0.005
    assert np.abs(linear_v - v_pu[served]).max() < 0.15 * np.abs(linear_v - head).max() ** 1
    assert linear_kw == pytest.approx(lost_kw, rel=0.12)


def test_line_to_line_voltage_keeps_losses_and_currents_show_three_phases() -> None:
    """0.5 ohm, 300 kW, 2 kV: P^2 R / v^2 in all; 300 / (sqrt 3 2) A in each phase."""
    feeder = Feeder("one", (0,), np.array([0.5]), np.array([1e-9]), v_base_kv=2.0)
    net = solved(feeder, 1.0, 3.0, 0.0)
    v_kv = 2.0 * net.res_bus.vm_pu[1]
    assert 1000 * net.res_line.pl_mw[0] == pytest.approx(1e-3 * 0.5 * (3.0 / v_kv) ** 2)
    assert net.res_line.i_ka[0] == pytest.approx(3.0 / (1000 * np.sqrt(3) * v_kv), rel=1e-6)


def test_there_and_back() -> None:
    case = make_case("kerber-dorfnetz")
    limit_kva = np.linspace(100, 400, case.feeder.num_nodes)
    net = to_pandapower(case.feeder, 6.0, 2.0, v_head_pu=1.01, branch_limit_kva=limit_kva)
    back = from_pandapower(net)
    assert back.feeder.parent == case.feeder.parent and back.feeder.served == case.feeder.served
    np.testing.assert_allclose(back.feeder.r_ohm, case.feeder.r_ohm)
    np.testing.assert_allclose(back.feeder.x_ohm, case.feeder.x_ohm)
    np.testing.assert_allclose(back.s_limit_kva, limit_kva)
    assert set(back.p_load_kw) == {6.0} and set(back.q_load_kvar) == {2.0}
    assert back.v_head_pu == 1.01 and back.feeder.v_base_kv == 0.4
    assert back.feeder.bus_names == case.feeder.bus_names


def test_bad_numbers() -> None:
    feeder = make_case("ieee13").feeder
    with pytest.raises(GridError, match="p_kw has shape"):
        to_pandapower(feeder, np.zeros(5))
    with pytest.raises(GridError, match="v_head_pu is 0, must be > 0"):
        to_pandapower(feeder, v_head_pu=0)
