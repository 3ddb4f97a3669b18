"""What is wrong with a result, in words: it stands at the top of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]


def shortfalls_of_states(last: Entry, rule: Entry, idle: Entry) -> list[str]:
    """Return what the last stage breaks, and which yardsticks it falls short of.

    Args:
        last: Its entry of ``report.json``; see `tuning.judging.evaluation.Judgement`.
        rule: That of the team-optimal rule.
        idle: That of no control.
    """
    found = _voltages(
        last["voltage_violation_rate"], last["voltage_violation_max_pu"], "the test states"
    )
    if last.get("infeasible_states"):
        found.append(
            f"no dispatch at all is feasible in {last['infeasible_states']:,} of "
            f"{last['states']:,} test states"
        )
    if last.get("branch_overload_rate"):
        found.append(
            f"branches overloaded in {_share(last['branch_overload_rate'])} of the test states, "
            f"up to {last['branch_loading_max']:.1%} of their limit"
        )
    for name, rival in (("the team-optimal rule", rule), ("no control", idle)):
        if last["per_mean"] > rival["per_mean"]:
            found.append(
                f"worse than {name}: mean PER {last['per_mean']:.2%} against "
                f"{rival['per_mean']:.2%}{_broken(rival['voltage_violation_rate'], 'states')}"
            )
    return found


def shortfalls_of_days(last: Entry, idle: Entry) -> list[str]:
    """Return what the last stage breaks, and whether it is worse than no control.

    Args:
        last: Its entry of ``report.json``; see `tuning.judging.day_evaluation.DayJudgement`.
        idle: That of no control.
    """
    found = _voltages(last["step_violation_rate"], last["violation_max_pu"], "all steps")
    if last["cost_eur_mean"] > idle["cost_eur_mean"]:
        found.append(
            f"worse than no control: {last['cost_eur_mean']:.4g} EUR a day against "
            f"{idle['cost_eur_mean']:.4g}{_broken(idle['step_violation_rate'], 'steps')}"
        )
    return found


def _voltages(rate: float, most_pu: float, of: str) -> list[str]:
    if rate == 0:
        return []
    return [f"voltages out of bounds in {_share(rate)} of {of}, at most by {most_pu:.1e} p.u."]


def _share(rate: float) -> str:
    """In per cent, as precise as it takes to tell it from 0."""
    return f"{rate:.2%}" if rate >= 5e-5 else f"{100 * rate:.1g} %"


def _broken(rate: float, of: str) -> str:
    return f", which violates bounds in {_share(rate)} of the {of}" if rate > 0 else ""
