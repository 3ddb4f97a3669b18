"""Nets of pandapower as feeders, held against its own power flow; what is refused by name."""

from __future__ import annotations

import copy
import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as networks
import pytest

from rllib_grid import FeederError
from rllib_grid.feeders import ImportedFeeder, from_pandapower, to_pandapower


def without_shunts(net: Any) -> Any:
    """The net without all that an import leaves out, so that both are the same circuit."""
    net.line["c_nf_per_km"] = 0.0
    net.line["g_us_per_km"] = 0.0
    net.trafo[["pfe_kw", "i0_percent"]] = 0.0
    return net


def same_voltages(net: Any, imported: ImportedFeeder, names: list[str] | None = None) -> None:
    """The imported feeder has the voltages and the losses that pandapower finds for the net."""
    pp.runpp(net, numba=False, tolerance_mva=1e-9, calculate_voltage_angles=True)
    p_kw = imported.p_load_kw + imported.p_gen_kw
    back = to_pandapower(imported.feeder, p_kw, imported.q_load_kvar, v_head_pu=imported.v_head_pu)
    pp.runpp(back, numba=False, tolerance_mva=1e-9)
    of_name = {
        str(name) if name else str(i): net.res_bus.vm_pu[i] for i, name in net.bus.name.items()
    }
    feeder = imported.feeder
    found = {feeder.bus_names[node - 1]: back.res_bus.vm_pu[node] for node in feeder.served}
    assert len(found) == feeder.num_buses
    for name, v_pu in found.items():
        assert v_pu == pytest.approx(of_name[name], abs=1e-7), name
    drawn = net.res_load.p_mw.sum() - net.res_sgen.p_mw.sum()
    lost = net.res_ext_grid.p_mw.sum() - drawn
    assert back.res_line.pl_mw.sum() == pytest.approx(lost, abs=1e-8)


def tapped() -> Any:
    """Two steps of 2.5 % less at the high side raise what is behind."""
    net = networks.create_kerber_landnetz_freileitung_1()
    net.trafo[["tap_side", "tap_step_percent", "tap_neutral"]] = ["hv", 2.5, 0]
    net.trafo[["tap_pos", "tap_changer_type"]] = [-2, "Ratio"]
    net.ext_grid["vm_pu"] = 1.02
    return net


def tapped_below() -> Any:
    """Taps at the low side, an off-nominal rating, and a line above the transformer."""
    net = networks.create_kerber_landnetz_freileitung_1()
    net.trafo[["tap_side", "vn_hv_kv", "tap_pos", "tap_changer_type"]] = ["lv", 10.4, 1, "Ratio"]
    net.trafo[["tap_step_percent", "tap_neutral"]] = [5.0, 0]
    grid = pp.create_bus(net, 10.0, name="grid")
    pp.create_line_from_parameters(net, grid, 0, 5.0, 0.5, 0.4, 0.0, 0.2)
    net.ext_grid["bus"] = grid
    return net


@pytest.mark.parametrize(
    ("make", "nodes", "buses", "v_base_kv"),
    [
        (networks.case33bw, 32, 32, 12.66),
        (networks.create_cigre_network_mv, 14, 13, 20.0),
        (networks.create_cigre_network_lv, 40, 15, 0.4),
        (networks.simple_four_bus_system, 3, 2, 0.4),
        (tapped, 14, 13, 0.4),
        (tapped_below, 15, 13, 0.4),
    ],
)
def test_same_voltages_and_losses_as_the_net(
    make: Callable[[], Any], nodes: int, buses: int, v_base_kv: float
) -> None:
    net = without_shunts(make())
    imported = from_pandapower(net)
    assert (imported.feeder.num_nodes, imported.feeder.num_buses) == (nodes, buses)
    assert imported.feeder.v_base_kv == v_base_kv
    same_voltages(net, imported)


def test_a_tap_moves_the_voltage_of_the_head() -> None:
    imported = from_pandapower(tapped())
    assert imported.v_head_pu == pytest.approx(1.02 / 0.95)
    at_neutral = from_pandapower(networks.create_kerber_landnetz_freileitung_1())
    np.testing.assert_allclose(imported.feeder.r_ohm, at_neutral.feeder.r_ohm)
    untyped = tapped()  # which pandapower's power flow leaves at neutral
    untyped.trafo["tap_changer_type"] = None
    ignored = from_pandapower(untyped)
    assert ignored.v_head_pu == 1.02
    assert any("stands for nothing" in note for note in ignored.notes)


