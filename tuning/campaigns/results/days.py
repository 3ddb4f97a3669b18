"""What a run on days comes to: the gap closed, cost in EUR a day, and the yardsticks beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuning.campaigns.results.runs import Run
from tuning.judging.day_evaluation import DayJudgement

RULES = {
    "gap": (
        "gap closed: the share of the mean cost from no control to perfect foresight that the last "
        "stage saves on the test days"
    ),
}


@dataclass(frozen=True)
class DayYardsticks:
    """What stands beside the algorithms.

    Attributes:
        idle: No control.
        price_rule: The rule that needs no learning.
        receding_horizon: The central rival, with forecasts.
        perfect_foresight: The optimum.
    """

    idle: DayJudgement
    price_rule: DayJudgement
    receding_horizon: DayJudgement
    perfect_foresight: DayJudgement

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> DayYardsticks:
        """Return those of a report."""
        return cls(**{name: DayJudgement(**e) for name, e in report["yardsticks"].items()})

    def to_json(self) -> dict[str, Any]:
        """Return their part of ``comparison.json``."""
        held = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"yardsticks": {name: judgement.entry() for name, judgement in held.items()}}


def day_figures(run: Run) -> dict[str, float | None]:
    """Return the figures of one run that are summarised over seeds; fractions, EUR, seconds."""
    final = run.report["stages"][-1]
    names = [field.name for field in dataclasses.fields(DayJudgement) if field.name in final]
    return {
        **{name: final[name] for name in names},
        "saved_of_receding_horizon": final["saved_of_receding_horizon"],
        "episodes": sum(entry["episodes"] for entry in run.report["stages"]),
        "wall_s": sum(entry["wall_s"] for entry in run.report["stages"]),
    }
