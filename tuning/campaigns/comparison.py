"""What runs of several algorithms, cases and seeds come to: pure functions over their reports.

Seeds are summarised by the interquartile mean with a stratified bootstrap interval, after
Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuning.judging.paper import PAPER_ROWS
from tuning.judging.samples import CDF_AT_PER_CENT, Floats

Entry = Mapping[str, Any]
Summary = dict[str, Any]

TOLERANCE = 0.05  # relative, of the final best validation PER
TRIMMED = 0.25  # on each side: what is left is the interquartile mean
RESAMPLES = 5_000
LEVEL = 0.95
_BOOTSTRAP_SEED = 0

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
    "interval": (
        f"interquartile mean over seeds [{LEVEL:.0%} stratified bootstrap interval, "
        f"{RESAMPLES:,} resamples]; plain mean below 4 seeds, no interval for one"
    ),
    "round": "iterated: the round with the lowest such mean, one and the same for all seeds",
}


@dataclass(frozen=True)
class Run:
    """A finished run, as its files have it.

    Attributes:
        case: Name of the case.
        algorithm: As ``--algorithm`` names it.
        seed: Of the training.
        report: Content of ``report.json``.
        config: Content of ``config.json``.
    """

    case: str
    algorithm: str
    seed: int
    report: Entry
    config: Entry


@dataclass(frozen=True)
class Point:
    """A point of a learning curve: total episodes so far, and validation PER (a fraction)."""

    stage: int
    episodes: int
    per: float


def interquartile_mean(values: Sequence[float] | Floats, axis: int = -1) -> Any:
    """Return the mean of the middle half: a quarter of the values, rounded down, off each end."""
    from scipy.stats import trim_mean

    return trim_mean(values, TRIMMED, axis=axis)


def summarise(*strata: Sequence[float | None]) -> Summary:
    """Summarise runs by interquartile mean and stratified bootstrap interval.

    Args:
        strata: The values of the seeds of each stratum (a case); each is resampled by itself.

    Returns:
        ``iqm``, ``low``, ``high`` and ``values``. All three are None if any value is; the interval
        is None if a stratum has a single value.
    """
    listed = [value for stratum in strata for value in stratum]
    known = [[value for value in stratum if value is not None] for stratum in strata]
    result: Summary = {"iqm": None, "low": None, "high": None, "values": listed}
    if not listed or any(value is None for value in listed):
        return result
    result["iqm"] = float(interquartile_mean([v for stratum in known for v in stratum]))
    if min(map(len, known)) > 1:
        result["low"], result["high"] = _interval([np.asarray(s, float) for s in known])
    return result


def _interval(samples: list[Floats]) -> tuple[float, float]:
    from scipy.stats import bootstrap

    def statistic(*resampled: Floats, axis: int = -1) -> Any:
        return interquartile_mean(np.concatenate(resampled, axis=axis), axis=axis)

    done = bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(_BOOTSTRAP_SEED),
    )
    return float(done.confidence_interval.low), float(done.confidence_interval.high)


def curve_of(report: Entry) -> list[Point]:
    """Return the learning curve of a report, points without a number left out."""
    return [
        Point(int(point["stage"]), int(point["episodes"]), float(point["validation_per"]))
        for point in report.get("learning_curve") or ()
        if point["validation_per"] is not None
    ]


def episodes_to_optimised(curve: Sequence[Point]) -> int | None:
    """Return the first episode count within `TOLERANCE` of the best; None for an empty curve."""
    if not curve:
        return None
    best = min(point.per for point in curve)
    bound = best + TOLERANCE * abs(best)
    return next(point.episodes for point in curve if point.per <= bound)


def episodes_to_pass(curve: Sequence[Point], level: float) -> int | None:
    """Return the first episode count with a PER below ``level``; None if there is none."""
    return next((point.episodes for point in curve if point.per < level), None)


def curve_band(curves: Sequence[Sequence[Point]]) -> dict[str, list[Any]]:
    """Join the learning curves of several seeds, stage by stage.

    A seed counts with its last value at or before each episode count, so what updates alone win
    after the last episode of a stage shows at that episode.

    Returns:
        ``stage``, ``episodes``, ``per`` (interquartile mean), ``low`` and ``high`` (least and
        greatest over the seeds), of equal length.
    """
    band: dict[str, list[Any]] = {n: [] for n in ("stage", "episodes", "per", "low", "high")}
    for stage in sorted({point.stage for curve in curves for point in curve}):
        held = [{p.episodes: p.per for p in curve if p.stage == stage} for curve in curves]
        held = [values for values in held if values]
        for episodes in sorted({e for values in held for e in values}):
            here = [
                values[max((e for e in values if e <= episodes), default=min(values))]
                for values in held
            ]
            band["stage"].append(stage)
            band["episodes"].append(episodes)
            band["per"].append(float(interquartile_mean(here)))
            band["low"].append(min(here))
            band["high"].append(max(here))
    return band


def best_round(reports: Sequence[Entry]) -> int | None:
    """Return the round with the lowest mean PER over seeds; None where no actor was iterated."""
    by_round = _rounds(reports)
    means = {number: float(interquartile_mean(values)) for number, values in by_round.items()}
    return min(means, key=lambda number: means[number]) if means else None


def _rounds(reports: Sequence[Entry]) -> dict[int, list[float]]:
    """Return the mean PER of every seed by round, of the rounds that all seeds have."""
    tables = [
        {int(e["round"]): float(e["per_mean"]) for e in report.get("rounds") or () if _judged(e)}
        for report in reports
    ]
    common = set.intersection(*(set(table) for table in tables)) if tables else set()
    return {number: [table[number] for table in tables] for number in sorted(common)}


def _judged(entry: Entry) -> bool:
    return entry["per_mean"] is not None


def final_entry(report: Entry, number: int | None) -> Entry:
    """Return what a run is judged by: its last stage, or round ``number`` if that is given."""
    if number is not None:
        rounds: Sequence[Entry] = report["rounds"]
        return next(entry for entry in rounds if int(entry["round"]) == number)
    stages: Sequence[Entry] = report["stages"]
    return stages[-1]


def figures_of(run: Run, number: int | None = None) -> dict[str, float | None]:
    """Return the figures of one run that are summarised over seeds; fractions, kW, seconds.

    Args:
        run: A finished run.
        number: The round by which an iterated actor is judged.
    """
    final, curve = final_entry(run.report, number), curve_of(run.report)
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


def compare_runs(runs: Sequence[Run], limits: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
    """Return the content of ``comparison.json``: everything that tables and figures show.

    Args:
        runs: Finished runs, at least one; rows keep the order in which they first appear.
        limits: Mean PER of the stage-wise information limit by case, where known, and number of
            stages; that of the full state stands at 0.
    """
    cases: dict[str, Any] = {}
    for name in dict.fromkeys(run.case for run in runs):
        mine = [run for run in runs if run.case == name]
        algorithms = dict.fromkeys(run.algorithm for run in mine)
        cases[name] = {
            **_case_entry(mine[0], limits.get(name)),
            "algorithms": {a: _row([r for r in mine if r.algorithm == a]) for a in algorithms},
        }
    commits = sorted({str(run.config.get("git_commit")) for run in runs})
    edges = final_entry(runs[0].report, None)["per_histogram"]["edges"]
    return {
        "rules": RULES,
        "commits": commits,
        "histogram_edges": edges,
        "cases": cases,
        "all_cases": _all_cases(cases),
    }


def _case_entry(run: Run, limits: Mapping[int, float] | None) -> dict[str, Any]:
    report = run.report
    return {
        "agents": len(run.config["case"]["groups"]),
        "test_states": report["test_states"],
        "team_rule": {k: v for k, v in report["team_rule"].items() if k != "per_histogram"},
        "zero_action": {k: v for k, v in report["zero_action"].items() if k != "per_histogram"},
        "information_limit": {str(k): float(v) for k, v in sorted((limits or {}).items())},
    }


def _row(runs: Sequence[Run]) -> dict[str, Any]:
    """Summarise the seeds of one algorithm in one case."""
    runs = sorted(runs, key=lambda run: run.seed)
    reports = [run.report for run in runs]
    number = best_round(reports)
    figures = [figures_of(run, number) for run in runs]
    finals = [final_entry(report, number) for report in reports]
    stages = range(min(len(report["stages"]) for report in reports))
    paper = PAPER_ROWS.get(runs[0].algorithm)
    return {
        "name": reports[0]["algorithm"],
        "preset": reports[0]["preset"],
        "seeds": [run.seed for run in runs],
        "stages": len(stages),
        "round": number,
        "figures": {name: summarise([f[name] for f in figures]) for name in figures[0]},
        "stage_per_mean": [
            summarise([report["stages"][k]["per_mean"] for report in reports]) for k in stages
        ],
        "round_per_mean": [
            {"round": r, **summarise(values)} for r, values in _rounds(reports).items()
        ],
        "histogram": {
            "states": sum(final["states"] for final in finals),
            "counts": np.sum([final["per_histogram"]["counts"] for final in finals], axis=0),
        },
        "curve": curve_band([curve_of(report) for report in reports]),
        "paper": None if paper is None else dataclasses.asdict(paper),
    }


def _all_cases(cases: Mapping[str, Any]) -> dict[str, Summary]:
    """Summarise the PER over several cases, each a stratum, of algorithms that ran in them all."""
    if len(cases) < 2:
        return {}
    rows = [case["algorithms"] for case in cases.values()]
    return {
        name: summarise(*(row[name]["figures"]["per_mean"]["values"] for row in rows))
        for name in rows[0]
        if all(name in row for row in rows)
    }