def test_loads_generators_and_ratings() -> None:
    net = networks.simple_four_bus_system()
    net.load["scaling"] = 0.5
    imported = from_pandapower(net)
    assert imported.p_load_kw.tolist() == [15.0, 15.0]
    assert imported.p_gen_kw.tolist() == [-20.0, -15.0]
    q_kvar = 1000 * (0.5 * net.load.q_mvar - net.sgen.q_mvar)
    assert imported.q_load_kvar.tolist() == pytest.approx(q_kvar.tolist())
    assert imported.peak_kw.tolist() == [20.0, 15.0]
    ka = net.line.max_i_ka.iloc[0]
    assert imported.s_limit_kva[0] == 250.0  # the transformer
    assert imported.s_limit_kva[1] == pytest.approx(math.sqrt(3) * 400 * ka)
    assert imported.branch_limit_kva is not None
    unrated = from_pandapower(networks.case33bw())
    assert np.isinf(unrated.s_limit_kva).all() and unrated.branch_limit_kva is None


def test_what_is_left_out_is_said() -> None:
    net = networks.create_cigre_network_mv(with_der="all")
    pp.create_shunt(net, 3, q_mvar=-0.1, p_mw=0.02, step=3)
    notes = " | ".join(from_pandapower(net).notes)
    omega_c = 2 * math.pi * 50 * (net.line.c_nf_per_km * net.line.length_km) * 1e-9
    closed = [i for i in net.line.index if i not in (12, 13, 14)]
    kvar = 1000 * omega_c[closed].sum() * 20.0**2
    for part in (
        "open or out of service, dropped: 3 of 15 lines",
        "2 stores are left out (800 kW)",
        "shunts are left out (-300 kvar at Bus 3)",
        "the conductance of shunts (60 kW) is left out",
        f"the capacitance of the branches ({kvar:.1f} kvar) is left out",
        "impedances are referred to 20 kV",
    ):
        assert part in notes
    village = networks.create_kerber_landnetz_freileitung_1()
    assert "iron losses (0.38 kW)" in from_pandapower(village).notes[0]


def test_what_is_left_out_is_measured_in_volts() -> None:
    """Against pandapower's power flow with and without a capacitor, 300 kvar at bus 18."""
    net = networks.case33bw()
    pp.create_shunt(net, 17, q_mvar=-0.3)
    note = from_pandapower(net).notes[-1]
    assert note.endswith("p.u. higher")
    said_pu = float(note.split()[-3])
    v_pu = []
    for in_service in (True, False):
        net.shunt["in_service"] = in_service
        pp.runpp(net, numba=False)
        v_pu.append(net.res_bus.vm_pu[17])
    assert said_pu == pytest.approx(v_pu[0] - v_pu[1], rel=0.1)
    net.load["p_mw"] *= -1  # the note is about what is left out, not about loads
    assert not any("left out" in note for note in from_pandapower(net).notes)


def chain() -> Any:
    """Head - A - B at 10 kV, 100 kW at B."""
    return copy.deepcopy(made_chain())


@functools.cache
def made_chain() -> Any:
    net = pp.create_empty_network(name="chain")
    for name in ("grid", "A", "B"):
        pp.create_bus(net, 10.0, name=name)
    pp.create_ext_grid(net, 0, vm_pu=1.01)
    for start in (0, 1):
        pp.create_line_from_parameters(net, start, start + 1, 2.0, 0.3, 0.4, 0.0, 0.2)
    pp.create_load(net, 2, p_mw=0.1, q_mvar=0.05)
    return net


def test_units() -> None:
    imported = from_pandapower(chain())
    feeder = imported.feeder
    assert feeder.name == "chain" and feeder.parent == (0, 1) and feeder.bus_names == ("A", "B")
    assert feeder.r_ohm.tolist() == pytest.approx([0.6, 0.6])
    assert feeder.x_ohm.tolist() == pytest.approx([0.8, 0.8])
    assert feeder.served == (2,) and imported.p_load_kw.tolist() == [100.0]
    assert imported.q_load_kvar.tolist() == [50.0] and imported.v_head_pu == 1.01
    assert imported.power_factor.tolist() == pytest.approx([100 / math.hypot(100, 50)])
    assert imported.s_limit_kva.tolist() == pytest.approx([math.sqrt(3) * 2000] * 2)


def test_couplers_join_buses_and_parallel_lines_are_one() -> None:
    net = chain()
    pp.create_bus(net, 10.0, name="C")
    pp.create_switch(net, 2, 3, et="b", closed=True)
    pp.create_load(net, 3, p_mw=0.02)
    pp.create_line_from_parameters(net, 2, 1, 1.0, 0.6, 0.8, 0.0, 0.1)  # the other way round
    imported = from_pandapower(net)
    assert imported.feeder.parent == (0, 1) and imported.feeder.bus_names == ("A", "B")
    assert imported.p_load_kw.tolist() == pytest.approx([120.0])
    assert imported.feeder.r_ohm.tolist() == pytest.approx([0.6, 0.3])
    # Both halves carry the same current, so the weaker line is full first.
    assert imported.s_limit_kva[1] == pytest.approx(2 * math.sqrt(3) * 1000)
    assert "parallel branches are taken as one" in imported.notes[0]
    same_voltages(net, imported)


