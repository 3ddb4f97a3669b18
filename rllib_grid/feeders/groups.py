"""Ways to deal the buildings of a feeder out to agents, as `Case.groups` takes them.

Every function returns numbers of buildings, 1..n in the order of `Feeder.served`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rllib_grid.checks import known, whole
from rllib_grid.errors import GridError
from rllib_grid.feeder import Feeder

Groups = tuple[tuple[int, ...], ...]
Grouping = Literal["subtree", "balanced", "interleaved", "single"]
GROUPINGS: tuple[Grouping, ...] = ("subtree", "balanced", "interleaved", "single")
HEAD = 0


def make_groups(feeder: Feeder, grouping: Grouping, agents: int | None = None) -> Groups:
    """Groups of one kind.

    Args:
        feeder: with n buildings.
        grouping: "subtree" (see `subtree_groups`), "balanced" (`balanced_groups`), "interleaved"
            (dealt out in turn) or "single" (one building for each agent).
        agents: number of groups; "single" has n, and "subtree" by default one per subtree.

    Raises:
        GridError: if there cannot be so many, or the number is missing.
    """
    known("grouping", grouping, GROUPINGS)
    n = feeder.num_buses
    if agents is not None and whole("agents", agents, at_least=1) > n:
        raise GridError(f"agents is {agents}, must be <= {n}, a building for each")
    if grouping == "single":
        if agents not in (None, n):
            raise GridError(f"agents is {agents}, must be {n} where each has a single building")
        return tuple((building,) for building in range(1, n + 1))
    if grouping == "subtree":
        return subtree_groups(feeder, agents)
    if agents is None:
        raise GridError(f"grouping {grouping!r} needs the number of agents (--agents)")
    return (
        balanced_groups(feeder, agents) if grouping == "balanced" else interleaved_groups(n, agents)
    )


def agent_names(groups: Groups) -> tuple[str, ...]:
    """What the agents of these groups are called, in their order."""
    return tuple(f"agent_{i}" for i in range(len(groups)))


def interleaved_groups(num_buses: int, num_agents: int) -> Groups:
    """Buses dealt out in turn: agent i has i + 1, i + 1 + m and so on, as in case `ieee13`."""
    return tuple(tuple(range(i + 1, num_buses + 1, num_agents)) for i in range(num_agents))


def subtree_groups(feeder: Feeder, agents: int | None = None) -> Groups:
    """What hangs below each branch that leaves the first fork, head included.

    The trunk runs from the head to the first node below which buildings hang on two branches or
    more; its own buildings go to the smallest group.

    Args:
        feeder: with n buildings.
        agents: number of groups, subtrees joined so that they are of about one size; by default
            every subtree is a group.

    Raises:
        GridError: if there are fewer subtrees than agents.
    """
    below = _buildings_below(feeder)
    children = _children(feeder)
    trunk, node = [], HEAD
    while True:
        forks = [child for child in children[node] if below[child]]
        if len(forks) != 1:
            break
        node = forks[0]
        trunk += _own(feeder, node)
    groups = [list(below[child]) for child in forks] or [[]]
    if agents is not None:
        if agents > len(groups):
            raise GridError(
                f"agents is {agents}, must be <= {len(groups)}, the subtrees of this feeder; "
                "balanced groups can be more"
            )
        groups = _merged(groups, agents)
    min(groups, key=len).extend(trunk)
    return _ordered(groups)


def balanced_groups(feeder: Feeder, agents: int) -> Groups:
    """Connected parts of the tree whose largest one is as small as can be.

    For every bound on the size of a part there is a fewest number of parts, found from the leaves
    up by cutting off the largest of what hangs on a node until the rest fits (Kundu and Misra,
    A linear tree partitioning algorithm, SIAM J. Comput. 6, 1977). The least bound that needs
    no more than `agents` parts is taken; if it needs fewer, the largest parts are halved.

    Args:
        feeder: with n buildings.
        agents: number of groups, 1..n.

    Raises:
        GridError: if `agents` is out of bounds.
    """
    n = feeder.num_buses
    if whole("agents", agents, at_least=1) > n:
        raise GridError(f"agents is {agents}, must be <= {n}, a building for each")
    bound = -(-n // agents)
    while len(cuts := _cuts(feeder, bound)) + 1 > agents:
        bound += 1
    while len(groups := _parts(feeder, cuts)) < agents:
        cuts = cuts | {_halving(feeder, cuts, max(groups, key=len))}
    return _ordered(groups)


def dealt_groups(feeder: Feeder, agents: int, pieces: int) -> Groups:
    """Neighbourhoods dealt out in turn: between balanced groups (1 piece) and interleaved ones.

    Args:
        feeder: with n buildings.
        agents: number of groups.
        pieces: connected parts of each group; agents * pieces is at most n.

    Raises:
        GridError: if a number is out of bounds.
    """
    parts = whole("agents", agents, at_least=1) * whole("pieces", pieces, at_least=1)
    if parts > feeder.num_buses:
        raise GridError(
            f"{agents} agents of {pieces} pieces are {parts}, must be <= {feeder.num_buses}, a "
            "building for each piece"
        )
    neighbourhoods = balanced_groups(feeder, parts)
    return _ordered([sum(neighbourhoods[i::agents], ()) for i in range(agents)])


def _cuts(feeder: Feeder, bound: int) -> set[int]:
    """Nodes whose feeding branches are cut so that no part has more than `bound` buildings."""
    children, own = _children(feeder), set(feeder.served)
    weight: dict[int, int] = {}
    cuts: set[int] = set()
    for node in reversed(_from_head(children)):
        hanging = sorted(children[node], key=lambda child: weight[child])
        total = (node in own) + sum(weight[child] for child in hanging)
        while total > bound:
            cut = hanging.pop()
            total -= weight[cut]
            cuts.add(cut)
        weight[node] = total
    return cuts


def _parts(feeder: Feeder, cuts: set[int]) -> list[list[int]]:
    """Buildings of each part, of those that have any."""
    root = {HEAD: HEAD}
    for node in _from_head(_children(feeder))[1:]:
        root[node] = node if node in cuts else root[feeder.parent[node - 1]]
    parts: dict[int, list[int]] = {}
    for building, node in enumerate(feeder.served, start=1):
        parts.setdefault(root[node], []).append(building)
    return list(parts.values())


def _halving(feeder: Feeder, cuts: set[int], group: Sequence[int]) -> int:
    """The node whose feeding branch, if cut too, leaves the smallest largest part of a group."""
    weight = [0] * (feeder.num_nodes + 1)
    for building in group:
        weight[feeder.served[building - 1]] = 1
    for node in reversed(_from_head(_children(feeder))[1:]):
        if node not in cuts:
            weight[feeder.parent[node - 1]] += weight[node]
    inside = [node for node in range(1, feeder.num_nodes + 1) if node not in cuts and weight[node]]
    return min(inside, key=lambda node: max(weight[node], len(group) - weight[node]))


def _merged(groups: Sequence[list[int]], agents: int) -> list[list[int]]:
    """Groups joined to so many, each in turn, the largest first, to the smallest so far."""
    merged: list[list[int]] = [[] for _ in range(agents)]
    for group in sorted(groups, key=len, reverse=True):
        min(merged, key=len).extend(group)
    return merged


def _ordered(groups: Sequence[Sequence[int]]) -> Groups:
    return tuple(sorted(tuple(sorted(group)) for group in groups))


def _children(feeder: Feeder) -> list[list[int]]:
    """Children of nodes 0..L."""
    children: list[list[int]] = [[] for _ in range(feeder.num_nodes + 1)]
    for node, parent in enumerate(feeder.parent, start=1):
        children[parent].append(node)
    return children


def _from_head(children: Sequence[Sequence[int]]) -> list[int]:
    """All nodes, parents before their children."""
    order = [HEAD]
    for node in order:
        order.extend(children[node])
    return order


def _own(feeder: Feeder, node: int) -> list[int]:
    return [feeder.served.index(node) + 1] if node in feeder.served else []


def _buildings_below(feeder: Feeder) -> list[list[int]]:
    """Buildings at and below nodes 0..L."""
    children = _children(feeder)
    below: list[list[int]] = [[] for _ in children]
    for building, node in enumerate(feeder.served, start=1):
        below[node].append(building)
    for node in reversed(_from_head(children)):
        for child in children[node]:
            below[node] += below[child]
    return below
