"""Controllers judged on whole days, beside idling, a price rule, a receding horizon and perfect
foresight. Starts no Ray, trains nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rllib_grid.days.day_case import CLOCK, DayCase, clock
from rllib_grid.days.dispatch import Foresight, RecedingHorizon, perfect_foresight
from rllib_grid.days.forecast import Forecast
from rllib_grid.days.profiles import Profiles, Split
from rllib_grid.days.rollout import DayRecord, Decide, Situation, idle, price_rule, run_days
from tuning.errors import CommandError
from tuning.evaluation import VIOLATION_TOLERANCE_PU, Controller
from tuning.statistics import Floats

_CHARGE_KEY = 0x3A77D1  # of the charge at midnight; no training draws from this stream


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
    """

    cost_eur_mean: float
    gap_closed: float
    penalty_eur_mean: float
    loss_kwh_mean: float
    step_violation_rate: float
    day_violation_rate: float
    violation_max_pu: float

    def entry(self, **more: Any) -> dict[str, Any]:
        """Return the entry of ``report.json``, with ``more`` (stage, episodes, ...) in front."""
        return {**more, **dataclasses.asdict(self)}


class DayJudge:
    """A fixed set of days with what idling and perfect foresight make of them.

    Args:
        case: The case.
        split: Which part of the year.
        most: Days to judge on, spread evenly over the part; all if it has no more.
    """

    def __init__(self, case: DayCase, split: Split, most: int) -> None:
        self.case = case
        self.days, self.soc_start_kwh = judged_days(case, split, most)
        self.idle = self.run(idle)
        self.foresight: Foresight = perfect_foresight(case, self.days, self.soc_start_kwh)

    def run(self, decide: Decide) -> DayRecord:
        """Run the days under anything that decides."""
        return run_days(self.case, self.days, self.soc_start_kwh, decide)

    def run_controllers(self, controllers: Mapping[str, Controller], stages: int) -> DayRecord:
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
        )

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


def judged_days(case: DayCase, split: Split, most: int) -> tuple[Profiles, Floats]:
    """Return days of a part of the year, and the charge (N, n) at each one's midnight.

    A date's charge is always the same, whatever other dates are judged.
    """
    days = case.days(split)
    count = min(most, days.num_days)
    days = days.take(np.linspace(0, days.num_days - 1, count).round().astype(np.int64))
    low, high = case.soc_start
    shares = [
        np.random.default_rng((_CHARGE_KEY, int(date.astype(np.int64)))).random(case.num_buses)
        for date in days.dates
    ]
    return days, (low + (high - low) * np.array(shares)) * case.capacity_kwh


class TeamOfControllers:
    """Exported controllers as something that decides, for `run_days`.

    At each step every stage acts, each agent measures its own buses, and the next stage acts on
    that; what the last one does is done.

    Args:
        case: The case they act on.
        controllers: One per agent of the case.
        num_steps: Steps per day.
        stages: How many of their stages to run.

    Raises:
        CommandError: The controllers are not those of this case, or have fewer stages.
    """

    def __init__(
        self,
        case: DayCase,
        controllers: Mapping[str, Controller],
        num_steps: int,
        stages: int,
    ) -> None:
        if set(controllers) != set(case.agents):
            raise CommandError(
                f"the controllers are of {', '.join(sorted(controllers))}, "
                f"but case {case.name} has {', '.join(case.agents)}"
            )
        for agent, controller in controllers.items():
            if dict(controller.signature) != case.layout.signature(agent):
                raise CommandError(f"the controller of {agent} was not made for case {case.name}")
            if not 1 <= stages <= controller.num_stages:
                raise CommandError(f"stage {stages} is not in 1..{controller.num_stages}")
        self._case, self._controllers, self._stages = case, controllers, stages
        self._num_steps = num_steps

    def __call__(self, situation: Situation) -> tuple[Floats, Floats]:
        """Return p_ctrl_kw and q_ctrl_kvar, (N, n) each."""
        known = _by_name(situation, self._num_steps)
        p, q = np.zeros_like(situation.p_base_kw), np.zeros_like(situation.p_base_kw)
        actions: dict[str, Floats] = {}
        seen: dict[str, Floats] = {}
        for stage in range(1, self._stages + 1):
            for agent, controller in self._controllers.items():
                state = np.stack([known[e["name"]] for e in controller.signature["state"]], axis=1)
                actions[agent] = controller.act(
                    state, actions.get(agent), seen.get(agent), stage=stage
                )
            for agent, controller in self._controllers.items():
                own = np.array(controller.signature["buses"]) - 1
                p[:, own], q[:, own] = np.split(actions[agent], 2, axis=1)
            if stage < self._stages:
                v_pu = situation.v_pu(p, q)
                for agent, controller in self._controllers.items():
                    seen[agent] = v_pu[:, np.array(controller.signature["buses"]) - 1]
        return p, q


def _by_name(situation: Situation, num_steps: int) -> dict[str, Floats]:
    """Everything that a controller may know of N feeders, (N,) by the signature's names."""
    per_bus = {
        "p_base_kw": situation.p_base_kw,
        "q_base_kvar": situation.q_base_kvar,
        "soc_kwh": situation.soc_kwh,
    }
    known = {
        f"{name}[{bus + 1}]": values[:, bus]
        for name, values in per_bus.items()
        for bus in range(values.shape[1])
    }
    count = len(situation.price_eur_per_kwh)
    hands = clock(np.array(situation.step), num_steps)
    known |= {name: np.full(count, hands[k]) for k, name in enumerate(CLOCK)}
    return known | {"price_eur_per_kwh": situation.price_eur_per_kwh}
