"""What ``python -m tuning case`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option, flag
from tuning.options.cases import check_case

# What a case has settled already, so that it goes with --from alone.
_FOR_FILES = ("head", "v_base_kv", "demand_share", "demand_kw", "limit_share", "branch_limits")


@dataclass(frozen=True, kw_only=True)
class CaseArgs(Arguments):
    """Options of ``case``."""

    from_: Annotated[
        Path | None,
        Option(
            "feeder to read: a pandapower net (.json), a MATPOWER case (.m) or a table (.csv) with "
            "from_bus, to_bus, r_ohm, x_ohm, p_kw, q_kvar",
            metavar="FILE",
        ),
    ] = None
    case: Annotated[
        str | None, Option("case to start from, in place of --from: a name or a file")
    ] = None
    head: Annotated[
        str | None, Option("bus of the source to keep, where a file has several", metavar="BUS")
    ] = None
    v_base_kv: Annotated[
        float | None, Option("nominal voltage of a .csv, line to line, in kV", metavar="KV")
    ] = None
    agents: Annotated[
        int | None, Option("number of agents (default: as the grouping has it)", metavar="K")
    ] = None
    grouping: Annotated[
        Literal["subtree", "balanced", "interleaved", "single"],
        Option(
            "buildings of an agent: those below a branch of the first fork, K connected parts of "
            "about one size, every K-th, or one alone"
        ),
    ] = "balanced"
    demand_share: Annotated[
        float, Option("largest demand of a building, either sign, over the load of its bus")
    ] = 1.0
    demand_kw: Annotated[
        float | None,
        Option("largest demand of every building, in kW, for files without loads", metavar="KW"),
    ] = None
    limit_share: Annotated[
        float, Option("largest control of a building over its largest demand")
    ] = 0.5
    alpha: Annotated[
        float | None,
        Option("cost of control, in kW per kW^2 (default: a kW^2's mean loss on its way)"),
    ] = None
    head_pu: Annotated[
        float | None, Option("voltage of the head, in p.u. (default: the file's)", metavar="PU")
    ] = None
    v_min_pu: Annotated[
        float | None, Option("lowest voltage allowed, in p.u. (default: 0.95)", metavar="PU")
    ] = None
    v_max_pu: Annotated[
        float | None, Option("highest voltage allowed, in p.u. (default: 1.05)", metavar="PU")
    ] = None
    branch_limits: Annotated[
        bool, Option("hold the optimal dispatch to the ratings of the branches")
    ] = False
    name: Annotated[
        str | None, Option("what to call the case (default: as --out, or the file)")
    ] = None
    states: Annotated[int, Option("number of states that the summary is of")] = 1_000
    out: Annotated[
        Path | None,
        Option("file to write the case to, .json: what --case takes", metavar="FILE"),
    ] = None
    export: Annotated[
        Path | None,
        Option(
            "file to write the feeder and its loads to, .json: a pandapower net", metavar="FILE"
        ),
    ] = None


def check(args: CaseArgs) -> CaseArgs:
    """Check the options of ``case`` before anything is read.

    Raises:
        CommandError: No source or two, an option that does not go with it, or a file that exists.
    """
    from rllib_grid.feeders.shipped import is_shipped

    if (args.from_ is None) == (args.case is None):
        raise CommandError("one of --from FILE and --case NAME is needed, and not both")
    if args.case is not None:
        check_case(args.case, days="is a case of days, which this command does not take")
        for name in _FOR_FILES:
            settled = not is_shipped(args.case) or name == "v_base_kv"
            if settled and name in args.explicit():
                raise CommandError(f"{flag(name)} goes with --from; a case has settled it")
    if args.demand_kw is not None and "demand_share" in args.explicit():
        raise CommandError("--demand-share and --demand-kw are two ways to say it; leave one out")
    if args.states < 1:
        raise CommandError(f"--states: {args.states} is out of bounds, must be >= 1")
    for name in ("out", "export"):
        path: Path | None = getattr(args, name)
        if path is None:
            continue
        if path.suffix != ".json":
            raise CommandError(f"{flag(name)}: {path} must end in .json")
        if path.exists():
            raise CommandError(f"{flag(name)}: {path} exists already, nothing is overwritten")
    if args.out and args.export and args.out.resolve() == args.export.resolve():
        raise CommandError(f"--export: {args.export} is --out too; name another file")
    return args
