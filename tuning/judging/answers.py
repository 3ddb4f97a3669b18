"""From a file of states to a file of answers: what controllers do, or the optimum. No Ray."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from policies.controllers.files import load_controllers
from rllib_grid import Case, DispatchResult, load_states, make_case, make_dispatch
from tuning.commands.answers import EvaluateArgs, OptimumArgs
from tuning.judging.evaluation import judge
from tuning.judging.execution import run_controllers
from tuning.judging.samples import Floats, reward_error
from tuning.records.files import replacing
from tuning.records.run_folder import RunFolder


def evaluate_states(case: Case, run: RunFolder, args: EvaluateArgs) -> None:
    """Run the controllers of a run over the states of a file, and write what they do.

    Writes ``p_ctrl_kw, q_ctrl_kvar, v_pu`` (N, n) and ``cost_kw`` (N,), with ``optimum`` also
    ``optimal_cost_kw`` and ``per`` (N,); where the case charges probes also ``step_cost_kw`` (N,),
    of the whole time step, which ``per`` is then of.

    Args:
        case: Of the run.
        run: Its folder.
        args: As returned by `tuning.commands.answers.check_evaluate`.

    Raises:
        ValueError: Bad input, of one of the project's own classes.
    """
    assert args.states is not None  # it was checked
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


def run_optimum(args: OptimumArgs) -> None:
    """Write the optimal dispatch of the states of a file.

    Writes ``p_ctrl_kw, q_ctrl_kvar, v_pu`` (N, n), ``cost_kw`` and ``feasible`` (N,); the rows of
    infeasible states are NaN.

    Raises:
        ValueError: Bad input, of one of the project's own classes.
    """
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
    return make_dispatch(case).solve(p_base_kw, q_base_kvar)


def write_answers(path: Path, answers: Mapping[str, Any]) -> None:
    """Write (N, n) and (N,) arrays by the suffix of ``path``.

    Args:
        path: ``.npz``: arrays by name. ``.csv``: columns ``name_1..n`` of an (N, n) array and
            ``name`` of an (N,) one; numbers keep all their digits, booleans are 1 and 0.
        answers: Arrays of the same N.
    """
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
