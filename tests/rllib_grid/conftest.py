"""Small feeders and cases that the tests of the grid share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rllib_grid import Case, Feeder, UniformDemand, make_case
from rllib_grid.cases.day_case import DayCase
from rllib_grid.devices.heat import HeatPumps
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles


@pytest.fixture
def one_bus() -> Feeder:
    """Head and a single bus, 0.5 + j0.8 ohm at 2 kV."""
    return Feeder("one-bus", (0,), np.array([0.5]), np.array([0.8]), v_base_kv=2.0)


@pytest.fixture
def fork() -> Feeder:
    """Head - 1, with buses 2 and 3 below 1."""
    return Feeder("fork", (0, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), 1.0)


@pytest.fixture
def fork_case(fork: Feeder) -> Case:
    """Two agents, {1, 3} and {2}, with costs and limits of their own at every bus."""
    return Case(
        "fork",
        fork,
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
        demand=UniformDemand(limit_kw=5.0),
    )


@pytest.fixture(scope="session")
def ieee13() -> Case:
    """The default case."""
    return make_case("ieee13")


@pytest.fixture
def write_csv(tmp_path: Path):
    """Write lines to a .csv file and return its path."""

    def write(*lines: str, name: str = "feeder.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


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
        pp.runpp(net, tolerance_mva=1e-9, init="flat", numba=False)
        v_pu = net.res_bus.vm_pu.to_numpy()[list(feeder.served)]
        current_kva = net.res_line.i_ka.to_numpy() * np.sqrt(3) * 1000 * feeder.v_base_kv
        return v_pu, 1000 * net.res_line.pl_mw.sum(), current_kva

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
            update_data={"sym_load": update}, error_tolerance=1e-10, max_iterations=50
        )
        v_pu = answer["node"]["u_pu"][:, list(feeder.served)]
        loss_kw = (answer["line"]["p_from"] + answer["line"]["p_to"]).sum(axis=1) / 1000
        return v_pu, loss_kw

    return solve


@pytest.fixture(scope="session")
def small() -> DayCase:
    """Three buses, agents {1, 3} and {2}, and voltages that bind on both sides."""
    feeder = Feeder("fork", (0, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([1.1, 0.2, 0.3]), 2.5)
    return DayCase(
        "small",
        feeder,
        groups=((3, 1), (2,)),
        profiles=SyntheticProfiles(load_kw=20.0, solar_kwp=100.0),
        capacity_kwh=np.array([20.0, 30.0, 40.0]),
        p_limit_kw=np.array([8.0, 9.0, 10.0]),
        q_limit_kvar=np.array([4.0, 5.0, 6.0]),
        efficiency=0.9,
        alpha_p=np.array([1e-3, 2e-3, 3e-3]),
        alpha_q=np.array([4e-4, 5e-4, 6e-4]),
        soc_target=0.4,
        v_head_pu=1.01,
        v_min_pu=0.98,
        v_max_pu=1.02,
        penalty_eur_per_pu_h=50.0,
    )


@pytest.fixture(scope="session")
def warm(small) -> DayCase:
    """The small case with buildings 1 and 3 heated and building 2 cooled; all are light enough for
    a day to matter, and midnight may lie outside the band."""
    heat = HeatPumps(
        c_kwh_per_k=np.array([4.0, 5.0, 6.0]),
        r_k_per_kw=np.array([3.0, 2.0, 2.5]),
        cop=np.array([3.0, -2.5, 4.0]),
        p_heat_max_kw=np.array([4.0, 5.0, 3.0]),
        t_set_c=21.5,
        comfort_eur_per_k2_h=0.3,
        t_start_c=(19.0, 25.0),
    )
    return small.replace(name="warm", heat=heat)


@pytest.fixture
def write(tmp_path: Path):
    """Write text to a file of this name and return its path."""

    def write_text(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_text
