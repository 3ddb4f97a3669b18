"""Feeders from plain tables: units in the header."""

from __future__ import annotations

import pytest

from rllib_grid import Feeder, FeederError
from rllib_grid.cases.presets import IEEE13_CSV
from rllib_grid.feeders import from_csv

HEADER = "from_bus,to_bus,r_ohm,x_ohm,p_kw,q_kvar,s_limit_kva,note\n"
ROWS = "substation,A,0.5,1,0,0,4000,x\nA,C,0.3,0.2,20,10,,\nA,B,0.25,0.5,30,-5,900,\n"


def test_names_loads_and_ratings(write) -> None:
    imported = from_csv(write("town.csv", HEADER + ROWS), v_base_kv=10)
    feeder = imported.feeder
    assert feeder.name == "town" and feeder.v_base_kv == 10
    assert feeder.bus_names == ("A", "C", "B") and feeder.parent == (0, 1, 1)
    assert feeder.r_ohm.tolist() == pytest.approx([0.5, 0.3, 0.25])
    assert feeder.x_ohm.tolist() == pytest.approx([1.0, 0.2, 0.5])
    assert feeder.served == (2, 3)
    assert imported.p_load_kw.tolist() == [20, 30] and imported.q_load_kvar.tolist() == [10, -5]
    assert imported.s_limit_kva.tolist() == [4000, float("inf"), 900]
    assert imported.branch_limit_kva is not None
    assert imported.branch_limit_kva.tolist() == [4000, 40_000, 900]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("r_ohm_per_km,x_ohm_per_km,length_km", "0.25,0.5,2"),
        ("r_ohm_per_km,x_ohm_per_km,length_m", "0.25,0.5,2000"),
        ("r_ohm,x_ohm_per_km,length_m", "0.5,0.5,2000"),
        ("r_ohm,x_ohm,length_km", "0.5,1,77"),
    ],
)
def test_impedances_per_km(write, header: str, row: str) -> None:
    path = write("x.csv", f"from_bus,to_bus,{header}\n0,1,{row}\n")
    feeder = from_csv(path, v_base_kv=0.4).feeder
    assert feeder.r_ohm.tolist() == pytest.approx([0.5])
    assert feeder.x_ohm.tolist() == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("columns", "row", "kw", "kvar"),
    [("p_mw,q_mvar", "0.02,0.01", 20, 10), ("p_w,q_var", "20000,10000", 20, 10)],
)
def test_units_of_power(write, columns: str, row: str, kw: float, kvar: float) -> None:
    path = write("x.csv", f"from_bus,to_bus,r_ohm,x_ohm,{columns}\n0,1,0.5,1,{row}\n")
    imported = from_csv(path, v_base_kv=10)
    assert imported.p_load_kw.tolist() == pytest.approx([kw])
    assert imported.q_load_kvar.tolist() == pytest.approx([kvar])


def test_without_loads_every_node_counts(write) -> None:
    text = IEEE13_CSV.read_text().replace("r_self_ohm", "r_ohm").replace("x_self_ohm", "x_ohm")
    imported = from_csv(write("ieee13_single_phase.csv", text), v_base_kv=2.97)
    known = Feeder.from_csv(IEEE13_CSV, "self")
    found, wanted = imported.feeder.to_dict(), known.to_dict()
    for name in ("r_ohm", "x_ohm"):
        assert found.pop(name) == pytest.approx(wanted.pop(name), rel=1e-10)
    assert found == wanted
    assert imported.notes == ("the source has no loads: every node counts as a building",)


def test_zero_impedance_joins_buses(write) -> None:
    rows = "0,1,0.5,1,0,0,,\n1,2,0,0,20,10,,\n1,3,0,0.1,5,0,,\n"
    imported = from_csv(write("x.csv", HEADER + rows), v_base_kv=10)
    assert imported.feeder.bus_names == ("1", "3") and imported.feeder.served == (1, 2)
    assert imported.feeder.r_ohm[1] == pytest.approx(1e-7)
    assert "a millionth of its reactance stands for" in imported.notes[0]


