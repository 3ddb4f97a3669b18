"""What a run on states comes to: PER, regret, violations, and the yardsticks beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuning.campaigns.results.curves import (
    TOLERANCE,
    curve_of,
    episodes_to_optimised,
    episodes_to_pass,
)
from tuning.campaigns.results.runs import Run
from tuning.campaigns.results.seeds import INTERVAL_RULE, interquartile_mean
from tuning.judging.evaluation import Judgement
from tuning.judging.paper_results import PAPER_ROWS
from tuning.judging.samples import CDF_AT_PER_CENT
from tuning.records.measures import PER

Entry = Mapping[str, Any]  # of a report

RULES = {
    "optimised": (
        "episodes to optimised performance: the first count of training episodes (all stages) at "
        f"which the validation PER is within {TOLERANCE:.0%}, relative, of the best it ever has; "
        "what updates win after the last episode of a stage counts at that episode"
    ),
    "paper": (
        "episodes to pass the paper: the first count at which the validation PER is below the "
        "paper's mean PER of that algorithm"
    ),
    "interval": INTERVAL_RULE,
    "round": "iterated: the round with the lowest such mean, one and the same for all seeds",
}


@dataclass(frozen=True)
class Histogram:
    """PER of the test states of several seeds.

    Attributes:
        states: How many there are.
        edges: Of the bins, fractions.
        counts: Of states in each bin.
    """

    states: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class StateYardsticks:
    """What stands beside the algorithms.

    Attributes:
        team_rule: The best rule of a single stage.
        zero_action: No control.
        information_limit: Mean PER that so many stages can reach, where known; that of the full
            state stands at 0.
    """

    team_rule: Judgement
    zero_action: Judgement
    information_limit: Mapping[int, float]

    @classmethod
    def of(cls, report: Entry, limits: Mapping[int, float]) -> StateYardsticks:
        """Return those of a report and of the limits of its case."""
        rule, nothing = (Judgement(**report[name]) for name in ("team_rule", "zero_action"))
        return cls(rule, nothing, dict(sorted(limits.items())))

    def to_json(self) -> dict[str, Any]:
        """Return their part of ``comparison.json``."""
        return {
            "team_rule": _without_histogram(self.team_rule),
            "zero_action": _without_histogram(self.zero_action),
            "information_limit": {str(k): float(v) for k, v in self.information_limit.items()},
        }


def limit_name(stages: int) -> str:
    """Return the name of an information limit; that of the full state stands at 0."""
    if stages == 0:
        return "full state"
    return f"{stages} stage{'s' if stages != 1 else ''}"


def _without_histogram(judgement: Judgement) -> dict[str, Any]:
    return {name: x for name, x in judgement.entry().items() if name != "per_histogram"}


def state_figures(run: Run, number: int | None = None) -> dict[str, float | None]:
    """Return the figures of one run that are summarised over seeds; fractions, kW, seconds.

    Args:
        run: A finished run.
        number: The round by which an iterated actor is judged.
    """
    final, curve = final_entry(run.report, number), curve_of(run.report, PER.validated)
    paper = PAPER_ROWS.get(run.algorithm)
    passed = episodes_to_pass(curve, paper.per_mean) if paper is not None else None
    cdf = final["per_cdf"]
    return {
        "per_mean": final["per_mean"],
        **{f"per_below_{x}": cdf[str(x)] for x in CDF_AT_PER_CENT},
        "regret_kw_mean": final["regret_kw_mean"],
        "regret_ratio": final["regret_ratio"],
        "voltage_violation_rate": final["voltage_violation_rate"],
        "voltage_violation_max_pu": final["voltage_violation_max_pu"],
        "episodes": sum(entry["episodes"] for entry in run.report["stages"]),
        "episodes_to_optimised": episodes_to_optimised(curve),
        "episodes_to_paper": passed,
        "wall_s": sum(entry["wall_s"] for entry in run.report["stages"]),
    }


def histogram_of(finals: Sequence[Entry]) -> Histogram:
    """Return the histogram of several seeds together.

    Args:
        finals: What each of them is judged by, see `final_entry`.
    """
    counts = np.sum([final["per_histogram"]["counts"] for final in finals], axis=0)
    return Histogram(
        states=sum(final["states"] for final in finals),
        edges=tuple(finals[0]["per_histogram"]["edges"]),
        counts=tuple(counts.tolist()),
    )


def best_round(reports: Sequence[Entry]) -> int | None:
    """Return the round with the lowest mean PER over seeds; None where no actor was iterated."""
    means = {
        number: float(interquartile_mean(values))
        for number, values in per_by_round(reports).items()
    }
    return min(means, key=lambda number: means[number]) if means else None


def per_by_round(reports: Sequence[Entry]) -> dict[int, list[float]]:
    """Return the mean PER of every seed by round, of the rounds that all seeds have."""
    tables = [
        {
            int(entry["round"]): float(entry["per_mean"])
            for entry in report.get("rounds") or ()
            if entry["per_mean"] is not None
        }
        for report in reports
    ]
    common = set.intersection(*(set(table) for table in tables)) if tables else set()
    return {number: [table[number] for table in tables] for number in sorted(common)}


def final_entry(report: Entry, number: int | None) -> Entry:
    """Return what a run is judged by: its last stage, or round ``number`` if that is given."""
    if number is not None:
        rounds: Sequence[Entry] = report["rounds"]
        return next(entry for entry in rounds if int(entry["round"]) == number)
    stages: Sequence[Entry] = report["stages"]
    return stages[-1]
