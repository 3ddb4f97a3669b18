"""Feeders from files of other programs and back, ways to group buildings, and shipped feeders."""

from __future__ import annotations

from rllib_grid.feeders.groups import (
    GROUPINGS,
    balanced_groups,
    make_groups,
    subtree_groups,
)
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.matpower_import import from_matpower
from rllib_grid.feeders.pandapower_export import to_pandapower
from rllib_grid.feeders.pandapower_import import from_pandapower
from rllib_grid.feeders.plain_csv import from_csv
from rllib_grid.feeders.reading import read_feeder

__all__ = [
    "GROUPINGS",
    "ImportedFeeder",
    "balanced_groups",
    "from_csv",
    "from_matpower",
    "from_pandapower",
    "make_groups",
    "read_feeder",
    "subtree_groups",
    "to_pandapower",
]
