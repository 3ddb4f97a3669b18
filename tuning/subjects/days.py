"""Cases of days: whole days with storage, judged between idling and perfect foresight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from policies.controllers.files import load_controllers
from rllib_grid import DayCase
from rllib_grid.envs.day_rollout import DayRecord
from tuning.commands.answers import EvaluateArgs
from tuning.drawing.one_line import ONE_LINE_PNG, draw_one_line
from tuning.judging.day_answers import evaluate_days
from tuning.judging.day_evaluation import DayJudge
from tuning.judging.shortfalls import shortfalls_of_days
from tuning.options.case_settings import write_case_settings
from tuning.options.recipe import Recipe
from tuning.options.shared import TEST_DAYS
from tuning.records.measures import GAP_CLOSED
from tuning.records.run_folder import RunFolder, finished_run
from tuning.subjects.days_report import day_title, draw_day, print_days
from tuning.subjects.progress_row import ProgressRow
from tuning.subjects.subject import (
    Metric,
    Subject,
    Team,
    Trained,
    Validate,
    learning_curve,
    rate,
    work_entry,
)

# How rewards are told to the learner; no cost depends on it.
REWARDS: Mapping[str, Any] = {"settle": "stepwise", "agent_reward": "local"}

# Days are cheap and updates are not, so each update has a dozen new rows: with few days the critics
# learn the replay by heart and the actors live on their errors. Each agent has a critic of its own
# reward: what others pay for does not depend on it, and a critic that all actors climb together
# overestimates, the more the longer the horizon. The actors are slower than the critics for the
# same reason. Target critics follow fast, so that a day's values come through in a few hundred
# updates.
FAST: Mapping[str, Any] = {
    "gamma": 0.95,
    "critic": "separate",
    "actor_lr": 1e-3,
    "critic_lr": 3e-3,
    "tau": 0.01,
    "critic_tau": 0.05,
    "critic_net": "saddle-residual",
    "critic_width": 128,
    "critic_rows": 64,
    "actor_width": 128,
    "minibatch_size": 1_024,
    "replay_capacity": 400_000,
    "episodes": (16_000,),
    "updates_per_episode": 0.2,
    "warmup_episodes": 2_000,
    "collect_share": 0.7,
    "updates_per_iteration": 400,
    "validation_episodes": 200,  # drawn from the validation days
    "sigma": 0.5,
    "constraint": "none",
    "whiten_floor": 1e-3,
}
# A row of a recurrent algorithm is a whole day, and there is no saddle among its critics.
RECURRENT: Mapping[str, Any] = {
    **{k: v for k, v in FAST.items() if k not in ("critic_net", "replay_capacity")},
    "minibatch_size": 64,
}


class Days(Subject):
    """A case whose episodes are days.

    Args:
        case: The case.
    """

    measure = GAP_CLOSED
    metrics = (
        Metric(
            "grid_validation_return_eur",
            "validation_return",
            "Mean return of a validation day in EUR: minus its cost, as the reward tells it.",
        ),
    )

    def __init__(self, case: DayCase) -> None:
        self.case: DayCase = case

    def prepare(self) -> None:
        """Refuse a year that is too short."""
        splits: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")
        for split in splits:
            self.case.days(split)

    def environment(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """The whole case, with its rewards as they are learnt best."""
        rewards = {k: v for k, v in REWARDS.items() if k not in recipe.case_settings}
        return "grid-day", {"case": self.case.replace(**rewards).to_dict()}

    def preset(self, recipe: Recipe) -> dict[str, Any]:
        """One preset: the paper has no days."""
        algorithm = recipe.named()
        known = algorithm.settings
        spread = 0.5 if self.case.heat is None else 0.2  # comfort spreads rewards
        found = RECURRENT if algorithm.recurrent else FAST
        found = {k: v for k, v in found.items() if k in known} | {"reward_scale": spread}
        steps = {"time_steps": recipe.steps} if "time_steps" in known else {}
        return {**found, **steps}

    def validator(self, episodes: int, seed: int) -> Validate:
        """Nothing beside the return, which the algorithm finds itself."""

        def validate(team: Team) -> dict[str, float]:
            return {}

        return validate

    def in_words(self, row: ProgressRow) -> str:
        """The return."""
        return f"validation return {row.validation_return:,.1f} EUR a day"

    def report(self, trained: Trained) -> dict[str, Any]:
        """Judge every stage on the test days."""
        recipe, stages = trained.recipe, trained.stages
        judge = DayJudge(self.case, "test", recipe.test_days or TEST_DAYS)
        horizon = judge.receding_horizon()
        records = [judge.run_controllers(trained.team, work.stage) for work in stages]
        rival_eur = judge.idle.cost_eur - horizon.cost_eur
        entries = [
            judge.judge(record).entry(
                **work_entry(work),
                saved_of_receding_horizon=float(
                    (judge.idle.cost_eur - record.cost_eur).sum() / rival_eur.sum()
                ),
            )
            for record, work in zip(records, stages, strict=True)
        ]
        planned = judge.run(judge.foresight.decide)
        idle = judge.judge(judge.idle).entry()
        return {
            "warnings": shortfalls_of_days(entries[-1], idle),
            "case": self.case.name,
            "algorithm": recipe.named().title,
            "preset": recipe.preset,
            "seed": recipe.seed,
            "case_settings": write_case_settings(recipe.case_settings) or None,
            "steps": judge.days.num_steps,
            "test_days": judge.days.num_days,
            "validation_days": trained.validation_episodes,
            "env_steps_per_s": rate(stages, "env_steps", "sample_s"),
            "updates_per_s": rate(stages, "updates", "update_s"),
            "stages": entries,
            "yardsticks": {
                "idle": idle,
                "price_rule": judge.judge(judge.price_rule()).entry(),
                "receding_horizon": judge.judge(horizon).entry(),
                "perfect_foresight": judge.judge(planned).entry(),
            },
            "proof": judge.proof(),
            "day": one_day(judge, {"stage": records[-1], "foresight": planned}),
            "learning_curve": learning_curve(trained.progress, "validation_return"),
        }

    def show_report(self, content: Mapping[str, Any]) -> None:
        """Print the table of a report."""
        print_days(content)

    def draw_report(self, content: Mapping[str, Any], folder: Path) -> list[Path]:
        """Draw one day."""
        return [draw_day(content["day"], folder, day_title(content))]

    def evaluate(self, run: RunFolder, args: EvaluateArgs) -> None:
        """Run the controllers over the test days, or those of a file."""
        evaluate_days(self.case, run, args)

    def draw(self, run: Path | None, states: int, folder: Callable[[], Path]) -> list[Path]:
        """Draw the tree, and a test day under the price rule, perfect foresight and the run."""
        judge = DayJudge(self.case, "test", TEST_DAYS)
        records = {"foresight": judge.run(judge.foresight.decide)}
        if run is None:
            records["price_rule"] = judge.price_rule()
        else:
            controllers = load_controllers(finished_run(run).controllers)
            stage = next(iter(controllers.values())).num_stages
            records["stage"] = judge.run_controllers(controllers, stage)
        path = folder()
        draw_one_line(self.case, path / ONE_LINE_PNG)
        return [path / ONE_LINE_PNG, draw_day(one_day(judge, records), path, self.case.name)]


def one_day(judge: DayJudge, records: Mapping[str, DayRecord]) -> dict[str, Any]:
    """Return what the picture shows: the day on which the choice of controls matters most.

    Args:
        judge: Of some days.
        records: Those days under what is shown, by name.
    """
    at = int(np.argmax(judge.idle.cost_eur - judge.foresight.cost_eur))
    days = judge.days
    shown: dict[str, Any] = {
        "date": str(days.dates[at]),
        "price_eur_per_kwh": days.price_eur_per_kwh[at],
        "p_base_kw": days.p_base_kw[at].sum(axis=1),
        "v_bounds_pu": [judge.case.v_min_pu, judge.case.v_max_pu],
        "idle_v_min_pu": judge.idle.v_pu[at].min(axis=1),
        "idle_v_max_pu": judge.idle.v_pu[at].max(axis=1),
        "capacity_kwh": float(judge.case.capacity_kwh.sum()),
    }
    for name, record in records.items():
        shown[name] = {
            "p_ctrl_kw": record.p_ctrl_kw[at].sum(axis=1),
            "q_ctrl_kvar": record.q_ctrl_kvar[at].sum(axis=1),
            "soc_kwh": record.soc_kwh[at].sum(axis=1),
            "v_min_pu": record.v_pu[at].min(axis=1),
            "v_max_pu": record.v_pu[at].max(axis=1),
            "cost_eur": float(record.cost_eur[at]),
        }
    pumps = judge.case.heat
    if pumps is not None:
        shown["t_bounds_c"] = [pumps.t_low_c, pumps.t_high_c]
        shown["outdoor_c"] = days.outdoor_c[at]
        for name, record in (("idle", judge.idle), *records.items()):
            shown[name] = shown.get(name, {}) | _indoors(record, at)
    return shown


def _indoors(record: DayRecord, at: int) -> dict[str, Any]:
    """Heating in the picture, with the coldest and the warmest building; none without."""
    if record.heat is None:
        return {}
    t_in = record.heat.t_in_c[at]
    return {
        "p_heat_kw": record.heat.p_heat_kw[at].sum(axis=1),
        "t_min_c": t_in.min(axis=1),
        "t_max_c": t_in.max(axis=1),
    }
