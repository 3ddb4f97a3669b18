"""What runs of several algorithms, cases and seeds come to: pure functions over their reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuning.campaigns.results import days, states
from tuning.campaigns.results.curves import BandPoint, band_of, band_to_json, curve_of
from tuning.campaigns.results.days import DayYardsticks, day_figures
from tuning.campaigns.results.runs import Run
from tuning.campaigns.results.seeds import Summary, summarise
from tuning.campaigns.results.states import (
    Histogram,
    StateYardsticks,
    best_round,
    final_entry,
    histogram_of,
    per_by_round,
    state_figures,
)
from tuning.judging.paper_results import PAPER_ROWS, PaperResult
from tuning.records.measures import GAP_CLOSED, PER, Measure


@dataclass(frozen=True, kw_only=True)
class Row:
    """The seeds of one algorithm in one case.

    Attributes:
        title: Of the algorithm.
        preset: That it was trained with.
        measure: What it is compared by.
        seeds: Trained.
        figures: Of the last stage, or of `round`, by name; see `state_figures`, `day_figures`.
        by_stage: The measure's figure of each stage.
        curve: Of the validated value over the episodes.
        round: By which an iterated actor is judged.
        by_round: Mean PER by round of an iterated actor.
        histogram: Of the PER; None of days.
        paper: What the paper has of the algorithm; None of days, and where it has nothing.
    """

    title: str
    preset: str
    measure: Measure
    seeds: tuple[int, ...]
    figures: Mapping[str, Summary]
    by_stage: tuple[Summary, ...]
    curve: tuple[BandPoint, ...]
    round: int | None = None
    by_round: Mapping[int, Summary] = field(default_factory=dict)
    histogram: Histogram | None = None
    paper: PaperResult | None = None

    @property
    def stages(self) -> int:
        """Number of stages K."""
        return len(self.by_stage)

    @property
    def compared(self) -> Summary:
        """The figure that it is compared by."""
        return self.figures[self.measure.figure]

    def to_json(self) -> dict[str, Any]:
        """Return the row of ``comparison.json``."""
        asdict = dataclasses.asdict
        row: dict[str, Any] = {
            "name": self.title,
            "preset": self.preset,
            "seeds": self.seeds,
            "stages": self.stages,
            "figures": {name: asdict(summary) for name, summary in self.figures.items()},
            f"stage_{self.measure.figure}": [asdict(summary) for summary in self.by_stage],
            "curve": band_to_json(self.curve, self.measure.validated.removeprefix("validation_")),
        }
        if self.histogram is not None:
            row |= {
                "round": self.round,
                "round_per_mean": [{"round": r, **asdict(s)} for r, s in self.by_round.items()],
                "histogram": {"states": self.histogram.states, "counts": self.histogram.counts},
                "paper": None if self.paper is None else asdict(self.paper),
            }
        return row


@dataclass(frozen=True)
class ComparedCase:
    """All algorithms in one case.

    Attributes:
        measure: What they are compared by.
        agents: Number of agents.
        tested: Number of test states or days.
        yardsticks: What stands beside them.
        rows: By algorithm; in an ablation, by change.
    """

    measure: Measure
    agents: int
    tested: int
    yardsticks: StateYardsticks | DayYardsticks
    rows: Mapping[str, Row]

    def to_json(self) -> dict[str, Any]:
        """Return the case of ``comparison.json``."""
        return {
            "agents": self.agents,
            f"test_{self.measure.kind}": self.tested,
            **self.yardsticks.to_json(),
            "algorithms": {name: row.to_json() for name, row in self.rows.items()},
        }


@dataclass(frozen=True)
class Comparison:
    """Everything that the tables and pictures of a comparison show.

    Attributes:
        rules: How figures are made, in words.
        commits: Of the code that the runs were made with.
        cases: By name.
        all_cases: PER over several cases of states, each a stratum, by algorithm.
    """

    rules: Mapping[str, str]
    commits: tuple[str, ...]
    cases: Mapping[str, ComparedCase]
    all_cases: Mapping[str, Summary]

    def of_kind(self, measure: Measure) -> dict[str, ComparedCase]:
        """Return the cases whose algorithms are compared by a measure."""
        return {name: case for name, case in self.cases.items() if case.measure is measure}

    def title(self, algorithm: str) -> str:
        """Return the title of an algorithm that ran in any case."""
        rows = [case.rows for case in self.cases.values()]
        return next(found[algorithm].title for found in rows if algorithm in found)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``comparison.json``."""
        histograms = [
            row.histogram
            for case in self.cases.values()
            for row in case.rows.values()
            if row.histogram is not None
        ]
        return {
            "rules": self.rules,
            "commits": self.commits,
            "histogram_edges": histograms[0].edges if histograms else None,
            "cases": {name: case.to_json() for name, case in self.cases.items()},
            "all_cases": {name: dataclasses.asdict(s) for name, s in self.all_cases.items()},
        }


