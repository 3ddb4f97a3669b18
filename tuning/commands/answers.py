"""``evaluate`` and ``optimum``: from a file of states to a file of answers. Starts no Ray."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tuning.errors import CommandError, did_you_mean
from tuning.options.arguments import Arguments, Option, check_meter_error
from tuning.options.cases import check_case
from tuning.records.files import replacing
from tuning.records.run_folder import load_run

if TYPE_CHECKING:
    from rllib_grid import Case, DispatchResult
    from tuning.judging.samples import Floats

StatesFile = Annotated[
    Path,
    Option(
        "file of N states: .npz with p_base_kw and q_base_kvar of shape (N, buses), or .csv with "
        "columns p_base_kw_1..n and q_base_kvar_1..n; consumption positive",
        metavar="FILE",
    ),
]
AnswersFile = Annotated[
    Path, Option("file to write, .npz or .csv; it must not exist yet", metavar="FILE")
]


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs(Arguments):
    """Options of ``evaluate``."""

    run: Annotated[
        Path, Option("run folder with exported controllers", metavar="RUN", positional=True)
    ]
    states: StatesFile
    out: AnswersFile
    optimum: Annotated[bool, Option("also write optimal_cost_kw and per (a fraction)")] = False
    meter_error: Annotated[
        float | None,
        Option(
            "standard deviation of the error of each voltage reading, in p.u. (default: the run's)",
            metavar="PU",
        ),
    ] = None
    stage: Annotated[
        int | None, Option("stage to evaluate, from 1 (default: the last)", metavar="K")
    ] = None


@dataclass(frozen=True, kw_only=True)
class OptimumArgs(Arguments):
    """Options of ``optimum``."""

    case: Annotated[str, Option("case whose dispatch is optimised")] = "ieee13"
    states: StatesFile
    out: AnswersFile


def evaluate(args: EvaluateArgs) -> None:
    """Run the controllers of a run over the states of a file, and write what they do.

    Writes ``p_ctrl_kw, q_ctrl_kvar, v_pu`` (N, n) and ``cost_kw`` (N,), with ``optimum`` also
    ``optimal_cost_kw`` and ``per`` (N,); where the case charges probes also ``step_cost_kw`` (N,),
    of the whole time step, which ``per`` is then of.

    Raises:
        ValueError: Bad input, of one of the project's own classes.
    """
    check_files(args.states, args.out)
    run = load_run(args.run)
    if args.stage is not None and args.stage < 1:
        raise CommandError(f"--stage: {args.stage} is out of bounds, must be >= 1")
    if args.meter_error is not None:
        check_meter_error(args.meter_error)
    case = run.state_case("evaluate")
    if not run.controllers.is_dir():
        raise CommandError(f"{args.run} holds no controllers/ yet; finish its training first")

    from policies.controllers.files import load_controllers
    from rllib_grid import load_states
    from tuning.judging.evaluation import judge
    from tuning.judging.execution import run_controllers
    from tuning.judging.samples import reward_error

    controllers = load_controllers(run.controllers)
    p_base_kw, q_base_kvar = load_states(args.states, case.feeder.num_buses)
    stages = run_controllers(
        case, controllers, p_base_kw, q_base_kvar, args.stage, args.meter_error
    )
    actions = stages[-1]
    answers = {
        "p_ctrl_kw": actions.p_ctrl_kw,
        "q_ctrl_kvar": actions.q_ctrl_kvar,
        "v_pu": actions.v_pu,
        "cost_kw": actions.cost_kw,
    }
    if actions.step_cost_kw is not None:
        answers["step_cost_kw"] = actions.step_cost_kw
    optimal_cost_kw = actions.cost_kw
    if args.optimum:
        optimal_cost_kw = optimal(case, *(actions.base or (p_base_kw, q_base_kvar))).cost_kw
        answers["optimal_cost_kw"] = optimal_cost_kw
        answers["per"] = reward_error(actions.charged_kw, optimal_cost_kw)
    write_answers(args.out, answers)

    found = judge(case, actions, optimal_cost_kw)
    stage = args.stage or next(iter(controllers.values())).num_stages
    print(f"{found.states} states of {case.name}, stage {stage}")
    print(f"  mean cost         {found.cost_kw_mean:.4g} kW")
    print(f"  voltage violated  {found.voltage_violation_rate:.2%} of states", end="")
    print(f", at most {found.voltage_violation_max_pu:.2g} p.u. out of bounds")
    if found.branch_overload_rate is not None:
        print(f"  branch overloaded {found.branch_overload_rate:.2%} of states", end="")
        print(f", highest loading {found.branch_loading_max:.1%}")
    if args.optimum:
        half = (found.per_ci95[1] - found.per_ci95[0]) / 2
        print(f"  mean PER          {found.per_mean:.2%} +- {half:.2%} (95 % interval)")
        print(f"  mean regret       {found.regret_kw_mean:.4g} kW")
        if found.infeasible_states:
            print(f"  no feasible dispatch in {_named(optimal_cost_kw != optimal_cost_kw)}")
    print(f"written to {args.out}")


def optimum(args: OptimumArgs) -> None:
    """Write the optimal dispatch of the states of a file.

    Writes ``p_ctrl_kw, q_ctrl_kvar, v_pu`` (N, n), ``cost_kw`` and ``feasible`` (N,); the rows of
    infeasible states are NaN.

    Raises:
        ValueError: Bad input, of one of the project's own classes.
    """
    check_case(args.case)
    check_files(args.states, args.out)
    from rllib_grid import load_states, make_case

    case = make_case(args.case)
    p_base_kw, q_base_kvar = load_states(args.states, case.feeder.num_buses)
    found = optimal(case, p_base_kw, q_base_kvar)
    answers = {
        "p_ctrl_kw": found.p_ctrl_kw,
        "q_ctrl_kvar": found.q_ctrl_kvar,
        "v_pu": found.v_pu,
        "cost_kw": found.cost_kw,
        "feasible": found.feasible,
    }
    write_answers(args.out, answers)
    print(f"{len(found.cost_kw)} states of {case.name}")
    if found.feasible.any():
        print(f"  mean optimal cost     {found.cost_kw[found.feasible].mean():.4g} kW")
        print(f"  largest KKT residual  {found.kkt_residual[found.feasible].max():.2g}")
    if not found.feasible.all():
        print(f"  no feasible dispatch in {_named(~found.feasible)}; their rows are NaN")
    print(f"written to {args.out}")


def optimal(case: Case, p_base_kw: Floats, q_base_kvar: Floats) -> DispatchResult:
    """Return the optimal dispatch of (N, n) states."""
    from rllib_grid import make_dispatch

    return make_dispatch(case).solve(p_base_kw, q_base_kvar)


def check_files(states: Path, out: Path) -> None:
    """Refuse what can be seen to fail before any work.

    Raises:
        CommandError: ``states`` is no file, one of the two is neither .npz nor .csv, or ``out``
            exists.
    """
    for name, path in (("--states", states), ("--out", out)):
        if path.suffix.lower() not in (".npz", ".csv"):
            raise CommandError(f"{name}: {path} must end in .npz or .csv")
    if not states.is_file():
        near = [p.name for p in states.parent.glob("*")] if states.parent.is_dir() else []
        raise CommandError(f"--states: there is no file {states}{did_you_mean(states.name, near)}")
    if out.exists():
        raise CommandError(f"--out: {out} exists already, nothing is overwritten; name a new one")


def write_answers(path: Path, answers: Mapping[str, Any]) -> None:
    """Write (N, n) and (N,) arrays by the suffix of ``path``.

    Args:
        path: ``.npz``: arrays by name. ``.csv``: columns ``name_1..n`` of an (N, n) array and
            ``name`` of an (N,) one; numbers keep all their digits, booleans are 1 and 0.
        answers: Arrays of the same N.
    """
    import numpy as np

    if path.suffix.lower() == ".npz":
        with replacing(path) as file:
            np.savez(file, **answers)
        return
    header: list[str] = []
    columns = []
    for name, values in answers.items():
        wide = values.ndim == 2
        header += [f"{name}_{i + 1}" for i in range(values.shape[1])] if wide else [name]
        whole = values.astype(int) if values.dtype == bool else values
        columns.append(whole if wide else whole[:, np.newaxis])
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(header)
        for parts in zip(*columns, strict=True):
            writer.writerow([value for part in parts for value in part.tolist()])
        text.detach()


def _named(mask: Any) -> str:
    """Return e.g. ``3 of 10 states (rows 0, 4, 7, counted from 0)``."""
    rows = [int(i) for i in mask.nonzero()[0]]
    first = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"{len(rows)} of {len(mask)} states (rows {first}, counted from 0)"
