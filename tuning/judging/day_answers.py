"""From days to a file of answers: what the controllers of a run do on them. No Ray."""

from __future__ import annotations

from typing import Any

import numpy as np

from policies.controllers.files import load_controllers
from rllib_grid import DayCase
from rllib_grid.envs.day_rollout import DayRecord
from rllib_grid.sources.profile_file import FileProfiles
from tuning.commands.answers import EvaluateArgs
from tuning.judging.answers import write_answers
from tuning.judging.day_evaluation import DayJudge
from tuning.options.shared import TEST_DAYS
from tuning.records.run_folder import RunFolder


def evaluate_days(case: DayCase, run: RunFolder, args: EvaluateArgs) -> None:
    """Run the controllers of a run over its test days, or those of a file; write what they do.

    Of N days of T steps an .npz holds ``dates`` (N,), ``p_ctrl_kw, q_ctrl_kvar, v_pu`` (N, T, n),
    ``soc_kwh`` (N, T + 1, n) and ``cost_eur`` (N,), with heat pumps also ``p_heat_kw`` (N, T, n)
    and ``t_in_c`` (N, T + 1, n), with ``optimum`` also ``optimal_cost_eur`` (N,). A .csv has a row
    per step: its date and number, what is true of each bus (charge and temperature after the
    step), and the cost of its whole day.

    Args:
        case: Of the run.
        run: Its folder.
        args: As returned by `tuning.commands.answers.check_evaluate`.

    Raises:
        ValueError: Bad input, of one of the project's own classes.
    """
    judge = judge_of(case, args)
    controllers = load_controllers(run.controllers)
    stage = args.stage or next(iter(controllers.values())).num_stages
    record = judge.run_controllers(controllers, stage)
    days = {"cost_eur": record.cost_eur}
    if args.optimum:
        days["optimal_cost_eur"] = judge.foresight.cost_eur
    whole = args.out.suffix.lower() == ".npz"
    answers = _by_day(judge, record) if whole else _by_step(judge, record)
    if not whole:
        days = {name: np.repeat(values, judge.days.num_steps) for name, values in days.items()}
    write_answers(args.out, {**answers, **days})

    found = judge.judge(record)
    print(f"{judge.days.num_days} days of {case.name}, stage {stage}")
    print(f"  mean cost         {found.cost_eur_mean:,.4g} EUR a day")
    print(f"  steps that violate {found.step_violation_rate:.2%}", end="")
    print(f", at most {found.violation_max_pu:.2g} p.u. out of bounds")
    if args.optimum:
        print(f"  gap closed        {found.gap_closed:.1%} of the way to perfect foresight")
    print(f"written to {args.out}")


def judge_of(case: DayCase, args: EvaluateArgs) -> DayJudge:
    """Return the judge of the test days, or of all days of a file."""
    if args.profiles is None:
        return DayJudge(case, "test", args.test_days or TEST_DAYS)
    source = FileProfiles(path=str(args.profiles.resolve()), num_steps=case.year.num_steps)
    days = source.load(case.num_buses)
    return DayJudge(case, days, args.test_days or days.num_days)


def _by_day(judge: DayJudge, record: DayRecord) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "dates": judge.days.dates.astype(str),
        "p_ctrl_kw": record.p_ctrl_kw,
        "q_ctrl_kvar": record.q_ctrl_kvar,
        "v_pu": record.v_pu,
        "soc_kwh": record.soc_kwh,
    }
    if record.heat is not None:
        answers |= {"p_heat_kw": record.heat.p_heat_kw, "t_in_c": record.heat.t_in_c}
    return answers


def _by_step(judge: DayJudge, record: DayRecord) -> dict[str, Any]:
    found = _by_day(judge, record)
    steps = judge.days.num_steps
    answers: dict[str, Any] = {
        "date": np.repeat(found.pop("dates"), steps),
        "step": np.tile(np.arange(1, steps + 1), judge.days.num_days),
    }
    for name, values in found.items():
        after = values[:, -steps:]  # of T + 1 instants those after the steps
        answers[name] = after.reshape(-1, values.shape[-1])  # (N * T, n)
    return answers
