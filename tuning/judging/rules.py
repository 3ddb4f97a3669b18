"""Rules side by side: what each of them does in the same states, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from policies.controllers.files import load_controllers
from rllib_grid import BASELINES, make_case, make_dispatch, team_optimal
from tuning.judging.actions import Actions, apply, loading
from tuning.judging.dispatch_progress import DispatchProgress
from tuning.judging.evaluation import Judgement, judge
from tuning.judging.execution import run_controllers
from tuning.judging.samples import Floats
from tuning.options.case_settings import read_case_settings
from tuning.records.run_folder import finished_run, load_run

if TYPE_CHECKING:
    from rllib_grid import Case

NO_CONTROL = "no control"
TEAM_RULE = "team-optimal rule"
OPTIMUM = "optimum"
TRAINED = "trained"

_CHUNK = 250  # states that are solved between two signs of progress


def find_case(name: str, settings: Sequence[str] | None, run: Path | None) -> Case:
    """Return the case of a run, or the one named, with its changes, where there is no run.

    Raises:
        CommandError: ``run`` is no run folder, or a setting is not one of the case's.
    """
    if run is not None:
        return load_run(run).state_case("its own report has the baselines")
    return make_case(name, **read_case_settings(name, settings or ()))


def baseline_actions(
    case: Case, p_base_kw: Floats, q_base_kvar: Floats
) -> Iterator[tuple[str, Actions]]:
    """Yield the name and the actions of every fixed rule, in (N, n) states.

    Raises:
        GridError: Naming the state in which a rule does not settle.
    """
    base = p_base_kw, q_base_kvar
    for name, rule in BASELINES.items():
        yield name, apply(case, *base, *rule(case, *base))


def team_actions(case: Case, p_base_kw: Floats, q_base_kvar: Floats) -> Actions:
    """Return what the team-optimal rule does in (N, n) states."""
    base = p_base_kw, q_base_kvar
    return apply(case, *base, *team_optimal(case, *base))


def optimal_actions(case: Case, p_base_kw: Floats, q_base_kvar: Floats) -> Actions:
    """Return the optimal dispatch of (N, n) states; the rows of infeasible ones are NaN.

    Shows its progress: with inverter ratings, minutes can pass.
    """
    dispatch = make_dispatch(case)
    parts = []
    with DispatchProgress(len(p_base_kw)) as progress:
        for start in range(0, len(p_base_kw), _CHUNK):
            rows = slice(start, start + _CHUNK)
            found = dispatch.solve(p_base_kw[rows], q_base_kvar[rows])
            parts.append((found.p_ctrl_kw, found.q_ctrl_kvar, found.v_pu, found.cost_kw))
            progress.update(min(start + _CHUNK, len(p_base_kw)))
    p_ctrl_kw, q_ctrl_kvar, v_pu, cost_kw = map(np.concatenate, zip(*parts, strict=True))
    loaded = loading(case, p_base_kw + p_ctrl_kw, q_base_kvar + q_ctrl_kvar)
    return Actions(p_ctrl_kw, q_ctrl_kvar, v_pu, cost_kw, branch_loading=loaded)


def trained_actions(run: Path, case: Case, p_base_kw: Floats, q_base_kvar: Floats) -> Actions:
    """Return what the last stage of a run does in (N, n) states.

    Raises:
        CommandError: The run has no controllers, or not those of this case.
    """
    controllers = load_controllers(finished_run(run).controllers)
    return run_controllers(case, controllers, p_base_kw, q_base_kvar)[-1]


def feasible_rows(actions: Actions) -> Actions:
    """Leave out the states in which nothing could be done."""
    rows = ~np.isnan(actions.cost_kw)
    return Actions(
        actions.p_ctrl_kw[rows],
        actions.q_ctrl_kvar[rows],
        actions.v_pu[rows],
        actions.cost_kw[rows],
        branch_loading=None if actions.branch_loading is None else actions.branch_loading[rows],
    )


def judge_rules(
    case: Case, done: Mapping[str, Actions], optimal_cost_kw: Floats
) -> dict[str, Judgement]:
    """Judge every rule; the optimum on its feasible states alone, and not at all if it has none.

    Args:
        case: Gives the voltage bounds.
        done: Actions in the same N states, by rule.
        optimal_cost_kw: (N,) cost of the optimum, NaN where it is infeasible. Actions that met
            another demand, because it drifted, are held against the optimum of that.
    """
    judged = {}
    for name, actions in done.items():
        costs = optimal_cost_kw
        if actions.base is not None:
            costs = optimal_actions(case, *actions.base).cost_kw
        rows = ~np.isnan(actions.cost_kw)
        if rows.all():
            judged[name] = judge(case, actions, costs)
        elif rows.any():
            judged[name] = judge(case, feasible_rows(actions), costs[rows])
    return judged
