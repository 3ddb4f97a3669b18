"""Where the nodes of a radial feeder stand in a one-line diagram. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Outline = dict[int, tuple[int, int]]  # of a subtree: column -> its first and last row


@dataclass(frozen=True)
class TreeLayout:
    """Places on a grid; entry 0 is the head, entry i node i.

    Drawn with each branch going from its parent along the parent's column to the row of its
    node, and then along that row to its node, no two branches cross or touch.

    Attributes:
        column: Branches between the head and the node.
        row: 0 is the head's.
    """

    column: tuple[int, ...]
    row: tuple[int, ...]


def lay_out(parent: Sequence[int]) -> TreeLayout:
    """Place a tree from left to right: the longest path goes straight, shorter ones beside it.

    Every subtree is packed as closely to those before it as their outlines allow, on the side
    where it ends up nearer to the path that it leaves (as Reingold and Tilford, Tidier drawings
    of trees, 1981, pack subtrees beside each other).

    Args:
        parent: For node 1..L the node that feeds it, 0 is the head; a tree.
    """
    children: list[list[int]] = [[] for _ in range(len(parent) + 1)]
    for node, above in enumerate(parent, start=1):
        children[above].append(node)
    order = [0]  # parents before children
    for node in order:
        order.extend(children[node])
    column = [0] * len(order)
    for node in order[1:]:
        column[node] = column[parent[node - 1]] + 1

    height, size = [0] * len(order), [1] * len(order)
    offset = [0] * len(order)  # rows from the parent
    outlines: dict[int, Outline] = {}
    for node in reversed(order):
        below = sorted(children[node], key=lambda child: (-height[child], -size[child], child))
        outline = outlines.pop(below[0]) if below else {}  # the longest path goes straight on
        outline[column[node]] = (0, 0)
        for child in sorted(below[1:], key=lambda child: (size[child], child)):
            offset[child] = _nearest(outline, outlines[child], column[node])
            _join(outline, outlines.pop(child), offset[child], column[node])
        if below:
            height[node] = height[below[0]] + 1
            size[node] += sum(size[child] for child in below)
        outlines[node] = outline
    row = [0] * len(order)
    for node in order[1:]:
        row[node] = row[parent[node - 1]] + offset[node]
    return TreeLayout(tuple(column), tuple(row))


def _nearest(outline: Mapping[int, tuple[int, int]], added: Outline, column: int) -> int:
    """Return the smallest shift of ``added`` that keeps it clear of ``outline``."""
    shared = outline.keys() & added.keys()
    below = max([1, *(outline[at][1] - added[at][0] + 1 for at in shared)])
    above = min([-1, *(outline[at][0] - added[at][1] - 1 for at in shared)])
    if below != -above:
        return below if below < -above else above
    low = min(first for first, _ in outline.values())
    high = max(last for _, last in outline.values())
    return below if high <= -low else above  # the emptier side


def _join(outline: Outline, added: Outline, shift: int, column: int) -> None:
    """Add a subtree to an outline, and the line along ``column`` that leads to its row."""
    lines = {at: (first + shift, last + shift) for at, (first, last) in added.items()}
    lines[column] = min(0, shift), max(0, shift)
    for at, (first, last) in lines.items():
        low, high = outline.get(at, (first, last))
        outline[at] = min(low, first), max(high, last)
