"""The tables of a comparison: two for each case, and one over several."""

from __future__ import annotations

from collections.abc import Mapping

from tuning.campaigns.results.comparison import ComparedCase, Comparison, Row
from tuning.campaigns.results.days import DayYardsticks
from tuning.campaigns.results.states import StateYardsticks, limit_name
from tuning.drawing.sheets import Sheet, number
from tuning.judging.evaluation import Judgement
from tuning.judging.samples import CDF_AT_PER_CENT

_TEAM_RULE = "team-optimal rule, one stage"
# Columns of days: figure, head, factor.
_DAY_COLUMNS = (
    ("gap_closed", "gap closed, %", 100.0),
    ("cost_eur_mean", "cost, EUR a day", 1.0),
    ("penalty_eur_mean", "voltage penalty, EUR a day", 1.0),
    ("comfort_eur_mean", "comfort cost, EUR a day", 1.0),  # with heat pumps alone
    ("step_violation_rate", "steps that violate, %", 100.0),
    ("day_violation_rate", "days that violate, %", 100.0),
)


def comparison_sheets(comparison: Comparison) -> list[Sheet]:
    """Return all tables of a comparison."""
    found = []
    for name, case in comparison.cases.items():
        tested = f"{case.agents} agents, {case.tested:,} test {case.measure.kind}"
        if isinstance(case.yardsticks, StateYardsticks):
            title = f"{name} ({tested}): PER and shares of states, in %"
            found.append(_per_sheet(title, case.rows, case.yardsticks))
            title = f"{name} ({tested}): episodes, cost, voltages"
            found.append(_effort_sheet(title, case.rows, case.yardsticks))
        else:
            title = f"{name} ({tested}): gap to perfect foresight, cost, voltages"
            found.append(_day_sheet(title, case, case.yardsticks))
            found.append(_day_effort_sheet(f"{name} ({tested}): days trained on", case.rows))
    if comparison.all_cases:
        rows = [
            [comparison.title(algorithm), str(len(summary.values)), summary.interval(100)]
            for algorithm, summary in comparison.all_cases.items()
        ]
        head = ["algorithm", "runs", "mean PER, %"]
        found.append(Sheet(f"all {_number_of_states(comparison)} cases together", head, rows))
    return found


def _number_of_states(comparison: Comparison) -> int:
    return sum(isinstance(c.yardsticks, StateYardsticks) for c in comparison.cases.values())


def _per_sheet(title: str, rows: Mapping[str, Row], yardsticks: StateYardsticks) -> Sheet:
    """The paper's Figure 3b: mean PER and its distribution function, with the paper's own rows."""
    head = ["algorithm", "seeds", "mean PER", *(f"PER < {x} %" for x in CDF_AT_PER_CENT)]
    lines = []
    for row in rows.values():
        below = [row.figures[f"per_below_{x}"].middle(100) for x in CDF_AT_PER_CENT]
        lines.append([_named(row), str(len(row.seeds)), row.compared.interval(100), *below])
        if row.paper:
            lines.append(
                _distribution(f"  paper: {row.paper.name}", row.paper.per_mean, row.paper.per_cdf)
            )
    rule, nothing = yardsticks.team_rule, yardsticks.zero_action
    lines.append(_distribution(_TEAM_RULE, rule.per_mean, rule.per_cdf))
    for stages, per in yardsticks.information_limit.items():
        lines.append(_distribution(f"information limit, {limit_name(stages)}", per, {}))
    lines.append(_distribution("zero action", nothing.per_mean, nothing.per_cdf))
    lines.append(["optimal dispatch", "", "0", *["100"] * len(CDF_AT_PER_CENT)])
    return Sheet(title, head, lines)


def _distribution(name: str, per_mean: float, per_cdf: Mapping[str, float]) -> list[str]:
    below = [number(per_cdf.get(str(x)), 100) for x in CDF_AT_PER_CENT]
    return [name, "", number(per_mean, 100), *below]


def _effort_sheet(title: str, rows: Mapping[str, Row], yardsticks: StateYardsticks) -> Sheet:
    """The paper's Figure 3c, and what a PER does not tell: regret in kW and violations."""
    head = ["algorithm", "episodes", "to optimised performance", "to pass the paper"]
    head += ["regret, kW", "regret / optimum, %", "voltage violated, %", "seconds"]
    lines = []
    for row in rows.values():
        figures = row.figures
        lines.append(
            [
                _named(row),
                figures["episodes"].count(),
                figures["episodes_to_optimised"].count(),
                figures["episodes_to_paper"].count() if row.paper else "",
                figures["regret_kw_mean"].interval(),
                figures["regret_ratio"].interval(100),
                figures["voltage_violation_rate"].interval(100),
                figures["wall_s"].count(),
            ]
        )
        if row.paper and row.paper.episodes:
            lines.append([f"  paper: {row.paper.name}", row.paper.episodes, *[""] * 6])
    lines.append(_cost(_TEAM_RULE, yardsticks.team_rule))
    lines.append(_cost("zero action", yardsticks.zero_action))
    return Sheet(title, head, lines)


def _cost(name: str, judged: Judgement) -> list[str]:
    cells = [number(judged.regret_kw_mean), number(judged.regret_ratio, 100)]
    cells.append(number(judged.voltage_violation_rate, 100))
    return [name, *[""] * 3, *cells, ""]


def _day_sheet(title: str, case: ComparedCase, yardsticks: DayYardsticks) -> Sheet:
    """What the days cost under each algorithm and under what needs no learning."""
    known = next(iter(case.rows.values())).figures
    columns = [column for column in _DAY_COLUMNS if column[0] in known]
    head = ["algorithm", "seeds", *(name for _, name, _ in columns)]
    lines = [
        [
            _named(row),
            str(len(row.seeds)),
            *(row.figures[figure].interval(factor) for figure, _, factor in columns),
        ]
        for row in case.rows.values()
    ]
    for name, judged in (
        ("no control", yardsticks.idle),
        ("price rule", yardsticks.price_rule),
        ("receding horizon", yardsticks.receding_horizon),
        ("perfect foresight", yardsticks.perfect_foresight),
    ):
        cells = (number(getattr(judged, figure), factor) for figure, _, factor in columns)
        lines.append([name, "", *cells])
    return Sheet(title, head, lines)


def _day_effort_sheet(title: str, rows: Mapping[str, Row]) -> Sheet:
    most = max(row.stages for row in rows.values())
    head = ["algorithm", "days", *(f"gap closed, stage {k}, %" for k in range(1, most + 1))]
    head += ["saved of receding horizon, %", "seconds"]
    lines = []
    for row in rows.values():
        by_stage = [summary.interval(100) for summary in row.by_stage]
        lines.append(
            [
                _named(row),
                row.figures["episodes"].count(),
                *by_stage,
                *[""] * (most - row.stages),
                row.figures["saved_of_receding_horizon"].interval(100),
                row.figures["wall_s"].count(),
            ]
        )
    return Sheet(title, head, lines)


def _named(row: Row) -> str:
    rounds = f", round {row.round}" if row.round is not None else ""
    preset = f" ({row.preset})" if row.preset != "fast" else ""
    return f"{row.title}{rounds}{preset}"
