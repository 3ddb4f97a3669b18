"""Pictures of a case of states: its one-line diagram, and what rules and a run do on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rllib_grid import Case
from tuning.casework.case_pictures import draw_rules
from tuning.drawing.one_line import ONE_LINE_PNG, draw_one_line
from tuning.errors import CommandError
from tuning.judging import rules
from tuning.judging.actions import apply
from tuning.judging.evaluation import test_states


def draw_states(
    case: Case, run: Path | None, num_states: int, folder: Callable[[], Path]
) -> list[Path]:
    """Draw the tree of a case, and no control, the team-optimal rule, the optimum and a run on it.

    Args:
        case: The case.
        run: Whose controllers are shown too; none if None.
        num_states: Number of test states.
        folder: Makes the folder that the pictures are written to.

    Returns:
        The files.

    Raises:
        CommandError: A folder cannot be read or written, or no state has a feasible dispatch.
    """
    states = test_states(case, num_states)
    nothing = np.zeros_like(states[0])
    done = {
        rules.NO_CONTROL: apply(case, *states, nothing, nothing),
        rules.TEAM_RULE: rules.team_actions(case, *states),
    }
    if run is not None:
        done[rules.TRAINED] = rules.trained_actions(run, case, *states)
    done[rules.OPTIMUM] = rules.optimal_actions(case, *states)
    if np.isnan(done[rules.OPTIMUM].cost_kw).all():
        raise CommandError(
            f"none of {num_states} states of {case.name} has a feasible dispatch: widen its "
            "voltage limits or raise its control limits"
        )
    path = folder()
    draw_one_line(case, path / ONE_LINE_PNG)
    return [path / ONE_LINE_PNG, *draw_rules(case, done, path)]
