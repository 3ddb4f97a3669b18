"""Feeders to pandapower, for a full power flow or any other study that it can do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rllib_grid.checks import Array, number, per_bus
from rllib_grid.extras import extra_module
from rllib_grid.feeder import Feeder

_UNRATED_KA = 99_999.0  # what pandapower's own converters write


def to_pandapower(
    feeder: Feeder,
    p_kw: Array | float = 0.0,
    q_kvar: Array | float = 0.0,
    *,
    v_head_pu: float = 1.0,
    branch_limit_kva: Array | None = None,
) -> Any:
    """A pandapower net with the feeder's nodes as buses 0..L and one load per building.

    pandapower's lines have three phases: P is that of all phases, v is line to line, and a line
    loses R P^2 / v^2, as a branch of a `Feeder` does. So `v_base_kv`, ohms and kW go over as they
    are, losses and voltages (p.u.) are the same. Of a feeder that is meant as a single phase with
    its voltage to neutral, pandapower's currents are those of a three-phase line of the same power:
    smaller by the square root of 3.

    Args:
        feeder: of L nodes and n buildings.
        p_kw: (n,) active power of the buildings, consumption positive; one number for all.
        q_kvar: (n,) reactive power.
        v_head_pu: voltage of the head.
        branch_limit_kva: (L,) thermal ratings; none if None.

    Returns:
        The net; `pandapower.runpp(net)` solves it, `pandapower.to_json(net, path)` writes it.

    Raises:
        GridError: if an array has another size, a number is out of bounds, or pandapower is not
            installed.
    """
    pp = extra_module("pandapower", "feeders")

    p_mw = per_bus("p_kw", p_kw, feeder.num_buses) / 1000
    q_mvar = per_bus("q_kvar", q_kvar, feeder.num_buses) / 1000
    kv, length = feeder.v_base_kv, feeder.num_nodes
    net = pp.create_empty_network(name=feeder.name)
    pp.create_buses(net, length + 1, vn_kv=kv, name=["head", *feeder.bus_names])
    pp.create_ext_grid(net, 0, vm_pu=number("v_head_pu", v_head_pu, above=0))
    if branch_limit_kva is None:
        max_i_ka = np.full(length, _UNRATED_KA)
    else:
        limit_kva = per_bus("branch_limit_kva", branch_limit_kva, length)
        max_i_ka = limit_kva / (1000 * math.sqrt(3) * kv)
    pp.create_lines_from_parameters(
        net,
        from_buses=list(feeder.parent),
        to_buses=list(range(1, length + 1)),
        length_km=1.0,  # so that ohms per km are the ohms of the branch
        r_ohm_per_km=feeder.r_ohm,
        x_ohm_per_km=feeder.x_ohm,
        c_nf_per_km=0.0,
        max_i_ka=max_i_ka,
        name=[f"to {name}" for name in feeder.bus_names],
    )
    pp.create_loads(
        net,
        buses=list(feeder.served),
        p_mw=p_mw,
        q_mvar=q_mvar,
        name=[feeder.bus_names[node - 1] for node in feeder.served],
    )
    return net
