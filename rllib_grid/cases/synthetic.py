"""Cases on radial feeders of any size, made up from their number of buses.

The tree is random: half of the buses go on from the bus before them, the others branch off any
earlier one, so depth grows slowly (5 branches at 12 buses, 17 at 100, 31 at 1,000). Conductors
taper: 0.4 ohm of reactance per km everywhere, 0.13 ohm of resistance per km where the whole
feeder hangs below, and more by the fourth root where less does. X/R falls from 3 to 0.5 at the
ends of 1,000 buses, about the span of the IEEE 13 Node Test Feeder. Spans differ by up to three
to one in length. What makes sizes comparable:

- demand of a bus is uniform within 210 kW sqrt(12 / n), so that the power through the head
  spreads as much as that of the IEEE-13 case at every size;
- mean length is such that, with idle controllers, the voltage of the worst bus has a standard
  deviation of 0.01 p.u.; the usual bounds, 0.05 p.u. away, are then five of them off.
"""

from __future__ import annotations

import re

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.checks import whole
from rllib_grid.errors import GridError
from rllib_grid.feeder import Feeder
from rllib_grid.feeders.groups import interleaved_groups
from rllib_grid.sources.demand import UniformDemand

PATTERN = "synthetic-BUSES-AGENTS"
MAX_BUSES = 2_000  # the matrices of a case grow with the square: 1.2 GB to make this one
V_SPREAD_PU = 0.01  # of the worst bus, with idle controllers

_GO_ON = 0.5  # share of buses that hang on the bus before them
_X_OHM_PER_KM, _R_OHM_PER_KM = 0.4, 0.13


def demand_limit_kw(num_buses: int) -> float:
    """Largest magnitude of a bus's p_base: 210 kW at 12 buses, the same spread of their sum."""
    return float(210.0 * np.sqrt(12 / num_buses))


def synthetic_feeder(num_buses: int, seed: int = 0) -> Feeder:
    """A random radial feeder as described above; the same arguments give the same feeder.

    Args:
        num_buses: n, from 1 to `MAX_BUSES`.
        seed: of tree and lengths.

    Raises:
        GridError: if `num_buses` or `seed` is out of bounds.
    """
    n = whole("num_buses", num_buses, at_least=1)
    if n > MAX_BUSES:
        raise GridError(f"num_buses is {n}, must be <= {MAX_BUSES}")
    rng = np.random.default_rng((whole("seed", seed, at_least=0), n))
    parent = [0]
    for bus in range(2, n + 1):
        parent.append(bus - 1 if rng.random() < _GO_ON else int(rng.integers(1, bus)))
    below = np.ones(n)  # buses that each branch feeds
    for bus in range(n, 1, -1):  # parents have lower numbers
        below[parent[bus - 1] - 1] += below[bus - 1]
    km = rng.uniform(0.5, 1.5, n)
    r_ohm, x_ohm = km * _R_OHM_PER_KM * (n / below) ** 0.25, km * _X_OHM_PER_KM

    name = f"synthetic-{n}"
    draft = Feeder(name, tuple(parent), r_ohm, x_ohm)
    scale = V_SPREAD_PU / _worst_v_spread_pu(draft)
    return Feeder(name, tuple(parent), scale * r_ohm, scale * x_ohm)


def _worst_v_spread_pu(feeder: Feeder) -> float:
    """Largest standard deviation of a bus's voltage around 1 p.u., with idle controllers."""
    n = feeder.num_buses
    p_kw, q_kvar = UniformDemand(limit_kw=demand_limit_kw(n), num_buses=n).scale()
    std_pu = (feeder.v_sq_per_kw * p_kw + feeder.v_sq_per_kvar * q_kvar) / (2 * np.sqrt(3))
    return float(np.linalg.norm(std_pu, axis=1).max())


def parse_name(name: str) -> tuple[int, int] | None:
    """Read the name of a synthetic case.

    Args:
        name: such as "synthetic-100-10".

    Returns:
        Buses and agents; None if the name is no synthetic case's.

    Raises:
        GridError: if it is meant to be one, and names no feeder.
    """
    if not name.startswith("synthetic"):
        return None
    match = re.fullmatch(r"synthetic-([1-9][0-9]{0,8})-([1-9][0-9]{0,8})", name)
    if match is None:
        raise GridError(f"case {name!r} must be {PATTERN}, such as synthetic-100-10")
    buses, agents = int(match[1]), int(match[2])
    if buses > MAX_BUSES:
        raise GridError(f"case {name!r} has {buses} buses, must be <= {MAX_BUSES}")
    if agents > buses:
        raise GridError(f"case {name!r} has {agents} agents, must be <= {buses}, one bus for each")
    return buses, agents


def synthetic_case(num_buses: int, num_agents: int) -> Case:
    """The case "synthetic-BUSES-AGENTS", its buses dealt out to the agents in turn.

    Costs are those of `ieee13-twelve`, controls half the demand, as in all presets.

    Args:
        num_buses: n, from 1 to `MAX_BUSES`.
        num_agents: m, from 1 to n.

    Raises:
        GridError: if a number is out of bounds.
    """
    limit_kw = demand_limit_kw(num_buses)
    return Case(
        f"synthetic-{num_buses}-{num_agents}",
        synthetic_feeder(num_buses),
        interleaved_groups(num_buses, num_agents),
        p_limit_kw=limit_kw / 2,  # type: ignore[arg-type]  # scalars are spread
        q_limit_kvar=limit_kw / 2,  # type: ignore[arg-type]
        alpha_p=1e-4,  # type: ignore[arg-type]
        alpha_q=1e-4,  # type: ignore[arg-type]
        demand=UniformDemand(limit_kw=limit_kw),
    )
