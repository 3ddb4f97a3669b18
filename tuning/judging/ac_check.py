"""What the AC power flow says of controllers that were trained and judged on LinDistFlow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from policies.controllers.agent import AgentController
from rllib_grid import Case, GridError, make_dispatch
from rllib_grid.physics import ac, lindistflow
from tuning.judging.actions import Actions, apply
from tuning.judging.evaluation import judge
from tuning.judging.execution import run_controllers
from tuning.judging.samples import Floats

logger = logging.getLogger(__name__)

_MOST_NUMBERS = 120_000  # states times buses, so that no feeder takes more than some seconds
_FIGURES = (
    "per_mean",
    "regret_kw_mean",
    "cost_kw_mean",
    "voltage_violation_rate",
    "voltage_violation_max_pu",
    "infeasible_states",
)


def ac_check(
    case: Case, controllers: Mapping[str, AgentController], p_base_kw: Floats, q_base_kvar: Floats
) -> dict[str, Any] | None:
    """Judge the controllers' last actions under AC power flow, against the AC optimum.

    Probes are not charged here: all figures are of the last actions alone. All of 10,000 states
    are checked on feeders of up to 12 buses, on larger ones the first of them.

    Args:
        case: LinDistFlow case of the controllers.
        controllers: One per agent.
        p_base_kw: (N, n).
        q_base_kvar: (N, n).

    Returns:
        The entry of ``report.json``; None where there is nothing to check (the case is an AC one)
        or no AC optimum to check against.
            ``lindistflow``: figures of the last stage as LinDistFlow has them, lowest and highest
            voltage of all buses and states among them.
            ``rescored``: the same actions, taken on LinDistFlow's voltages, under AC.
            ``run_on_ac``: controllers that measure AC voltages, as they would in a real grid.
            ``model_error``: what LinDistFlow gets wrong, see `model_errors`.
    """
    if case.physics == "ac":
        return None
    ac_case = case.replace(physics="ac")
    count = max(1, _MOST_NUMBERS // case.num_buses)
    states = (p_base_kw[:count], q_base_kvar[:count])
    acted = _last(run_controllers(case, controllers, *states))
    base = states if acted.base is None else acted.base  # where demand moves, by the same stream
    optimum = make_dispatch(case).solve(*base)
    try:
        ac_optimal_kw = make_dispatch(ac_case).solve(*base).cost_kw
    except GridError as error:
        logger.warning("no AC check: %s", error)
        return None
    rescored = apply(ac_case, *base, acted.p_ctrl_kw, acted.q_ctrl_kvar)
    measured = _last(run_controllers(ac_case, controllers, *states))
    return {
        "states": len(states[0]),
        "lindistflow": _figures(case, base, acted, optimum.cost_kw),
        "rescored": _figures(ac_case, base, rescored, ac_optimal_kw),
        "run_on_ac": _figures(ac_case, base, measured, ac_optimal_kw),
        "model_error": model_errors(case, *base, optimum.p_ctrl_kw, optimum.q_ctrl_kvar),
    }


def model_errors(
    case: Case, p_base_kw: Floats, q_base_kvar: Floats, p_ctrl_kw: Floats, q_ctrl_kvar: Floats
) -> dict[str, dict[str, float]]:
    """How far LinDistFlow is from AC, without control and with some; arguments (N, n).

    LinDistFlow overestimates every voltage, whatever the direction of the flows: it leaves out
    that losses have to be carried too. So its lower voltage bound is the unsafe one.

    Returns:
        For ``no_control`` and ``optimal`` (rows of NaN, without an optimum, left out): largest and
        root-mean-square ``voltage_max_pu`` and ``voltage_rms_pu`` over states and buses,
        ``loss`` of all states together as a share of the AC loss (positive: overestimated),
        ``loss_max``, the largest of any state, and ``collapsed_states``, which are left out.
    """
    some = np.isfinite(p_ctrl_kw).all(axis=1)
    loads = {
        "no_control": (p_base_kw, q_base_kvar),
        "optimal": ((p_base_kw + p_ctrl_kw)[some], (q_base_kvar + q_ctrl_kvar)[some]),
    }
    return {name: _model_error(case, *load) for name, load in loads.items()}


def _model_error(case: Case, p_kw: Floats, q_kvar: Floats) -> dict[str, float]:
    flow = ac.solve(case.feeder, case.v_head_pu, p_kw, q_kvar, collapsed="floor")
    kept = flow.converged
    v_error = (lindistflow.v_pu(case.feeder, case.v_head_pu, p_kw, q_kvar) - flow.v_pu)[kept]
    loss_kw = lindistflow.loss_kw(case.feeder, case.v_head_pu, p_kw, q_kvar)[kept]
    ac_loss_kw = flow.loss_kw[kept]
    if not kept.any():
        names = ("voltage_max_pu", "voltage_rms_pu", "loss", "loss_max")
        return {**dict.fromkeys(names, np.nan), "collapsed_states": len(kept)}
    return {
        "voltage_max_pu": float(np.abs(v_error).max()),
        "voltage_rms_pu": float(np.sqrt(np.mean(v_error**2))),
        "loss": float(loss_kw.sum() / ac_loss_kw.sum() - 1),
        "loss_max": float(np.abs(loss_kw / ac_loss_kw - 1).max()),
        "collapsed_states": int(np.sum(~kept)),
    }


def _last(results: list[Actions]) -> Actions:
    return replace(results[-1], step_cost_kw=None)


def _figures(
    case: Case, base: tuple[Floats, Floats], actions: Actions, optimal_kw: Floats
) -> dict[str, float]:
    entry = judge(case, actions, optimal_kw).entry()
    buildings_kw = case.control_cost_kw(actions.p_ctrl_kw, actions.q_ctrl_kvar).sum(axis=1)
    loss_kw_mean = float((actions.cost_kw - buildings_kw).mean())
    return {
        **{name: entry[name] for name in _FIGURES},
        "loss_kw_mean": loss_kw_mean,
        "v_min_pu": float(actions.v_pu.min()),
        "v_max_pu": float(actions.v_pu.max()),
    }
