"""From a network to the radial feeder that it is: nodes, tree, voltage level."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.errors import FeederError
from rllib_grid.feeder import Feeder
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.left_out import note_left_out
from rllib_grid.feeders.network import Branch, Bus, Network, listed

_SAME_RATIO = 1e-9
_SAME_LEVEL = 1e-6
_LEAST_R_OF_X = 1e-6  # a resistance that no result notices, where the source says 0

Nodes = dict[int, Bus]  # by index of the first of the buses that are one node
Fed = dict[int, tuple[Branch, int]]  # node -> branch that feeds it, and the node at its other end


def radial_feeder(network: Network) -> ImportedFeeder:
    """The radial feeder below the head of a network.

    Buses that are joined become one node, parallel branches one branch. Nodes keep the order of
    the buses; those with active power are the feeder's buses, or all nodes if none has any.
    Impedances are referred to the voltage level of the loads, and fixed ratios of transformers are
    folded into them and into the voltage of the head.

    Raises:
        FeederError: a mesh, an island with load, or an impedance that is out of bounds.
    """
    notes = list(network.notes)
    node_of, nodes = _fused(network)
    head = node_of[network.head]
    fed = _tree(nodes, _between_nodes(network, node_of, notes), head)
    _check_sources(network, nodes, node_of, fed)
    _note_unreached(network, nodes, head, fed, notes)
    kept = [node for node in nodes if node in fed]
    if not kept:
        raise FeederError(f"no closed branch leaves the head, bus {nodes[head].name}")
    served = [node for node in kept if nodes[node].is_served]
    if not served:
        served = kept
        notes.append("the source has no loads: every node counts as a building")

    at_end, head_ratio = _ratios(nodes, head, fed, served)
    levels = [nodes[node].vn_kv for node in served]
    v_base_kv = max(dict.fromkeys(levels), key=levels.count)
    if len({bus.vn_kv for bus in nodes.values()}) > 1:
        notes.append(f"impedances are referred to {v_base_kv:g} kV, the level of the loads")
    ohm_per_pu = v_base_kv**2 * np.array([(at_end[node] / head_ratio) ** 2 for node in kept])
    branches = [fed[node][0] for node in kept]
    r_ohm = ohm_per_pu * [branch.r_pu for branch in branches]
    x_ohm = ohm_per_pu * [branch.x_pu for branch in branches]
    _fill_resistances([branch.name for branch in branches], r_ohm, x_ohm, notes)
    number = {head: 0} | {node: i for i, node in enumerate(kept, start=1)}
    feeder = Feeder(
        network.name,
        tuple(number[fed[node][1]] for node in kept),
        r_ohm,
        x_ohm,
        v_base_kv,
        tuple(nodes[node].name for node in kept),
        served=tuple(number[node] for node in served),
    )
    note_left_out(feeder, nodes[head], [nodes[node] for node in kept], branches, notes)
    return ImportedFeeder(
        feeder,
        np.array([nodes[node].p_load_kw for node in served]),
        np.array([nodes[node].q_load_kvar for node in served]),
        np.array([nodes[node].p_gen_kw for node in served]),
        np.array([branch.s_limit_kva for branch in branches]),
        network.v_head_pu / head_ratio,
        tuple(notes),
    )


def _fused(network: Network) -> tuple[dict[int, int], Nodes]:
    """Node of each bus, and the nodes: joined buses take the first one's place and name."""
    pairs = list(network.joins)
    for branch in network.branches:
        if branch.r_pu == 0 == branch.x_pu:
            if abs(branch.ratio - 1) > _SAME_RATIO:
                raise FeederError(f"{branch.name} has a ratio but no impedance; give it one")
            pairs.append((branch.start, branch.end))
    place = {bus: i for i, bus in enumerate(network.buses)}
    node_of = {bus: bus for bus in network.buses}

    def find(bus: int) -> int:
        while node_of[bus] != bus:
            node_of[bus] = bus = node_of[node_of[bus]]
        return bus

    for pair in pairs:
        first, other = sorted(map(find, pair), key=place.__getitem__)
        node_of[other] = first
    nodes: Nodes = {}
    for index, bus in network.buses.items():
        node = node_of[index] = find(index)
        if node == index:
            nodes[node] = replace(bus)
        else:
            _add(nodes[node], bus)
    return node_of, nodes


