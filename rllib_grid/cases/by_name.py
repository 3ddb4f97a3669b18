"""The door to every case of states by its name: preset, synthetic, file or shipped network."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rllib_grid.cases.case import Case
from rllib_grid.cases.case_file import is_case_file, load_case
from rllib_grid.cases.from_feeder import case_of
from rllib_grid.cases.presets import CASES
from rllib_grid.cases.synthetic import PATTERN, parse_name, synthetic_case
from rllib_grid.checks import known
from rllib_grid.errors import GridError
from rllib_grid.feeders.groups import Grouping, make_groups
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.shipped import PATTERNS, is_shipped, read_shipped

# What a case on a shipped network leaves open beside its fields, see `shipped_case`.
SHIPPED_CHOICES = (
    "head",
    "demand_share",
    "demand_kw",
    "limit_share",
    "alpha",
    "branch_limits",
)
AGENTS = 4  # of a case on a shipped network, or one for each building where there are fewer


def case_names() -> tuple[str, ...]:
    """Names of the presets."""
    return tuple(CASES)


def make_case(
    name: str, *, agents: int | None = None, grouping: Grouping | None = None, **overrides: Any
) -> Case:
    """A case by its name, with some of its fields changed.

    Args:
        name: one of `case_names()`, or `synthetic-BUSES-AGENTS`, such as "synthetic-100-10": the
            feeder of `synthetic_feeder`, its buses dealt out to the agents in turn; or the path of
            a .json file that holds a case, see `load_case`; or a network that an installed
            package ships, see `read_shipped`, with the default case on it, see `shipped_case`.
        agents, grouping: deal the buildings out anew, see `make_groups`; the grouping is
            "balanced" where only their number is given.
        **overrides: fields of `Case`, and `SHIPPED_CHOICES` of a shipped network.

    Raises:
        GridError: on an unknown name or field, a file that holds no case, or a bad value.
    """
    if is_shipped(name):
        return shipped_case(name, agents=agents, grouping=grouping, **overrides)
    if is_case_file(name):
        case = load_case(name)
    elif (sizes := parse_name(name)) is not None:
        case = synthetic_case(*sizes)
    else:
        known("case", name, (*case_names(), PATTERN, *PATTERNS))
        case = CASES[name]()
    if agents is not None or grouping is not None:
        overrides["groups"] = make_groups(case.feeder, grouping or "balanced", agents)
    return case.replace(**overrides) if overrides else case


def shipped_agents(imported: ImportedFeeder, grouping: Grouping) -> int | None:
    """Agents on a shipped network where nobody says how many; None where the grouping tells."""
    if grouping not in ("balanced", "interleaved"):
        return None
    return min(AGENTS, imported.feeder.num_buses)


def shipped_case(
    name: str,
    *,
    agents: int | None = None,
    grouping: Grouping | None = None,
    head: str | None = None,
    branch_limits: bool = False,
    **choices: Any,
) -> Case:
    """The default case on a network that an installed package ships.

    What `python -m tuning case` makes of the same network from a file, dealt out to `AGENTS`
    balanced groups unless said otherwise.

    Args:
        name: see `read_shipped`.
        agents, grouping: see `make_groups`.
        head: name of the source to keep, where there are several.
        branch_limits: whether the ratings of the branches are held.
        **choices: those of `case_of`: of `SHIPPED_CHOICES`, or fields of `Case`.

    Raises:
        GridError: an unknown name or field, a network that is refused, or a bad value.
    """
    imported = read_shipped(name, None if head is None else str(head))
    kind: Grouping = grouping or "balanced"
    agents = shipped_agents(imported, kind) if agents is None else agents
    if branch_limits:
        if imported.branch_limit_kva is None:
            raise GridError(f"branch_limits: {name} has no ratings of branches")
        choices["branch_limit_kva"] = imported.branch_limit_kva
    for field in choices:
        known("case field", field, (*SHIPPED_CHOICES, *(item.name for item in fields(Case))))
    return case_of(imported, name, agents=agents, grouping=kind, **choices)