def test_the_head_can_be_named(write) -> None:
    path = write("x.csv", HEADER + ROWS)
    turned = from_csv(path, v_base_kv=10, head="B").feeder
    assert turned.bus_names == ("substation", "A", "C") and turned.parent == (2, 0, 2)
    with pytest.raises(FeederError, match="has no bus Z"):
        from_csv(path, v_base_kv=10, head="Z")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from_bus,r_ohm,x_ohm\n0,1,1\n", "has no column to_bus; it has from_bus, r_ohm, x_ohm"),
        ("", "x.csv is empty, must begin with a header"),
        ("from_bus;to_bus;r_ohm;x_ohm\na;b;0,5;0,4\n", "x.csv is separated by semicolons"),
        (
            "from_bus,to_bus,r_ohm,x_ohm\na,b,0,5,0,4\n",
            r"6 cells, but the header has 4 \(line 2 of x.csv\); numbers need decimal points",
        ),
        (HEADER + "0,1,1,1,20,,,\n", r"q_kvar is empty where p_kw is 20; write 0.*\(line 2"),
        (HEADER + "0,1,1,1,,5,,\n", r"p_kw is empty where q_kvar is 5; write 0"),
        (HEADER + "0,1,1,1,5,5,,\n,,,,,,,\n", r"from_bus is '', to_bus '': a gap \(line 3"),
        (HEADER, "has no branch, must have at least one"),
        ("from_bus,to_bus,r_mohm,x_ohm\n0,1,1,1\n", "column r_mohm has the unit 'mohm', must be"),
        (
            "from_bus,to_bus,r,x_ohm\n0,1,1,1\n",
            "column r has the unit 'none', must be one of r_ohm",
        ),
        (
            "from_bus,to_bus,r_ohm_per_km,x_ohm,length_ft\n0,1,1,1,9\n",
            "length_ft has the unit 'ft'",
        ),
        ("from_bus,to_bus,r_ohm,x_ohm,p_hp\n0,1,1,1,9\n", "p_hp has the unit 'hp', must be one of"),
        ("from_bus,to_bus,r_ohm,x_ohm,p_kw,p_mw\n0,1,1,1,9,9\n", "p_mw is there beside p_kw"),
        ("from_bus,to_bus,r_ohm\n0,1,1\n", "has no column x_ohm or x_ohm_per_km"),
        ("from_bus,to_bus,r_ohm_per_km,x_ohm\n0,1,1,1\n", "r_ohm_per_km needs length_km or"),
        (HEADER + "0,1,-0.2,1,0,0,,\n", r"r_ohm is -0.2, must be >= 0 \(line 2 of x.csv\)"),
        (HEADER + "0,1,much,1,0,0,,\n", r"r_ohm is 'much', must be a number \(line 2 of x.csv\)"),
        (HEADER + "0,1,nan,1,0,0,,\n", "r_ohm is 'nan', must be a number"),
        (HEADER + "0,1,0.2\n", r"x_ohm is '', must be a number \(line 2"),
        (HEADER + "0,1,0.2,1,0,0,0,\n", "s_limit_kva is 0, must be > 0"),
        (HEADER + "0,0,0.2,1,0,0,,\n", "from_bus is '0', to_bus '0': must differ"),
        (HEADER + "0,1,1,1,,,,\n1,2,1,1,,,,\n0,2,1,1,,,,\n", "bus 2 is a to_bus twice, on lines 3"),
        (HEADER + "1,2,1,1,,,,\n2,1,1,1,,,,\n", "every bus is a to_bus, so there is no head"),
        (HEADER + "0,1,1,1,,,,\n5,6,1,1,,,,\n", "lead away from 0, 5, but to none of these"),
        (HEADER + "0,1,1,1,,,,\n2,3,1,1,5,0,,\n3,2,1,1,,,,\n", "bus 3 has 5 kW of load, but no"),
        ("from_bus,to_bus,r_ohm_per_km,x_ohm,length_m\n0,1,1,1,0\n", "length_m is 0, must be > 0"),
    ],
)
def test_bad_tables(write, text: str, message: str) -> None:
    with pytest.raises(FeederError, match=message):
        from_csv(write("x.csv", text), v_base_kv=10)


def test_bad_files(tmp_path, write) -> None:
    with pytest.raises(FeederError, match=r"cannot read .*No such file"):
        from_csv(tmp_path / "none.csv", v_base_kv=10)
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FeederError, match=r"not a \.csv file of text"):
        from_csv(path, v_base_kv=10)