def _add(node: Bus, bus: Bus) -> None:
    """Add what stands at a bus to the node that it belongs to."""
    if abs(node.vn_kv - bus.vn_kv) > _SAME_LEVEL * node.vn_kv:
        raise FeederError(
            f"buses {node.name} ({node.vn_kv:g} kV) and {bus.name} ({bus.vn_kv:g} kV) are joined, "
            "but have different nominal voltages"
        )
    node.p_load_kw += bus.p_load_kw
    node.q_load_kvar += bus.q_load_kvar
    node.p_gen_kw += bus.p_gen_kw
    node.q_shunt_kvar += bus.q_shunt_kvar


def _between_nodes(network: Network, node_of: dict[int, int], notes: list[str]) -> list[Branch]:
    """Branches between nodes, parallel ones as one; those within a node carry nothing."""
    between: dict[tuple[int, int], list[Branch]] = defaultdict(list)
    bypassed: list[str] = []
    for branch in network.branches:
        if not (branch.r_pu >= 0 and branch.x_pu >= 0):  # NaN too
            raise FeederError(
                f"{branch.name}: its impedance is {branch.r_pu:g} + j{branch.x_pu:g} p.u. of "
                "1 MVA, must not be negative"
            )
        start, end = node_of[branch.start], node_of[branch.end]
        if start == end:
            bypassed += [branch.name] if branch.r_pu or branch.x_pu else []
            continue
        placed = replace(branch, start=start, end=end)
        if (end, start) in between:
            placed = _turned(placed)
        between[placed.start, placed.end].append(placed)
    if bypassed:
        notes.append(f"bypassed by closed switches and left out: {listed(bypassed)}")
    parallel = [group[0].name for group in between.values() if len(group) > 1]
    if parallel:
        notes.append(f"parallel branches are taken as one: those beside {listed(parallel)}")
    return [_in_parallel(group) for group in between.values()]


def _turned(branch: Branch) -> Branch:
    """The same branch from its other side: z at one side is z ratio^2 at the other."""
    z = branch.ratio**2
    return replace(
        branch,
        start=branch.end,
        end=branch.start,
        r_pu=branch.r_pu * z,
        x_pu=branch.x_pu * z,
        ratio=1 / branch.ratio,
    )


def _in_parallel(group: Sequence[Branch]) -> Branch:
    """Branches between the same two nodes as one; its rating is reached when the first one's is."""
    first = group[0]
    if len(group) == 1:
        return first
    for other in group:
        if abs(other.ratio / first.ratio - 1) > _SAME_RATIO:
            raise FeederError(
                f"{first.name} and {other.name} are parallel at different ratios, so a current "
                "circulates in them; set their taps alike"
            )
    each = np.array([complex(b.r_pu, b.x_pu) for b in group])
    z = complex(1 / (1 / each).sum())
    limits_kva = np.array([b.s_limit_kva for b in group]) * np.abs(each) / abs(z)
    return replace(
        first,
        r_pu=z.real,
        x_pu=z.imag,
        s_limit_kva=float(limits_kva.min()),
        charging_kvar=sum(b.charging_kvar for b in group),
    )


