"""A network as its file describes it: what every import reads first, see `radial`.

Impedances are per unit of 1 MVA and of the nominal voltage at the far side of a branch, so that
lines and transformers of any voltage level are one kind of thing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rllib_grid.errors import FeederError

_MOST_NAMES = 12  # in one line


@dataclass
class Bus:
    """A bus of the source. Consumption is positive, generation negative.

    Attributes:
        name: what the source calls it.
        vn_kv: nominal voltage, line to line.
        p_load_kw, q_load_kvar: base load.
        p_gen_kw: static generation, <= 0.
        q_shunt_kvar: of shunts at nominal voltage; they are left out.
    """

    name: str
    vn_kv: float
    p_load_kw: float = 0.0
    q_load_kvar: float = 0.0
    p_gen_kw: float = 0.0
    q_shunt_kvar: float = 0.0

    @property
    def is_served(self) -> bool:
        """Whether a building stands here: active power is drawn or generated."""
        return self.p_load_kw != 0 or self.p_gen_kw != 0


@dataclass(frozen=True)
class Branch:
    """A series impedance between two buses, behind an ideal transformer at `start`.

    Attributes:
        name: such as "line 3 (A to B)".
        start, end: indices of its buses.
        r_pu, x_pu: on 1 MVA and the nominal voltage of `end`.
        ratio: voltage of `start` over that of `end`, both per unit, without load.
        s_limit_kva: thermal rating; infinite if the source has none.
        charging_kvar: what its capacitance generates at nominal voltage; it is left out.
    """

    name: str
    start: int
    end: int
    r_pu: float
    x_pu: float
    ratio: float = 1.0
    s_limit_kva: float = math.inf
    charging_kvar: float = 0.0


@dataclass
class Network:
    """What a source holds that is in service.

    Attributes:
        name: what to call it.
        buses: by index, in the order in which nodes are to be numbered.
        branches: closed ones.
        joins: pairs of buses that are one node, such as those of a closed bus coupler.
        head: index of the bus at the source's constant voltage.
        other_heads: sources that are not used; none may be reached from the head.
        v_head_pu: that voltage.
        notes: what was simplified so far, one sentence each.
    """

    name: str
    buses: dict[int, Bus]
    branches: list[Branch] = field(default_factory=list)
    joins: list[tuple[int, int]] = field(default_factory=list)
    head: int = 0
    v_head_pu: float = 1.0
    notes: list[str] = field(default_factory=list)
    other_heads: tuple[int, ...] = ()


def choose_head(network: Network, sources: Sequence[int], head: str | None) -> int:
    """Make one of several sources the head; the others feed what is left out.

    Args:
        network: whose buses they are.
        sources: indices of the buses with a source.
        head: name or index of the one to take; may be left out where there is only one.

    Returns:
        Its place in `sources`.

    Raises:
        FeederError: if none, or more than one, could be meant.
    """
    names = [network.buses[bus].name for bus in sources]
    shown = listed(
        name if name == str(bus) else f"{name} (bus {bus})"
        for name, bus in zip(names, sources, strict=True)
    )
    if not sources:
        raise FeederError("there is no source in service, so no head")
    chosen = [
        i
        for i, (name, bus) in enumerate(zip(names, sources, strict=True))
        if head is None or head in (name, str(bus))
    ]
    if not chosen:
        raise FeederError(f"no source stands at bus {head}; sources: {shown}")
    if len(chosen) > 1:
        raise FeederError(f"{len(chosen)} sources: {shown}; name one as the head (--head)")
    place = chosen[0]
    network.head = sources[place]
    network.other_heads = tuple(bus for i, bus in enumerate(sources) if i != place)
    return place


def listed(names: Iterable[str]) -> str:
    """Names in one line: all of them if they are few."""
    every = list(names)
    shown = ", ".join(every[:_MOST_NAMES])
    return shown if len(every) <= _MOST_NAMES else f"{shown} and {len(every) - _MOST_NAMES} more"
