"""Cases on the shipped feeders: who controls which building, and at what cost.

Groups and costs are chosen so that the best one-stage rule is well above the optimum, which leaves
something to win for a second stage. On the IEEE 13 Node Test Feeder the demand is that of the
TS-MADDPG paper; on the others, as `case_of` has it, a building draws up to a share of the base load
of its bus, or feeds in as much.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rllib_grid.cases.case import Case
from rllib_grid.cases.from_feeder import case_of
from rllib_grid.feeder import Feeder
from rllib_grid.feeders.groups import dealt_groups, interleaved_groups
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.plain_csv import from_csv
from rllib_grid.sources.demand import GaussianDemand, UniformDemand

_DATA = Path(__file__).parent.parent / "data"
IEEE13_CSV = _DATA / "ieee13_single_phase.csv"

_CONTIGUOUS = ((1, 2, 3, 4, 5, 6), (7, 8, 9, 10, 11, 12))
_TWELVE = tuple((bus,) for bus in range(1, 13))


def ieee13_feeder(impedance: str = "self") -> Feeder:
    """The IEEE 13 Node Test Feeder as one phase, its base as in the paper.

    Args:
        impedance: "self" or "posseq", the columns to read.
    """
    return Feeder.from_csv(IEEE13_CSV, impedance, v_base_kv=2.97)


def case33bw_feeder() -> ImportedFeeder:
    """The 33-bus feeder of Baran and Wu, 12.66 kV, 3,715 kW, with its tie switches open."""
    return from_csv(_DATA / "case33bw.csv", v_base_kv=12.66).named("case33bw")


def kerber_dorfnetz_feeder() -> ImportedFeeder:
    """Kerber's low-voltage feeder of a village: 57 houses of 6 kW behind one transformer."""
    return from_csv(_DATA / "kerber_dorfnetz.csv", v_base_kv=0.4).named("kerber-dorfnetz")


def _ieee13(name: str, impedance: str = "self", alpha: float = 1e-5, **fields: Any) -> Case:
    """What differs from the default case, whose groups are interleaved and whose limits 105."""
    feeder = ieee13_feeder(impedance)
    groups = interleaved_groups(feeder.num_buses, 2)
    return Case(name, feeder, **{"groups": groups, "alpha_p": alpha, "alpha_q": alpha, **fields})


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


_IEEE13_FIELDS: dict[str, dict[str, Any]] = {
    "ieee13": {},
    "ieee13-contiguous": {"groups": _CONTIGUOUS, "alpha": 1e-4},
    "ieee13-twelve": {"groups": _TWELVE, "alpha": 1e-4},
    "ieee13-posseq": {"impedance": "posseq"},
    "ieee13-gaussian": {"demand": GaussianDemand(sigma_kw=121.0)},
    "ieee13-pf": {"demand": UniformDemand(power_factor=1.0, power_factor_low=0.8)},
    "ieee13-correlated": {"demand": UniformDemand(correlation=0.3)},
    "ieee13-volt": {"alpha": 3e-4, "v_head_pu": 1.04},
    "ieee13-tight": {"v_head_pu": 1.05},
    "ieee13-inverter": {"s_max_kva": 105.0},
}

# The presets: what makes each.
CASES: dict[str, Callable[[], Case]] = {
    **{name: partial(_ieee13, name, **values) for name, values in _IEEE13_FIELDS.items()},
    "case33bw": _case33bw,
    "kerber-dorfnetz": _kerber_dorfnetz,
}