def _tree(nodes: Nodes, branches: Sequence[Branch], head: int) -> Fed:
    """What feeds every node that the head reaches, these nodes from the head on.

    Raises:
        FeederError: naming the buses of a loop and the branch that closes it.
    """
    at: dict[int, list[Branch]] = defaultdict(list)
    for branch in branches:
        at[branch.start].append(branch)
        at[branch.end].append(branch)
    fed: Fed = {}
    todo = deque([head])
    while todo:
        node = todo.popleft()
        for branch in at[node]:
            if node in fed and branch is fed[node][0]:
                continue
            other = branch.end if branch.start == node else branch.start
            if other == head or other in fed:
                names = ", ".join(nodes[n].name for n in _loop(fed, node, other))
                raise FeederError(
                    f"not radial: buses {names} form a loop, closed by {branch.name}; open a "
                    "switch in it or take one of its branches out of service"
                )
            fed[other] = (branch, node)
            todo.append(other)
    return fed


def _loop(fed: Fed, one: int, other: int) -> list[int]:
    """Nodes between two nodes of a tree, along it."""

    def upwards(node: int) -> Iterator[int]:
        yield node
        while node in fed:
            node = fed[node][1]
            yield node

    left, right = list(upwards(one)), list(upwards(other))
    meeting = next(node for node in left if node in right)
    return left[: left.index(meeting) + 1] + right[: right.index(meeting)][::-1]


def _check_sources(network: Network, nodes: Nodes, node_of: dict[int, int], fed: Fed) -> None:
    head = node_of[network.head]
    for other in network.other_heads:
        if node_of[other] in fed or node_of[other] == head:
            raise FeederError(
                f"sources {nodes[head].name} and {network.buses[other].name} are connected; open "
                "a switch between them"
            )


def _note_unreached(network: Network, nodes: Nodes, head: int, fed: Fed, notes: list[str]) -> None:
    """Leave out what no branch leads to; refuse it if it has load and no other source."""
    lost = [bus for node, bus in nodes.items() if node not in fed and node != head]
    cut = [bus for bus in lost if bus.is_served]
    if cut and not network.other_heads:
        raise FeederError(
            f"bus {cut[0].name} has {cut[0].p_load_kw:g} kW of load, but no closed branch leads to "
            f"it from {nodes[head].name}: an island; close a switch, or take its load out "
            f"(buses like it: {len(cut)})"
        )
    if lost:
        load_kw = sum(bus.p_load_kw for bus in cut)
        notes.append(
            f"not fed from the head, left out: {len(lost)} of {len(nodes)} buses, {load_kw:g} kW "
            "of load"
        )


def _ratios(
    nodes: Nodes, head: int, fed: Fed, served: Sequence[int]
) -> tuple[dict[int, float], float]:
    """Ratios that refer impedances to the level of the loads.

    With c(n) the product of the ratios from the head to node n, c the same at all loads, and
    w = u c(n) / c in place of the voltage u of a node, the drop z S / u across a branch becomes
    (c(n) / c)^2 z S / w, and w = u at the loads: all ratios are 1, and the head stands at
    v_head / c.

    Returns:
        c at the end of the branch that feeds each node, where its impedance is; and c.
    """
    below = {head: 1.0}
    at_end: dict[int, float] = {}
    for node, (branch, parent) in fed.items():
        down = branch.start == parent
        below[node] = below[parent] * (branch.ratio if down else 1 / branch.ratio)
        at_end[node] = below[node] if down else below[parent]
    first = served[0]
    for node in served:
        if abs(below[node] / below[first] - 1) > _SAME_LEVEL:
            raise FeederError(
                f"transformers feed {nodes[first].name} at a ratio of {below[first]:.6g} and "
                f"{nodes[node].name} at {below[node]:.6g} (off-nominal, from the head), which no "
                "single base voltage can express; set their taps alike"
            )
    return at_end, below[first]


def _fill_resistances(names: Sequence[str], r_ohm: Array, x_ohm: Array, notes: list[str]) -> None:
    """Give branches without resistance one that no result notices; a feeder needs it."""
    bare = np.flatnonzero(r_ohm == 0).tolist()
    r_ohm[bare] = _LEAST_R_OF_X * x_ohm[bare]
    if bare:
        notes.append(
            "a millionth of its reactance stands for the missing resistance of "
            f"{listed(names[i] for i in bare)}"
        )