def compare_runs(runs: Sequence[Run], limits: Mapping[str, Mapping[int, float]]) -> Comparison:
    """Compare finished runs.

    Args:
        runs: At least one; rows keep the order in which they first appear.
        limits: Mean PER of the stage-wise information limit by case, where known, and number of
            stages; that of the full state stands at 0.
    """
    cases = {}
    for name in dict.fromkeys(run.case for run in runs):
        mine = [run for run in runs if run.case == name]
        cases[name] = _case(mine, limits.get(name, {}))
    kinds = {case.measure.kind for case in cases.values()}
    rules = (states.RULES if "states" in kinds else {}) | (days.RULES if "days" in kinds else {})
    commits = sorted({str(run.config.get("git_commit")) for run in runs})
    return Comparison(rules, tuple(commits), cases, _all_cases(cases))


def figures_of(run: Run, number: int | None = None) -> dict[str, float | None]:
    """Return the figures of one run that are summarised over seeds.

    Args:
        run: A finished run.
        number: The round by which an iterated actor is judged.
    """
    return day_figures(run) if run.measure is GAP_CLOSED else state_figures(run, number)


def _case(runs: Sequence[Run], limits: Mapping[int, float]) -> ComparedCase:
    report, measure = runs[0].report, runs[0].measure
    return ComparedCase(
        measure=measure,
        agents=len(runs[0].config["case"]["groups"]),
        tested=report[f"test_{measure.kind}"],
        yardsticks=(
            DayYardsticks.of(report)
            if measure is GAP_CLOSED
            else StateYardsticks.of(report, limits)
        ),
        rows={
            name: _row([run for run in runs if run.algorithm == name])
            for name in dict.fromkeys(run.algorithm for run in runs)
        },
    )


def _row(runs: Sequence[Run]) -> Row:
    """Summarise the seeds of one algorithm in one case."""
    runs = sorted(runs, key=lambda run: run.seed)
    reports, measure = [run.report for run in runs], runs[0].measure
    number = best_round(reports)
    figures = [figures_of(run, number) for run in runs]
    stages = range(min(len(report["stages"]) for report in reports))
    row = Row(
        title=reports[0]["algorithm"],
        preset=reports[0]["preset"],
        measure=measure,
        seeds=tuple(run.seed for run in runs),
        figures={name: summarise([found[name] for found in figures]) for name in figures[0]},
        by_stage=tuple(
            summarise([report["stages"][k][measure.figure] for report in reports]) for k in stages
        ),
        curve=band_of([curve_of(report, measure.validated) for report in reports]),
    )
    if measure is GAP_CLOSED:
        return row
    return dataclasses.replace(
        row,
        round=number,
        by_round={r: summarise(values) for r, values in per_by_round(reports).items()},
        histogram=histogram_of([final_entry(report, number) for report in reports]),
        paper=PAPER_ROWS.get(runs[0].algorithm),
    )


def _all_cases(cases: Mapping[str, ComparedCase]) -> dict[str, Summary]:
    """Summarise the PER over several cases, each a stratum, of algorithms that ran in them all."""
    rows = [case.rows for case in cases.values() if case.measure is PER]
    if len(rows) < 2:
        return {}
    return {
        name: summarise(*(row[name].compared.values for row in rows))
        for name in rows[0]
        if all(name in row for row in rows)
    }
