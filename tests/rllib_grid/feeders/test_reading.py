"""One door for every kind of file, and loads that cannot be in the units they claim."""

from __future__ import annotations

from pathlib import Path

import pandapower as pp
import pandapower.networks as networks
import pytest

from rllib_grid import FeederError
from rllib_grid.feeders import read_feeder

TABLE = "from_bus,to_bus,r_ohm,x_ohm,{p},q_kvar\n0,1,0.3,0.4,400,100\n1,2,0.3,0.4,300,80\n"


def test_the_suffix_says_what_it_is(write) -> None:
    for name in ("x.csv", "x.CSV"):
        imported = read_feeder(write(name, TABLE.format(p="p_kw")), v_base_kv=10)
        assert imported.p_load_kw.tolist() == [400, 300]


@pytest.mark.parametrize(
    ("name", "v_base_kv", "message"),
    [
        ("x.txt", None, "x.txt is no feeder file by its suffix; must be .json .pandapower., .m"),
        ("x.csv", None, r"x.csv: a .csv needs v_base_kv \(--v-base-kv\)"),
        ("x.m", 10.0, r"x.m holds its nominal voltages; v_base_kv \(--v-base-kv\) is for .csv"),
        ("x.json", 10.0, "x.json holds its nominal voltages"),
        ("x.csv", 0.0, "x.csv: v_base_kv is 0, must be > 0"),
        ("x.csv", float("nan"), "v_base_kv is nan, must be finite"),
    ],
)
def test_refused(write, name: str, v_base_kv: float | None, message: str) -> None:
    with pytest.raises(FeederError, match=message):
        read_feeder(write(name, TABLE.format(p="p_kw")), v_base_kv=v_base_kv)


def test_errors_name_the_file_once(tmp_path: Path) -> None:
    net = networks.case33bw()
    pp.create_gen(net, 5, p_mw=0.1)
    path = tmp_path / "town.json"
    pp.to_json(net, str(path))
    with pytest.raises(FeederError) as caught:
        read_feeder(path)
    assert str(caught.value).startswith(f"{path}: gen 0 holds the voltage of bus 5")
    assert str(caught.value).count("town.json") == 1


@pytest.mark.parametrize("wrong", ["kW in place of MW", "milliohms in place of ohms"])
def test_what_the_feeder_cannot_carry_is_in_wrong_units(tmp_path: Path, wrong: str) -> None:
    net = networks.case33bw()
    if wrong.startswith("kW"):
        net.load["p_mw"] *= 1000
    else:
        net.line[["r_ohm_per_km", "x_ohm_per_km"]] *= 1000
    path = tmp_path / "town.json"
    pp.to_json(net, str(path))
    with pytest.raises(FeederError, match=r"town cannot carry its base load of .* check the units"):
        read_feeder(path)


def test_units_of_a_table(write) -> None:
    with pytest.raises(FeederError, match=r"carry its base load of 700,000 kW .* at 10 kV, power"):
        read_feeder(write("x.csv", TABLE.format(p="p_mw")), v_base_kv=10)
    volts = read_feeder(write("y.csv", TABLE.format(p="p_kw")), v_base_kv=10_000)
    assert "the base load moves no voltage by more than 4e-09 p.u." in volts.notes[-1]
    kilovolts = read_feeder(write("z.csv", TABLE.format(p="p_kw")), v_base_kv=10)
    assert not kilovolts.notes