def test_a_switch_with_an_impedance_is_a_branch() -> None:
    net = chain()
    pp.create_bus(net, 10.0, name="C")
    pp.create_switch(net, 2, 3, et="b", closed=True, z_ohm=0.5)
    pp.create_load(net, 3, p_mw=0.02)
    imported = from_pandapower(net)
    assert math.hypot(imported.feeder.r_ohm[2], imported.feeder.x_ohm[2]) == pytest.approx(0.5)
    same_voltages(net, imported)


def test_unbalanced_loads_are_balanced() -> None:
    net = chain()
    pp.create_asymmetric_load(net, 1, p_a_mw=0.01, p_b_mw=0.02, q_c_mvar=0.03, scaling=2.0)
    imported = from_pandapower(net)
    assert imported.p_load_kw.tolist() == pytest.approx([60.0, 100.0])
    assert imported.q_load_kvar.tolist() == pytest.approx([60.0, 50.0])
    assert "1 unbalanced elements (asymmetric_load) are balanced" in imported.notes


def test_one_of_several_sources() -> None:
    net = chain()
    for name in ("other grid", "D"):
        pp.create_bus(net, 10.0, name=name)
    pp.create_ext_grid(net, 3, vm_pu=0.99)
    pp.create_line_from_parameters(net, 3, 4, 2.0, 0.3, 0.4, 0.0, 0.2)
    pp.create_load(net, 4, p_mw=0.3)
    with pytest.raises(FeederError, match=r"2 sources: grid \(bus 0\), other grid \(bus 3\); name"):
        from_pandapower(net)
    one, other = (from_pandapower(net, head=head) for head in ("grid", "3"))
    assert one.feeder.bus_names == ("A", "B") and one.v_head_pu == 1.01
    assert other.feeder.bus_names == ("D",) and other.v_head_pu == 0.99
    assert "not fed from the head, left out: 2 of 5 buses, 300 kW of load" in one.notes
    with pytest.raises(FeederError, match="no source stands at bus 7"):
        from_pandapower(net, head="7")
    pp.create_line_from_parameters(net, 2, 4, 2.0, 0.3, 0.4, 0.0, 0.2)
    with pytest.raises(FeederError, match="sources grid and other grid are connected; open a sw"):
        from_pandapower(net, head="grid")


def test_sources_at_one_bus_are_one() -> None:
    net = chain()
    pp.create_ext_grid(net, 0, vm_pu=1.01)
    assert from_pandapower(net).v_head_pu == 1.01
    pp.create_gen(net, 0, p_mw=0.1, vm_pu=1.01)  # which changes no voltage there
    assert from_pandapower(net).p_gen_kw.tolist() == [0]
    net.ext_grid.loc[1, "vm_pu"] = 1.02
    with pytest.raises(FeederError, match=r"ext_grid 1 holds bus 0 at 1.02 p\.u\., another"):
        from_pandapower(net)


def meshed() -> Any:
    net = chain()
    pp.create_line_from_parameters(net, 2, 0, 1.0, 0.3, 0.4, 0.0, 0.2, name="tie")
    return net


def opened() -> Any:
    net = chain()
    pp.create_switch(net, 1, 1, et="l", closed=False)
    return net


def with_generator() -> Any:
    net = chain()
    pp.create_gen(net, 2, p_mw=0.1, vm_pu=1.0, name="hydro")
    return net


def with_three_windings() -> Any:
    net = chain()
    for kv in (1.0, 0.4):
        pp.create_bus(net, kv)
    pp.create_transformer3w_from_parameters(
        net, 2, 3, 4, 10.0, 1.0, 0.4, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 0.5, 0.5, 0.5, 0.0, 0.0
    )
    return net


def with_dc_line() -> Any:
    net = chain()
    pp.create_dcline(net, 1, 2, p_mw=0.1, loss_percent=1.0, loss_mw=0.0, vm_from_pu=1, vm_to_pu=1)
    return net


def with_two_ratios() -> Any:
    net = chain()
    for tap in (0, 2):
        low = pp.create_bus(net, 0.4, name=f"low {tap}")
        pp.create_transformer(net, 2, low, "0.4 MVA 10/0.4 kV", tap_pos=tap)
        pp.create_load(net, low, p_mw=0.01)
    net.load.loc[0, "in_service"] = False
    return net


