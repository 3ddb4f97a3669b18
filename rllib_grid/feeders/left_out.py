"""What an import leaves out, in words and in volts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.feeder import Feeder
from rllib_grid.feeders.network import Branch, Bus, listed

_SHOWN_KVAR = 0.05
_SHOWN_PU = 5e-5


def note_left_out(
    feeder: Feeder, head: Bus, nodes: Sequence[Bus], branches: Sequence[Branch], notes: list[str]
) -> None:
    """Say what power is not part of the feeder, and how much the voltages would change with it.

    The demand of a case belongs to buildings and is drawn anew for every state; constant reactive
    power without a building has no place there.

    Args:
        feeder: of L nodes.
        head: what stands at the head.
        nodes: (L,) likewise.
        branches: (L,) that feed the nodes.
        notes: extended by a sentence each.
    """
    if head.is_served:
        kw = head.p_load_kw + head.p_gen_kw
        notes.append(f"{kw:g} kW at the head itself change no voltage and are left out")
    reactive = [bus for bus in nodes if bus.q_load_kvar and not bus.is_served]
    if reactive:
        kvar = sum(bus.q_load_kvar for bus in reactive)
        names = listed(bus.name for bus in reactive)
        notes.append(f"purely reactive loads are left out ({kvar:g} kvar at {names})")
    shunts = [bus for bus in (head, *nodes) if bus.q_shunt_kvar]
    if shunts:
        kvar = sum(bus.q_shunt_kvar for bus in shunts)
        names = listed(bus.name for bus in shunts)
        notes.append(f"shunts are left out ({kvar:g} kvar at {names})")
    charging_kvar = sum(branch.charging_kvar for branch in branches)
    if charging_kvar > _SHOWN_KVAR:
        notes.append(f"the capacitance of the branches ({charging_kvar:.1f} kvar) is left out")
    if not (reactive or shunts or charging_kvar > _SHOWN_KVAR):
        return
    left_kvar = np.array(
        [bus.q_shunt_kvar + (0.0 if bus.is_served else bus.q_load_kvar) for bus in nodes]
    )
    rise_pu = voltage_rise_pu(feeder, left_kvar - charging_at_nodes_kvar(feeder, branches))
    most = float(rise_pu[np.argmax(np.abs(rise_pu))])
    if abs(most) > _SHOWN_PU:
        side = "higher" if most > 0 else "lower"
        notes.append(
            f"with the reactive power that is left out, voltages would be up to {abs(most):.4f} "
            f"p.u. {side}"
        )


def charging_at_nodes_kvar(feeder: Feeder, branches: Sequence[Branch]) -> Array:
    """(L,) what the capacitances generate at nodes 1..L, half of each at either end."""
    half = np.array([branch.charging_kvar for branch in branches]) / 2
    at = np.zeros(feeder.num_nodes + 1)  # head first
    at[1:] = half
    np.add.at(at, list(feeder.parent), half)
    return at[1:]


def voltage_rise_pu(feeder: Feeder, q_kvar: Array) -> Array:
    """(L,) how far q_kvar (L,) at all nodes, consumption positive, raises their voltages.

    By LinDistFlow around 1 p.u., where a change of v is half that of v^2.
    """
    everywhere = replace(feeder, served=())
    rise: Array = -everywhere.v_sq_per_kvar @ q_kvar / 2
    return rise
