"""``python -m tuning show``: pictures of a case, and of what rules do on it."""

from __future__ import annotations

import numpy as np

from tuning.casework.case_pictures import draw_rules
from tuning.commands.show import ShowArgs
from tuning.drawing.one_line import draw_one_line
from tuning.errors import CommandError
from tuning.judging import rules
from tuning.judging.actions import apply
from tuning.judging.evaluation import test_states
from tuning.records.run_folder import create_run

ONE_LINE_PNG = "one_line.png"


def run_show(args: ShowArgs) -> None:
    """Draw the tree of a case, and no control, the team-optimal rule, the optimum and a run on it.

    Args:
        args: As returned by `show_args.check`.

    Raises:
        CommandError: A folder cannot be read or written, or no state has a feasible dispatch.
    """
    case = rules.find_case(args.case, args.case_settings, args.run)
    states = test_states(case, args.states)
    nothing = np.zeros_like(states[0])
    done = {
        rules.NO_CONTROL: apply(case, *states, nothing, nothing),
        rules.TEAM_RULE: rules.team_actions(case, *states),
    }
    if args.run is not None:
        done[rules.TRAINED] = rules.trained_actions(args.run, case, *states)
    done[rules.OPTIMUM] = rules.optimal_actions(case, *states)
    if np.isnan(done[rules.OPTIMUM].cost_kw).all():
        raise CommandError(
            f"none of {args.states} states of {case.name} has a feasible dispatch: widen its "
            "voltage limits or raise its control limits"
        )
    folder = create_run(args.out, f"show-{case.name}").path
    draw_one_line(case, folder / ONE_LINE_PNG)
    files = [folder / ONE_LINE_PNG, *draw_rules(case, done, folder)]
    print(f"{folder}: {', '.join(file.name for file in files)}")
