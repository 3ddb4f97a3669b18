"""Feeders for AC power flow, and independent solvers to hold it against."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Feeder


@pytest.fixture
def sparse_tree() -> Feeder:
    """Seven nodes, of which three have a building; one of them is no leaf."""
    r = np.array([0.30, 0.15, 0.40, 0.05, 0.25, 0.10, 0.35])
    x = np.array([0.55, 0.10, 0.90, 0.15, 0.20, 0.30, 0.05])
    return Feeder("sparse", (0, 1, 2, 1, 4, 5, 5), r, x, v_base_kv=4.16, served=(3, 5, 6))


@pytest.fixture(scope="session")
def pandapower_flow():
    """Return a function that solves one state by pandapower's Newton-Raphson."""
    pp = pytest.importorskip("pandapower")

    def solve(feeder, v_head_pu, p_kw, q_kvar):
        net = pp.create_empty_network()
        for _ in range(feeder.num_nodes + 1):
            pp.create_bus(net, vn_kv=feeder.v_base_kv)
        pp.create_ext_grid(net, 0, vm_pu=v_head_pu)
        for node, parent in enumerate(feeder.parent, start=1):
            ohm = (feeder.r_ohm[node - 1], feeder.x_ohm[node - 1])
            pp.create_line_from_parameters(net, parent, node, 1.0, *ohm, 0.0, max_i_ka=1.0)
        for bus, node in enumerate(feeder.served):
            pp.create_load(net, node, p_mw=p_kw[bus] / 1000, q_mvar=q_kvar[bus] / 1000)
        pp.runpp(net, tolerance_mva=1e-11, init="flat", numba=False)
        v_pu = net.res_bus.vm_pu.to_numpy()[list(feeder.served)]
        ends = net.res_line[["p_from_mw", "q_from_mvar", "p_to_mw", "q_to_mvar"]].to_numpy()
        kva = 1000 * np.maximum(np.hypot(*ends[:, :2].T), np.hypot(*ends[:, 2:].T))
        return v_pu, 1000 * net.res_line.pl_mw.sum(), kva

    return solve


@pytest.fixture(scope="session")
def grid_model_flow():
    """Return a function that solves a batch by power-grid-model's Newton-Raphson."""
    pgm = pytest.importorskip("power_grid_model")

    def table(component, count, **columns):
        array = pgm.initialize_array("input", component, count)
        for name, value in columns.items():
            array[name] = value
        return array

    def solve(feeder, v_head_pu, p_kw, q_kvar):
        nodes, buses = feeder.num_nodes, feeder.num_buses
        lines = nodes + 1 + np.arange(nodes)
        loads = 2 * nodes + 1 + np.arange(buses)
        model = pgm.PowerGridModel(
            {
                "node": table(
                    "node", nodes + 1, id=np.arange(nodes + 1), u_rated=1000 * feeder.v_base_kv
                ),
                "line": table(
                    "line",
                    nodes,
                    id=lines,
                    from_node=feeder.parent,
                    to_node=np.arange(1, nodes + 1),
                    from_status=1,
                    to_status=1,
                    r1=feeder.r_ohm,
                    x1=feeder.x_ohm,
                    c1=0.0,
                    tan1=0.0,
                ),
                "sym_load": table(
                    "sym_load",
                    buses,
                    id=loads,
                    node=feeder.served,
                    status=1,
                    type=pgm.LoadGenType.const_power,
                    p_specified=0.0,
                    q_specified=0.0,
                ),
                # no impedance to speak of between the source and the head
                "source": table(
                    "source", 1, id=9999, node=0, status=1, u_ref=v_head_pu, sk=1e25, rx_ratio=0.1
                ),
            }
        )
        update = pgm.initialize_array("update", "sym_load", (len(p_kw), buses))
        update["id"] = loads
        update["p_specified"], update["q_specified"] = 1000 * p_kw, 1000 * q_kvar
        answer = model.calculate_power_flow(
            update_data={"sym_load": update}, error_tolerance=1e-12, max_iterations=50
        )
        v_pu = answer["node"]["u_pu"][:, list(feeder.served)]
        loss_kw = (answer["line"]["p_from"] + answer["line"]["p_to"]).sum(axis=1) / 1000
        return v_pu, loss_kw

    return solve
