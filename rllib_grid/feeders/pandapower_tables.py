"""From the tables of a pandapower net to a network: what is read, left out and refused.

The element models are pandapower's own (its documentation, chapter "Datastructure and
Elements"); the tests hold them against its power flow.
"""

from __future__ import annotations

import math
from typing import Any

from rllib_grid.errors import FeederError
from rllib_grid.feeders.network import Branch, Bus, Network, choose_head, listed
from rllib_grid.feeders.pandapower_loads import note_left_out, read_loads
from rllib_grid.feeders.pandapower_rows import Row, buses, is_given, named, number, rows, whole

_READ = {
    "bus",
    "line",
    "trafo",
    "switch",
    "ext_grid",
    "gen",
    "load",
    "sgen",
    "asymmetric_load",
    "asymmetric_sgen",
    "storage",
    "shunt",
    "controller",
}
_BUS_COLUMNS = {"bus", "from_bus", "hv_bus", "bus_dc", "bus_ac", "from_bus_dc", "buses"}
_UNLIMITED_KA = 9_999  # what converters write for "no rating"
_SWITCH_R_TO_X = 2.0  # pandapower's own, for a switch with an impedance


def read_tables(net: Any, head: str | None = None) -> Network:
    """Read every table of a net that matters to a radial feeder.

    Args:
        net: a pandapower net.
        head: name or index of the bus of the source to keep, where there are several.

    Raises:
        FeederError: naming the element that a radial feeder of loads cannot hold.
    """
    _refuse_unknown(net)
    network = Network(str(net.name or "pandapower"), _buses(net))
    _set_head(network, net, head)
    open_branches = _read_switches(network, net)
    _read_lines(network, net, open_branches)
    _read_transformers(network, net, open_branches)
    read_loads(network, net)
    note_left_out(network, net)
    return network


def _refuse_unknown(net: Any) -> None:
    """Raise at the first table with elements at buses that this reader does not know."""
    for table in net:
        frame = net[table]
        if table.startswith(("_", "res_")) or not hasattr(frame, "columns") or not len(frame):
            continue
        if table in _READ or not _BUS_COLUMNS & set(frame.columns):
            continue
        names = [named(table, *found) for found in rows(net, table)]
        if names:
            raise FeederError(
                f"{listed(names)}: elements of the kind {table} are not handled; replace them by "
                "lines, transformers, loads and static generators, or take them out of service"
            )


def _buses(net: Any) -> dict[int, Bus]:
    found = {}
    for index, row in rows(net, "bus"):
        name = row.get("name")
        label = str(name) if is_given(name) and str(name) else str(index)
        vn_kv = number(row, "vn_kv", math.nan)
        if not vn_kv > 0:
            raise FeederError(f"bus {label}: vn_kv is {vn_kv:g}, must be > 0")
        found[index] = Bus(label, vn_kv)
    if not found:
        raise FeederError("the net has no bus in service")
    return found


def _set_head(network: Network, net: Any, head: str | None) -> None:
    """The one source, or the one that `head` names; other generators must be static."""
    v_pu: dict[int, float] = {}
    for table in ("ext_grid", "gen"):
        for index, row in rows(net, table):
            (bus,) = buses(net, row, "bus")
            if table == "gen" and not row.get("slack", False):
                if bus in v_pu:
                    continue  # at the head, where it changes no voltage
                raise FeederError(
                    f"{named('gen', index, row)} holds the voltage of bus {bus}, which a radial "
                    "feeder leaves to its head; make it a static generator (sgen) or take it out "
                    "of service"
                )
            held_pu = number(row, "vm_pu", 1.0)
            if v_pu.setdefault(bus, held_pu) != held_pu:
                raise FeederError(
                    f"{named(table, index, row)} holds bus {bus} at {held_pu:g} p.u., another "
                    f"source there at {v_pu[bus]:g}; keep one of them in service"
                )
    sources = [bus for bus in v_pu if bus in network.buses]
    network.v_head_pu = v_pu[sources[choose_head(network, sources, head)]]


def _read_switches(network: Network, net: Any) -> set[tuple[str, int]]:
    """Join or connect buses at closed couplers; return the branches that a switch opens."""
    opened: set[tuple[str, int]] = set()
    for index, row in rows(net, "switch"):
        kind, element = row.get("et"), whole(row, "element")
        closed = bool(row.get("closed", True))
        if kind != "b":
            table = {"l": "line", "t": "trafo", "t3": "trafo3w"}.get(str(kind))
            if table is None:
                raise FeederError(f"switch {index} is at an element of unknown kind {kind!r}")
            if not closed:
                opened.add((table, element))
            continue
        start, end = buses(net, row, "bus", "element")
        ends = start, end
        if not closed or not set(ends) <= network.buses.keys():
            continue
        z_ohm = number(row, "z_ohm")
        if z_ohm == 0:
            network.joins.append(ends)
            continue
        z_pu = z_ohm / network.buses[element].vn_kv ** 2
        x_pu = z_pu / math.hypot(1.0, _SWITCH_R_TO_X)
        name = f"switch {index}"
        network.branches.append(Branch(name, *ends, _SWITCH_R_TO_X * x_pu, x_pu))
    return opened


