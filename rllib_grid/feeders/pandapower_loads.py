"""What stands at the buses of a pandapower net: loads and generators, and what is left out."""

from __future__ import annotations

from typing import Any

from rllib_grid.feeders.network import Bus, Network, listed
from rllib_grid.feeders.pandapower_rows import Row, buses, named, number, power, rows

_PHASES = "abc"


def read_loads(network: Network, net: Any) -> None:
    """Add loads and static generators to their buses; unbalanced ones as their sum."""
    lost: list[str] = []
    not_constant = 0
    for table, is_load in (("load", True), ("sgen", False)):
        for prefix in ("", "asymmetric_"):
            count = 0
            for index, row in rows(net, prefix + table):
                p_kw, q_kvar = _power(row, balanced=not prefix)
                (at,) = buses(net, row, "bus")
                bus = network.buses.get(at)
                if bus is None:
                    lost.append(named(prefix + table, index, row))
                elif is_load:
                    bus.p_load_kw += p_kw
                    bus.q_load_kvar += q_kvar
                else:
                    _add_generation(bus, p_kw, q_kvar)
                count += 1
                not_constant += any(
                    number(row, column) for column in row if column.startswith("const_")
                )
            if prefix and count:
                network.notes.append(f"{count} unbalanced elements ({prefix}{table}) are balanced")
    if lost:
        network.notes.append(f"at buses out of service, left out: {listed(lost)}")
    if not_constant:
        network.notes.append(
            f"{not_constant} loads of constant impedance or current are taken as constant power"
        )


def _power(row: Row, *, balanced: bool) -> tuple[float, float]:
    """P in kW and Q in kvar, with the sign of the table."""
    suffixes = ("",) if balanced else tuple(f"_{phase}" for phase in _PHASES)
    scaling = 1000 * number(row, "scaling", 1.0)
    p_kw = scaling * sum(power(row, f"p{suffix}_mw") for suffix in suffixes)
    q_kvar = scaling * sum(power(row, f"q{suffix}_mvar") for suffix in suffixes)
    return p_kw, q_kvar


def _add_generation(bus: Bus, p_kw: float, q_kvar: float) -> None:
    """Generation is negative consumption; a generator that draws power is a load."""
    if p_kw >= 0:
        bus.p_gen_kw -= p_kw
    else:
        bus.p_load_kw -= p_kw
    bus.q_load_kvar -= q_kvar


def note_left_out(network: Network, net: Any) -> None:
    """Say which elements that move power are not part of a radial feeder of loads."""
    stores = [number(row, "p_mw") for _, row in rows(net, "storage")]
    if stores:
        network.notes.append(f"{len(stores)} stores are left out ({1000 * sum(stores):g} kW)")
    conductance_kw = 0.0
    for _, row in rows(net, "shunt"):
        (at,) = buses(net, row, "bus")
        bus = network.buses.get(at)
        if bus is not None:
            steps = number(row, "step", 1.0)
            bus.q_shunt_kvar += 1000 * number(row, "q_mvar") * steps
            conductance_kw += 1000 * number(row, "p_mw") * steps
    if conductance_kw:
        network.notes.append(f"the conductance of shunts ({conductance_kw:g} kW) is left out")
    controllers = list(rows(net, "controller"))
    if controllers:
        network.notes.append(
            f"{len(controllers)} controllers are left out: taps and powers stay as they are"
        )