def with_two_levels() -> Any:
    net = chain()
    net.bus.loc[2, "vn_kv"] = 0.4
    return net


def without_source() -> Any:
    net = chain()
    net.ext_grid["in_service"] = False
    return net


def with_a_gap() -> Any:
    net = chain()
    net.load.loc[0, "p_mw"] = math.nan
    return net


def with_a_lost_load() -> Any:
    net = chain()
    net.load.loc[0, "bus"] = 9
    return net


def with_a_load_nowhere() -> Any:
    net = chain()
    net.load["bus"] = net.load["bus"].astype(object)
    net.load.loc[0, "bus"] = None
    return net


def with_a_lost_line() -> Any:
    net = chain()
    net.line.loc[1, "to_bus"] = 9
    return net


def with_words() -> Any:
    net = chain()
    net.line["r_ohm_per_km"] = net.line["r_ohm_per_km"].astype(object)
    net.line.loc[1, "r_ohm_per_km"] = "much"
    return net


def with_an_infinite_voltage() -> Any:
    net = chain()
    net.bus.loc[1, "vn_kv"] = math.inf
    return net


def without_resistances() -> Any:
    net = chain()
    net.line.drop(columns="r_ohm_per_km", inplace=True)
    return net


def with_negative_length() -> Any:
    net = chain()
    net.line.loc[1, "length_km"] = -2.0
    return net


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (meshed, r"not radial: buses A, grid, B form a loop, closed by line 1; open a switch"),
        (opened, "bus B has 100 kW of load, but no closed branch leads to it from grid"),
        (with_generator, r"gen 0 \(hydro\) holds the voltage of bus 2"),
        (with_three_windings, "trafo3w 0: elements of the kind trafo3w are not handled"),
        (with_dc_line, "dcline 0: elements of the kind dcline are not handled"),
        (with_two_ratios, r"low 0 at a ratio of 1 and low 2 at 1.05"),
        (with_two_levels, "line 1 joins buses of 10 and 0.4 kV; put a transformer between them"),
        (without_source, "there is no source in service"),
        (with_a_gap, "load 0: p_mw is blank, must be a number"),
        (with_a_lost_load, "load 0: bus is 9, which is no bus of the net"),
        (with_a_load_nowhere, "load 0: bus is None, must be an index"),
        (with_a_lost_line, "line 1: to_bus is 9, which is no bus of the net"),
        (with_words, "line 1: r_ohm_per_km is 'much', must be a number"),
        (with_an_infinite_voltage, r"bus 1 \(A\): vn_kv is inf, must be a number"),
        (without_resistances, r"line 0: its impedance is nan \+ j0.8 ohm, must be >= 0"),
        (with_negative_length, r"line 1: its impedance is -0.6 \+ j-0.8 ohm, must be >= 0"),
    ],
)
def test_refused_by_name(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(FeederError, match=message):
        from_pandapower(make())


def test_elements_out_of_service_are_no_hindrance() -> None:
    net = with_generator()
    net.gen["in_service"] = False
    net.bus.loc[1, "in_service"] = True
    assert from_pandapower(net).feeder.num_nodes == 2


def test_a_file_of_a_net(tmp_path: Path) -> None:
    path = tmp_path / "my-feeder.json"
    pp.to_json(chain(), str(path))
    imported = from_pandapower(path)
    assert imported.feeder.name == "my-feeder"
    assert imported.feeder.r_ohm.tolist() == pytest.approx([0.6, 0.6])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "is not a JSON file"),
        ("[1, 2]", "is not a pandapower net"),
        ('{"_class": "dict"}', "is not a pandapower net"),
        ('{"name": "x", "feeder": {}}', "is a case of this program"),
        (
            '{"_class": "pandapowerNet", "_module": "pandapower.auxiliary"}',
            "has no bus in service",
        ),
        (
            '{"_class": "pandapowerNet", "_module": "pandapower", "_object": 3}',
            r"cannot read .*net",
        ),
    ],
)
def test_files_of_something_else(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(text)
    with pytest.raises(FeederError, match=message):
        from_pandapower(path)
    with pytest.raises(FeederError, match=r"cannot read .*: No such file"):
        from_pandapower(tmp_path / "none.json")


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_cannot_make_us_import_what_it_names(tmp_path: Path, nested: bool) -> None:
    path = tmp_path / "net.json"
    pp.to_json(chain(), str(path))
    content = json.loads(path.read_text())
    planted: Any = {"_module": "antigravity", "_class": "Anything", "_object": "{}"}
    content["_object"]["planted"] = json.dumps([json.dumps(planted)]) if nested else planted
    path.write_text(json.dumps(content))
    with pytest.raises(FeederError, match=r"holds a antigravity.Anything, which no net needs"):
        from_pandapower(path)
