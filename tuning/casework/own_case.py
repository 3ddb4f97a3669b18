"""``python -m tuning case``: a case of one's own from a feeder file, its summary and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rllib_grid import Case, case_of, make_case
from rllib_grid.cases.by_name import shipped_agents
from rllib_grid.extras import extra_module
from rllib_grid.feeders import ImportedFeeder, make_groups, read_feeder, to_pandapower
from rllib_grid.feeders.shipped import is_shipped, read_shipped
from tuning.commands.case import CaseArgs
from tuning.drawing.sheets import Sheet, print_sheets
from tuning.errors import CommandError
from tuning.judging.evaluation import Judge, test_states
from tuning.records.files import replacing, write_json

if TYPE_CHECKING:
    from rllib_grid.checks import Array

_MOST_SIZES = 12  # of groups, in one line


@dataclass(frozen=True)
class _Made:
    """A case with what its source says beside it.

    Attributes:
        case: The case.
        p_load_kw, q_load_kvar: (n,) base load; of a named case, the largest usual demand.
        load: The row of the summary about it.
        notes: What was simplified.
    """

    case: Case
    p_load_kw: Array
    q_load_kvar: Array
    load: tuple[str, str]
    notes: Sequence[str]


def run_case(args: CaseArgs) -> None:
    """Make a case, print its summary, and write the files that were asked for.

    Args:
        args: As returned by `tuning.commands.case.check`.

    Raises:
        CommandError: A file cannot be written.
        GridError: What the feeder's file holds, or the case, is refused.
    """
    if args.export is not None:
        extra_module("pandapower", "feeders")  # before the work, which may be long
    made = _from_file(args, args.from_) if args.from_ is not None else _from_case(args)
    judge = Judge(made.case, *test_states(made.case, args.states))
    files = []
    if args.out is not None:
        write_json(args.out, made.case.to_dict())
        files.append(f"{args.out}: the case, for --case {args.out}")
    if args.export is not None:
        _export(made, args.export)
        files.append(f"{args.export}: a pandapower net")
    notes = [f"note: {note}" for note in made.notes]
    print_sheets([summary(made.case, judge, made.load)], [*notes, *files])


def _from_file(args: CaseArgs, path: Path) -> _Made:
    imported = read_feeder(path, head=args.head, v_base_kv=args.v_base_kv)
    return _from_imported(args, imported, str(path), args.agents)


def _from_shipped(args: CaseArgs, name: str) -> _Made:
    imported = read_shipped(name, args.head)
    agents = shipped_agents(imported, args.grouping) if args.agents is None else args.agents
    return _from_imported(args, imported, name, agents)


def _from_imported(
    args: CaseArgs, imported: ImportedFeeder, source: str, agents: int | None
) -> _Made:
    limit_kva = imported.branch_limit_kva if args.branch_limits else None
    if args.branch_limits and limit_kva is None:
        raise CommandError(f"--branch-limits: {source} has no ratings of branches")
    case = case_of(
        imported,
        _name(args, imported.feeder.name),
        agents=agents,
        grouping=args.grouping,
        demand_share=args.demand_share,
        demand_kw=args.demand_kw,
        limit_share=args.limit_share,
        alpha=args.alpha,
        v_head_pu=args.head_pu,
        branch_limit_kva=limit_kva,
        **_bounds(args),
    )
    p_kw, q_kvar = float(imported.p_load_kw.sum()), float(imported.q_load_kvar.sum())
    load = f"{p_kw:,.6g} kW, {q_kvar:,.6g} kvar"
    if imported.p_gen_kw.any():
        load += f", generation {-imported.p_gen_kw.sum():,.6g} kW"
    p_net_kw = imported.p_load_kw + imported.p_gen_kw
    return _Made(case, p_net_kw, imported.q_load_kvar, ("base load", load), imported.notes)


def _from_case(args: CaseArgs) -> _Made:
    assert args.case is not None
    if is_shipped(args.case):
        return _from_shipped(args, args.case)
    case = make_case(args.case, **_bounds(args))
    changes: dict[str, Any] = {"name": _name(args, case.name)}
    if "agents" in args.explicit() or "grouping" in args.explicit():
        changes["groups"] = make_groups(case.feeder, args.grouping, args.agents)
    if args.alpha is not None:
        changes |= {"alpha_p": args.alpha, "alpha_q": args.alpha}
    if args.head_pu is not None:
        changes["v_head_pu"] = args.head_pu
    case = case.replace(**changes)
    p_kw, q_kvar = case.demand.scale()
    load = ("largest usual demand, all buildings", f"{p_kw.sum():,.6g} kW")
    return _Made(case, p_kw, q_kvar, load, ())


def _name(args: CaseArgs, otherwise: str) -> str:
    """The case is called as its file, which is what reports name it by."""
    return args.name or (args.out.stem if args.out is not None else otherwise)


def _bounds(args: CaseArgs) -> dict[str, Any]:
    given = {"v_min_pu": args.v_min_pu, "v_max_pu": args.v_max_pu}
    return {name: value for name, value in given.items() if value is not None}


def _export(made: _Made, path: Path) -> None:
    net = to_pandapower(
        made.case.feeder,
        made.p_load_kw,
        made.q_load_kvar,
        v_head_pu=made.case.v_head_pu,
        branch_limit_kva=made.case.branch_limit_kva,
    )
    with replacing(path) as file:
        file.write(extra_module("pandapower", "feeders").to_json(net).encode())


def summary(case: Case, judge: Judge, load: tuple[str, str]) -> Sheet:
    """Return the table that ``case`` prints.

    Args:
        case: The case.
        judge: Of some of its states.
        load: Name and value of the row about its load.
    """
    feeder, p_kw = case.feeder, case.demand.scale()[0]
    feasible = np.isfinite(judge.optimal_cost_kw)
    idle_pu = case.v_pu(
        judge.p_base_kw,
        judge.q_base_kvar,
        np.zeros_like(judge.p_base_kw),
        np.zeros_like(judge.p_base_kw),
    )
    rows = [
        ("buses behind the head", f"{feeder.num_nodes}"),
        ("  with a building", f"{feeder.num_buses}"),
        ("branches", f"{feeder.num_nodes}"),
        ("base voltage, kV", f"{feeder.v_base_kv:g}"),
        ("head, p.u.", f"{case.v_head_pu:.6g}"),
        ("voltage bounds, p.u.", f"{case.v_min_pu:g} to {case.v_max_pu:g}"),
        load,
        ("agents", f"{len(case.groups)}"),
        ("  buildings of each", _sizes([len(group) for group in case.groups])),
        ("demand of a building, kW", f"+-{_span(p_kw)}"),
        ("control of a building, kW", f"+-{_span(case.p_limit_kw)}"),
        ("cost of control alpha, kW per kW^2", _span(case.alpha_p)),
        ("states", f"{len(feasible):,}"),
        ("  feasible, %", f"{100 * feasible.mean():.1f}"),
        ("  voltages without control, p.u.", f"{idle_pu.min():.4f} to {idle_pu.max():.4f}"),
    ]
    if feasible.any():
        rule, zero = judge.team_rule(), judge.zero_action()
        for name, judged in (("team-optimal rule", rule), ("without control", zero)):
            rows += [
                (f"PER of {name}, %", f"{100 * judged.per_mean:.1f}"),
                ("  states that violate, %", f"{100 * judged.voltage_violation_rate:.1f}"),
            ]
            if judged.branch_overload_rate is not None:
                share, most = judged.branch_overload_rate, judged.branch_loading_max
                rows.append(("  states with an overloaded branch, %", f"{100 * share:.1f}"))
                rows.append(("  highest loading of a branch, %", f"{100 * (most or 0):.1f}"))
    return Sheet(f"case {case.name}", ("", "value"), rows)


def _span(values: Array) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _sizes(sizes: Sequence[int]) -> str:
    if len(sizes) <= _MOST_SIZES:
        return ", ".join(map(str, sizes))
    return f"{min(sizes)} to {max(sizes)}"
