"""One-line diagrams: nothing crosses, the longest path is straight, any tree will do."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import make_case
from tuning.drawing.tree_layout import lay_out


def owners(parent, layout):
    """Who draws at each point of a grid twice as fine: a branch, or the bar below its parent."""
    found = {}

    def claim(column, row, owner):
        point = (column, row)
        assert found.setdefault(point, owner) == owner, f"{owner} and {found[point]} at {point}"

    for node, above in enumerate([0, *parent]):
        claim(2 * layout.column[node], 2 * layout.row[node], ("node", node))
        if node == 0:
            continue
        x, y, row = 2 * layout.column[above], 2 * layout.row[above], 2 * layout.row[node]
        for at in range(min(y, row), max(y, row) + 1):
            if at != y:
                claim(x, at, ("bar", above))
        for column in range(x + 1, 2 * layout.column[node]):
            claim(column, row, ("branch", node))
    return found


@pytest.mark.parametrize("seed", range(30))
def test_nothing_crosses_in_random_trees(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 150))
    back = int(rng.integers(1, 12))  # how far a node's parent may lie back: bushes and lanes
    parent = [int(rng.integers(max(0, node - back), node)) for node in range(1, size + 1)]
    names = [0, *(rng.permutation(size) + 1).tolist()]  # parents may have larger numbers
    shuffled = [0] * size
    for node, above in enumerate(parent, start=1):
        shuffled[names[node] - 1] = names[above]
    layout = lay_out(shuffled)
    owners(shuffled, layout)
    for node, above in enumerate(shuffled, start=1):
        assert layout.column[node] == layout.column[above] + 1
    assert (layout.column[0], layout.row[0]) == (0, 0)


def test_the_check_itself_sees_a_crossing():
    parent = (0, 1, 1, 2)  # 1 - 2 - 4, 1 - 3
    layout = lay_out(parent)
    crossed = type(layout)(layout.column, (0, 0, 0, 0, 0))
    with pytest.raises(AssertionError, match="at"):
        owners(parent, crossed)


def test_ieee13_by_hand():
    """634 and 646 end side lanes; the trunk 632, 671, 684, 611 is one row."""
    feeder = make_case("ieee13").feeder
    layout = lay_out(feeder.parent)
    at = {
        name: (layout.column[node], layout.row[node])
        for node, name in enumerate(feeder.bus_names, start=1)
    }
    assert [at[name] for name in ("632", "671", "684", "611")] == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert at["652"] == (4, 1) and at["633"][1] == at["634"][1]
    assert max(layout.row) - min(layout.row) + 1 == 6


def test_short_laterals_of_a_trunk_take_two_rows():
    """Laterals at every second node of a trunk fit beside each other."""
    parent = [0, 1, 2, 3, 4, 5, 2, 4]  # trunk 1..6, laterals 7 and 8 below 2 and 4
    layout = lay_out(parent)
    assert layout.row[:7] == (0,) * 7
    assert abs(layout.row[7]) == 1 == abs(layout.row[8])


def test_a_deep_chain_is_one_row():
    layout = lay_out(list(range(3_000)))
    assert set(layout.row) == {0} and layout.column[-1] == 3_000
