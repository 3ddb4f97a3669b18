"""Cases on the shipped feeders: who controls which building, and at what cost.

Groups and costs are chosen so that the best one-stage rule is well above the optimum (its PER
stands in the README), which leaves something to win for a second stage. Demand and controls are
those of `case_of`: a building draws up to a share of the base load of its bus, or feeds in as much.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rllib_grid.cases.building import case_of
from rllib_grid.cases.case import Case
from rllib_grid.feeders.groups import dealt_groups
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.plain_csv import from_csv
from rllib_grid.sources.demand import UniformDemand

_DATA = Path(__file__).parent.parent / "data"


def case33bw_feeder() -> ImportedFeeder:
    """The 33-bus feeder of Baran and Wu, 12.66 kV, 3,715 kW, with its tie switches open."""
    return from_csv(_DATA / "case33bw.csv", v_base_kv=12.66).named("case33bw")


def kerber_dorfnetz_feeder() -> ImportedFeeder:
    """Kerber's low-voltage feeder of a village: 57 houses of 6 kW behind one transformer."""
    return from_csv(_DATA / "kerber_dorfnetz.csv", v_base_kv=0.4).named("kerber-dorfnetz")


def _case33bw() -> Case:
    imported = case33bw_feeder()
    groups = dealt_groups(imported.feeder, agents=4, pieces=3)
    return case_of(imported, agents=4, alpha=1e-4).replace(groups=groups)


def _kerber_dorfnetz() -> Case:
    """Houses of up to 15 kW: a car charger and a heat pump, or photovoltaics on the roof.

    The source has no reactive power; 0.95 is a usual power factor.
    """
    imported = kerber_dorfnetz_feeder()
    groups = dealt_groups(imported.feeder, agents=6, pieces=3)
    demand = UniformDemand(limit_kw=15.0, power_factor=0.95)
    case = case_of(imported, agents=6, demand_share=2.5, alpha=1e-3, demand=demand)
    return case.replace(groups=groups)


FEEDER_CASES: dict[str, Callable[[], Case]] = {
    "case33bw": _case33bw,
    "kerber-dorfnetz": _kerber_dorfnetz,
}
