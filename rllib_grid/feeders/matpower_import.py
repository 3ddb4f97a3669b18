"""Feeders from MATPOWER case files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rllib_grid.errors import FeederError
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.matpower_code import MatpowerCode
from rllib_grid.feeders.network import Branch, Bus, Network, choose_head
from rllib_grid.feeders.radial import radial_feeder

_PV, _REF, _ISOLATED = 2, 3, 4
_WIDTH = {"bus": 13, "branch": 11, "gen": 8}  # fewest columns of format 2
# Columns that are read, from 0; others may be infinite, and RATE_A too.
_READ = {"bus": [0, 1, 2, 3, 4, 5, 9], "branch": [0, 1, 2, 3, 4, 8, 10], "gen": [0, 1, 2, 5, 7]}

Row = Sequence[float] | NDArray[np.float64]


def from_matpower(path: str | Path, *, head: str | None = None) -> ImportedFeeder:
    """The radial feeder that a MATPOWER case file of format 2 describes.

    Conversions of units in code at the end of the file are carried out; any other code is
    refused. A branch has its series impedance in p.u. of baseMVA and of the voltage of its "to"
    bus, behind an ideal transformer at its "from" bus (MATPOWER manual, section 3.2).

    Args:
        path: of the .m file.
        head: number of the reference bus to keep, where there are several; what it does not feed
            is left out.

    Raises:
        FeederError: naming the line, bus, branch or generator that cannot be part of a feeder.
    """
    path = Path(path)
    code = MatpowerCode(path)
    for name, width in _WIDTH.items():
        has = code.tables[name].shape[1]
        if has < width:
            raise FeederError(f"{path}: mpc.{name} has {has} columns, must have {width}")
        for row, column in np.argwhere(~np.isfinite(code.tables[name][:, _READ[name]])).tolist():
            raise FeederError(
                f"{path}: mpc.{name}({row + 1}, {_READ[name][column] + 1}) is not finite"
            )
    network = _buses(path, code.tables["bus"], head)
    _add_generators(network, code.tables["gen"])
    _add_branches(network, code.tables["branch"], code.base_mva)
    return radial_feeder(network)


def _buses(path: Path, table: NDArray[np.float64], head: str | None) -> Network:
    network = Network(path.stem, {})
    heads: list[int] = []
    for row in table:
        index, kind, base_kv = int(row[0]), int(row[1]), float(row[9])
        if kind == _ISOLATED:
            continue
        if index in network.buses:
            raise FeederError(f"{path}: bus {index} is there twice")
        if not base_kv > 0:
            raise FeederError(f"{path}: bus {index}: baseKV is {base_kv:g}, must be > 0")
        if kind == _PV:
            raise FeederError(
                f"{path}: bus {index} holds its voltage (type 2), which a radial feeder leaves to "
                "its head; make it a bus of type 1"
            )
        if kind == _REF:
            heads.append(index)
        network.buses[index] = Bus(
            str(index),
            base_kv,
            1000 * float(row[2]),
            1000 * float(row[3]),
            q_shunt_kvar=-1000 * float(row[5]),  # Bs is what the shunt generates
        )
    choose_head(network, heads, head)
    conductance_kw = sum(1000 * float(row[4]) for row in table if row[1] != _ISOLATED)
    if conductance_kw:
        network.notes.append(f"the conductance of shunts ({conductance_kw:g} kW) is left out")
    return network


def _add_generators(network: Network, table: NDArray[np.float64]) -> None:
    """Generators at the head set its voltage; those at buses of type 1 are static."""
    for row in table:
        bus, in_service = int(row[0]), row[7] > 0
        if not in_service:
            continue
        if bus == network.head:
            network.v_head_pu = float(row[5])
        elif bus in network.buses:
            network.buses[bus].p_gen_kw -= 1000 * float(row[1])
            network.buses[bus].q_load_kvar -= 1000 * float(row[2])
    for index, held in network.buses.items():
        if held.p_gen_kw > 0:
            raise FeederError(
                f"bus {index}: its generators draw {held.p_gen_kw:g} kW, must give power"
            )


def _add_branches(network: Network, table: NDArray[np.float64], base_mva: float) -> None:
    dropped = 0
    for number, row in enumerate(table, start=1):
        start, end = int(row[0]), int(row[1])
        name = f"branch {number} ({start} to {end})"
        if not (row[10] and start in network.buses and end in network.buses):
            dropped += 1
            continue
        r_pu, x_pu = float(row[2]) / base_mva, float(row[3]) / base_mva
        if not (r_pu >= 0 and x_pu >= 0):
            raise FeederError(
                f"{name}: its impedance is {row[2]:g} + j{row[3]:g} p.u., must not be negative"
            )
        limit_kva = 1000 * float(row[5])
        ratio = float(row[8]) or 1.0
        if not ratio > 0:
            raise FeederError(f"{name}: its ratio is {ratio:g}, must be > 0")
        network.branches.append(
            Branch(
                name,
                start,
                end,
                r_pu,
                x_pu,
                ratio,
                limit_kva if limit_kva > 0 else math.inf,
                1000 * base_mva * float(row[4]),
            )
        )
    if dropped:
        network.notes.append(f"open or out of service, dropped: {dropped} of {len(table)} branches")
