"""Controllers judged on whole days, beside idling, a price rule, a receding horizon and perfect
foresight. Starts no Ray, trains nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.controllers.agent import AgentController
from rllib_grid.cases.day_case import DayCase
from rllib_grid.dispatch.days import Foresight, RecedingHorizon, perfect_foresight
from rllib_grid.envs.day_rollout import DayRecord, Decide, idle, price_rule, run_days
from rllib_grid.sources.forecast import Forecast
from rllib_grid.sources.profiles import Profiles, Split
from tuning.judging.day_execution import TeamOfControllers
from tuning.judging.evaluation import VIOLATION_TOLERANCE_PU
from tuning.judging.samples import Floats

# Of the charge and of the temperature at midnight; no training draws from these streams.
_CHARGE_KEY, _WARMTH_KEY = 0x3A77D1, 0x4EA7


@dataclass(frozen=True)
class DayJudgement:
    """Figures of some days. Fractions, not per cent; names as in ``report.json``.

    Attributes:
        cost_eur_mean: Mean cost of a day, as `DayCase` defines it.
        gap_closed: Share of the mean cost from idling to perfect foresight that is saved.
        penalty_eur_mean: Part of the cost that is paid for voltages out of bounds.
        loss_kwh_mean: Line losses of a day.
        step_violation_rate: Share of all steps with a bus more than 1e-5 p.u. out of bounds.
        day_violation_rate: Share of days with such a step.
        violation_max_pu: Largest distance of any bus out of bounds.
        comfort_eur_mean: Part of the cost that is paid for temperatures outside the comfort band;
            this and what follows is None where the case has no heat pumps.
        discomfort_kh_mean: Kelvins outside the band times hours, of a building and day.
        heat_kwh_mean: Electricity of all heat pumps in a day.
    """

    cost_eur_mean: float
    gap_closed: float
    penalty_eur_mean: float
    loss_kwh_mean: float
    step_violation_rate: float
    day_violation_rate: float
    violation_max_pu: float
    comfort_eur_mean: float | None = None
    discomfort_kh_mean: float | None = None
    heat_kwh_mean: float | None = None

    def entry(self, **more: Any) -> dict[str, Any]:
        """Return the entry of ``report.json``, with ``more`` (stage, episodes, ...) in front."""
        figures = dataclasses.asdict(self)
        return more | {name: value for name, value in figures.items() if value is not None}


class DayJudge:
    """A fixed set of days with what idling and perfect foresight make of them.

    Args:
        case: The case.
        days: Which part of the case's year, or days of another source.
        most: Days to judge on, spread evenly over those; all if there are no more.
    """

    def __init__(self, case: DayCase, days: Split | Profiles, most: int) -> None:
        self.case = case
        self.days, self.soc_start_kwh = judged_days(case, days, most)
        self.t_start_c = temperatures_at_midnight(case, self.days)
        self.idle = self.run(idle)
        self.foresight: Foresight = perfect_foresight(
            case, self.days, self.soc_start_kwh, self.t_start_c
        )

    def run(self, decide: Decide) -> DayRecord:
        """Run the days under anything that decides."""
        return run_days(self.case, self.days, self.soc_start_kwh, decide, self.t_start_c)

    def run_controllers(self, controllers: Mapping[str, AgentController], stages: int) -> DayRecord:
        """Run the days under exported controllers, up to one of their stages."""
        return self.run(TeamOfControllers(self.case, controllers, self.days.num_steps, stages))

    def receding_horizon(self) -> DayRecord:
        """Run the days under the central rival, with a forecast from the training days."""
        forecast = Forecast(self.case.days("train"))
        return self.run(RecedingHorizon(self.case, forecast, self.days.num_steps).decide)

    def price_rule(self) -> DayRecord:
        """Run the days under the rule that needs no learning."""
        return self.run(price_rule)

    def judge(self, record: DayRecord) -> DayJudgement:
        """Return the figures of days as they went."""
        case = self.case
        excess = np.maximum(case.v_min_pu - record.v_pu, record.v_pu - case.v_max_pu)
        worst = np.maximum(excess.max(axis=2), 0.0)  # (N, T)
        out = worst > VIOLATION_TOLERANCE_PU
        return DayJudgement(
            cost_eur_mean=float(record.cost_eur.mean()),
            gap_closed=self.gap_closed(record.cost_eur),
            penalty_eur_mean=float(record.penalty_eur.mean()),
            loss_kwh_mean=float(record.loss_kwh.mean()),
            step_violation_rate=float(out.mean()),
            day_violation_rate=float(out.any(axis=1).mean()),
            violation_max_pu=float(worst.max()),
            **self._comfort(record),
        )

    def _comfort(self, record: DayRecord) -> dict[str, float]:
        heat, pumps = record.heat, self.case.heat
        if heat is None or pumps is None:
            return {}
        t_in = heat.t_in_c[:, 1:]
        excess = np.maximum(np.maximum(pumps.t_low_c - t_in, t_in - pumps.t_high_c), 0.0)
        hours = self.days.step_h
        return {
            "comfort_eur_mean": float(heat.comfort_eur.mean()),
            "discomfort_kh_mean": float(hours * excess.sum(axis=1).mean()),
            "heat_kwh_mean": float(hours * heat.p_heat_kw.sum(axis=(1, 2)).mean()),
        }

    def gap_closed(self, cost_eur: Floats) -> float:
        """Return the share of the way from idling (0) to perfect foresight (1)."""
        gap = float((self.idle.cost_eur - self.foresight.cost_eur).sum())
        saved = float((self.idle.cost_eur - cost_eur).sum())
        return saved / gap if gap > 0 else float("nan")

    def proof(self) -> dict[str, float]:
        """Return how well the bound of perfect foresight is proven.

        Returns:
            ``duality_gap_eur``: the largest of any day; ``relaxation_gap_eur``: how much more the
            planned controls cost when they are carried out, at most; ``waste_kwh``.
        """
        done = self.run(self.foresight.decide)
        best = self.foresight
        return {
            "duality_gap_eur": float((best.cost_eur - best.bound_eur).max()),
            "relaxation_gap_eur": float((done.cost_eur - best.cost_eur).max()),
            "waste_kwh": float(best.waste_kwh.max()),
        }


def judged_days(case: DayCase, days: Split | Profiles, most: int) -> tuple[Profiles, Floats]:
    """Return days of the case's year, or others, and the charge (N, n) at each one's midnight.

    A date's charge is always the same, whatever other dates are judged.
    """
    days = days if isinstance(days, Profiles) else case.days(days)
    count = min(most, days.num_days)
    days = days.take(np.linspace(0, days.num_days - 1, count).round().astype(np.int64))
    low, high = case.soc_start
    shares = _drawn_by_date(_CHARGE_KEY, days, case.num_buses)
    return days, (low + (high - low) * shares) * case.capacity_kwh


def temperatures_at_midnight(case: DayCase, days: Profiles) -> Floats | None:
    """Return the indoor temperature (N, n) at each day's midnight; None without heat pumps.

    A date's temperature is always the same, whatever other dates are judged.
    """
    if case.heat is None:
        return None
    low, high = case.heat.t_start_c
    return low + (high - low) * _drawn_by_date(_WARMTH_KEY, days, case.num_buses)


def _drawn_by_date(key: int, days: Profiles, num_buses: int) -> Floats:
    """Numbers (N, n) in 0..1 that depend on key and date alone."""
    return np.array(
        [
            np.random.default_rng((key, int(date.astype(np.int64)))).random(num_buses)
            for date in days.dates
        ]
    )