def _read_lines(network: Network, net: Any, opened: set[tuple[str, int]]) -> None:
    conductance_kw, dropped, count = 0.0, 0, 0
    for index, row in rows(net, "line", out_of_service=True):
        count += 1
        start, end = buses(net, row, "from_bus", "to_bus")
        live = row.get("in_service", True) and ("line", index) not in opened
        if not (live and {start, end} <= network.buses.keys()):
            dropped += 1
            continue
        name, kv = named("line", index, row), network.buses[start].vn_kv
        if abs(network.buses[end].vn_kv - kv) > 1e-6 * kv:
            raise FeederError(
                f"{name} joins buses of {kv:g} and {network.buses[end].vn_kv:g} kV; put a "
                "transformer between them"
            )
        length_km, parallel = number(row, "length_km"), number(row, "parallel", 1)
        r_ohm = number(row, "r_ohm_per_km", math.nan) * length_km / parallel
        x_ohm = number(row, "x_ohm_per_km", math.nan) * length_km / parallel
        if not (r_ohm >= 0 and x_ohm >= 0):
            raise FeederError(f"{name}: its impedance is {r_ohm:g} + j{x_ohm:g} ohm, must be >= 0")
        siemens = 2 * math.pi * float(net.f_hz) * number(row, "c_nf_per_km") * 1e-9
        kvar = 1000 * siemens * length_km * parallel * kv**2
        micro_s = number(row, "g_us_per_km")
        conductance_kw += 1000 * micro_s * 1e-6 * length_km * parallel * kv**2
        ka = number(row, "max_i_ka", math.inf) * number(row, "df", 1.0) * parallel
        limit = math.sqrt(3) * kv * ka * 1000 if 0 < ka < _UNLIMITED_KA else math.inf
        network.branches.append(
            Branch(name, start, end, r_ohm / kv**2, x_ohm / kv**2, 1.0, limit, kvar)
        )
    if dropped:
        network.notes.append(f"open or out of service, dropped: {dropped} of {count} lines")
    if conductance_kw > 0:
        network.notes.append(f"the conductance of lines ({conductance_kw:.2g} kW) is left out")


def _read_transformers(network: Network, net: Any, opened: set[tuple[str, int]]) -> None:
    iron_kw = magnetising_kvar = 0.0
    for index, row in rows(net, "trafo"):
        high, low = buses(net, row, "hv_bus", "lv_bus")
        if ("trafo", index) in opened or not {high, low} <= network.buses.keys():
            continue
        name, parallel = named("trafo", index, row), number(row, "parallel", 1)
        vn_hv_kv, vn_lv_kv = _tapped(row, name, network.notes)
        ratio_hv = vn_hv_kv / network.buses[high].vn_kv
        ratio_lv = vn_lv_kv / network.buses[low].vn_kv
        mva = number(row, "sn_mva", math.nan) * parallel
        z, r = (number(row, column, math.nan) / 100 for column in ("vk_percent", "vkr_percent"))
        if not (mva > 0 and z >= r >= 0):
            raise FeederError(
                f"{name}: sn_mva is {mva:g}, vk_percent {100 * z:g} and vkr_percent {100 * r:g}, "
                "must be > 0 and vk_percent >= vkr_percent >= 0"
            )
        to_pu = ratio_lv**2 / mva
        x = math.sqrt(z**2 - r**2)
        network.branches.append(
            Branch(
                name,
                high,
                low,
                r * to_pu,
                x * to_pu,
                ratio_hv / ratio_lv,
                1000 * mva * number(row, "df", 1.0),
            )
        )
        iron_kw += number(row, "pfe_kw") * parallel
        no_load_kva = 1000 * mva * number(row, "i0_percent") / 100
        magnetising_kvar += math.sqrt(max(no_load_kva**2 - number(row, "pfe_kw") ** 2, 0.0))
    if iron_kw or magnetising_kvar:
        network.notes.append(
            f"iron losses ({iron_kw:.3g} kW) and magnetising currents ({magnetising_kvar:.3g} "
            "kvar) of transformers are left out"
        )


def _tapped(row: Row, name: str, notes: list[str]) -> tuple[float, float]:
    """Rated voltages at the present position of the tap changers, in kV.

    A step of a "Ratio" or "Symmetrical" changer adds tap_step_percent of the rated voltage at an
    angle of tap_step_degree; an "Ideal" one turns the phase alone, which moves no power here.

    Raises:
        FeederError: if the ratio is read from a table.
    """
    vn_kv = {side: number(row, f"vn_{side}_kv", math.nan) for side in ("hv", "lv")}
    if any(not value > 0 for value in vn_kv.values()):
        raise FeederError(f"{name}: vn_hv_kv and vn_lv_kv must be > 0")
    if is_given(row.get("tap_dependency_table")) and bool(row["tap_dependency_table"]):
        raise FeederError(f"{name}: its tap ratio is read from a table, which is not handled")
    for tap in ("tap", "tap2"):
        kind, side = row.get(f"{tap}_changer_type"), row.get(f"{tap}_side")
        steps = number(row, f"{tap}_pos") - number(row, f"{tap}_neutral")
        if not steps or side not in vn_kv:
            continue
        if kind not in ("Ratio", "Symmetrical"):
            if kind != "Ideal":
                notes.append(
                    f"the tap of {name} is of no known type, so its position stands for "
                    "nothing, as in pandapower"
                )
            continue
        share = steps * number(row, f"{tap}_step_percent") / 100
        angle = math.radians(number(row, f"{tap}_step_degree"))
        vn_kv[side] *= math.hypot(1 + share * math.cos(angle), share * math.sin(angle))
    return vn_kv["hv"], vn_kv["lv"]
