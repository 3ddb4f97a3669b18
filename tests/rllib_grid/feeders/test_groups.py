"""Ways to deal buildings out to agents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from rllib_grid import Feeder, GridError, make_case, synthetic_feeder
from rllib_grid.feeders import balanced_groups, make_groups, subtree_groups
from rllib_grid.feeders.groups import dealt_groups


def feeder_of(parent: Sequence[int], served: Sequence[int] = ()) -> Feeder:
    ohm = np.ones(len(parent))
    return Feeder("x", tuple(parent), ohm, ohm, served=tuple(served))


# Head - 1 - {2 - 3 - 4, 5 - 6, 7}; nodes 1 and 5 are without a building in FORK.
TREE = (0, 1, 2, 3, 1, 5, 1)
FORK = feeder_of(TREE, (2, 3, 4, 6, 7))


def is_partition(groups, n: int) -> bool:
    return sorted(building for group in groups for building in group) == list(range(1, n + 1))


def parts_of_cut(feeder: Feeder, cut: Sequence[int]) -> list[int]:
    """Sizes of the parts, in buildings, that are left when the branches above `cut` are gone."""
    sizes: dict[int, int] = {}
    for node in feeder.served:
        while node and node not in cut:
            node = feeder.parent[node - 1]
        sizes[node] = sizes.get(node, 0) + 1
    return list(sizes.values())


def test_subtrees_below_the_first_fork() -> None:
    assert subtree_groups(FORK) == ((1, 2, 3), (4,), (5,))
    assert subtree_groups(FORK, 2) == ((1, 2, 3), (4, 5))
    assert subtree_groups(feeder_of(TREE)) == ((1, 7), (2, 3, 4), (5, 6))  # 1 goes to the smallest
    assert subtree_groups(feeder_of((0, 0, 1))) == ((1, 3), (2,))
    assert subtree_groups(feeder_of((0, 1, 2))) == ((1, 2, 3),)  # a chain
    with pytest.raises(GridError, match="agents is 4, must be <= 3, the subtrees"):
        subtree_groups(FORK, 4)


def test_the_village_has_its_six_streets() -> None:
    groups = subtree_groups(make_case("kerber-dorfnetz").feeder)
    assert sorted(map(len, groups)) == sorted([9, 9, 16, 12, 7, 4])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("agents", [1, 2, 3, 4])
def test_balanced_groups_are_as_small_as_any_cut_allows(seed: int, agents: int) -> None:
    """Against all ways to cut so many branches of a tree of ten nodes."""
    rng = np.random.default_rng(seed)
    served = sorted(rng.choice(np.arange(1, 11), 8, replace=False).tolist())
    feeder = feeder_of(synthetic_feeder(10, seed).parent, served)
    best = min(
        max(parts_of_cut(feeder, cut))
        for count in range(agents)
        for cut in combinations(range(1, 11), count)
    )
    groups = balanced_groups(feeder, agents)
    assert len(groups) == agents and is_partition(groups, 8)
    assert max(map(len, groups)) == best


@pytest.mark.parametrize("agents", [1, 2, 5, 16, 57])
def test_balanced_groups_are_connected(agents: int) -> None:
    """Taking a group out of the tree leaves it whole within itself: its paths meet in it."""
    feeder = make_case("kerber-dorfnetz").feeder
    groups = balanced_groups(feeder, agents)
    assert len(groups) == agents and is_partition(groups, 57)
    spans = []
    for group in groups:
        paths = feeder.paths[np.array(group) - 1]
        spans.append({int(b) for b in np.flatnonzero(paths.any(0) & ~paths.all(0))})
    # Branches that only join buildings of one group lie in no other group's own part.
    assert sum(map(len, spans)) == len(set().union(*spans))


def test_dealt_groups_lie_between_balanced_and_interleaved() -> None:
    feeder = make_case("case33bw").feeder
    assert dealt_groups(feeder, 4, 1) == balanced_groups(feeder, 4)
    assert dealt_groups(feeder, 4, 8) == make_groups(feeder, "interleaved", 4)
    between = dealt_groups(feeder, 4, 3)
    assert len(between) == 4 and is_partition(between, 32)
    assert make_case("case33bw").groups == between
    with pytest.raises(GridError, match="4 agents of 9 pieces are 36, must be <= 32"):
        dealt_groups(feeder, 4, 9)


def test_make_groups() -> None:
    assert make_groups(FORK, "single") == ((1,), (2,), (3,), (4,), (5,))
    assert make_groups(FORK, "interleaved", 2) == ((1, 3, 5), (2, 4))
    assert make_groups(FORK, "balanced", 2) == balanced_groups(FORK, 2)
    assert make_groups(FORK, "subtree") == subtree_groups(FORK)
    for grouping, agents, message in (
        ("single", 3, "agents is 3, must be 5 where each has a single building"),
        ("balanced", None, "grouping 'balanced' needs the number of agents"),
        ("interleaved", 6, "agents is 6, must be <= 5, a building for each"),
        ("balanced", 0, "agents is 0, must be a whole number >= 1"),
        ("random", 2, "unknown grouping 'random'; choose from subtree, balanced"),
    ):
        with pytest.raises(GridError, match=message):
            make_groups(FORK, grouping, agents)


def test_large_trees_are_no_trouble() -> None:
    feeder = synthetic_feeder(1000)
    assert max(map(len, balanced_groups(feeder, 100))) <= 60
