"""Cases of states: one rewarded action in each, judged against the optimal dispatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rllib_grid import Case, JointGridEnv, make_dispatch
from tuning.casework.show import draw_states
from tuning.commands.answers import EvaluateArgs
from tuning.judging.ac_check import ac_check
from tuning.judging.answers import evaluate_states
from tuning.judging.evaluation import Judge, test_states
from tuning.judging.shortfalls import shortfalls_of_states
from tuning.options.case_settings import write_case_settings
from tuning.options.recipe import Recipe
from tuning.records.measures import PER
from tuning.records.run_folder import RunFolder
from tuning.subjects.progress_row import ProgressRow
from tuning.subjects.states_report import draw, print_report
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

SHOWN_ROUNDS = 8  # of an iterated actor
PAPER_LATER_EPISODES = 10_000  # of every stage after the first

# Networks, rates, noise and update rule of the paper (its section V and Algorithm 1).
PAPER: Mapping[str, Any] = {
    "critic_net": "paper",
    "actor_net": "paper",
    "whiten_inputs": False,
    "actor_lr": 2.5e-4,
    "critic_lr": 2.5e-4,
    "lr_decay": "constant",
    "tau": 0.001,
    "actor_step": "own",
    "replay_capacity": 100_000,
    "minibatch_size": 1024,
    "updates_per_episode": 1.0,
    "warmup_episodes": 1024,
    "collect_share": 1.0,
    "noise": "gaussian",
    "sigma": 0.05,
    "reward_scale": 0.5,
    "constraint": "none",
}


class States(Subject):
    """A case whose episodes are states.

    Args:
        case: The case.
    """

    measure = PER
    metrics = (
        Metric(
            "grid_validation_per_ratio",
            "validation_per",
            "Mean PER on the validation states; 0.01 is 1 %.",
        ),
        Metric(
            "grid_validation_return_kw",
            "validation_return",
            "Mean return on the validation states in kW: minus cost and voltage penalty.",
        ),
        Metric(
            "grid_validation_regret_kw",
            "validation_regret_kw",
            "Mean of cost minus optimal cost on the validation states, in kW.",
        ),
        Metric(
            "grid_validation_voltage_violation_ratio",
            "validation_violation_rate",
            "Share of validation states with a bus more than 1e-5 p.u. out of bounds.",
        ),
    )

    def __init__(self, case: Case) -> None:
        self.case: Case = case

    def prepare(self) -> None:
        """Refuse a case without an optimal dispatch."""
        make_dispatch(self.case)

    def environment(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """The case by its name, with its changes."""
        return "grid", {"case": recipe.case, **recipe.case_changes()}

    def preset(self, recipe: Recipe) -> dict[str, Any]:
        """Fast is what the algorithms' defaults are: the best this project knows."""
        algorithm = recipe.named()
        steps = {"time_steps": self.case.horizon} if "time_steps" in algorithm.settings else {}
        if recipe.preset != "paper":
            return steps
        episodes = (algorithm.paper_episodes, PAPER_LATER_EPISODES)
        return {**PAPER, **steps, "episodes": episodes[: recipe.num_stages]}

    def validator(self, episodes: int, seed: int) -> Validate:
        """Judge the last stage of a team on the states on which the algorithm selects."""
        env = JointGridEnv(self.case, episodes, np.random.SeedSequence(seed))
        judge = Judge(self.case, *self.case.layout.from_state(env.reset()))

        def validate(team: Team) -> dict[str, float]:
            judged = judge.stages(team)[-1]
            return {
                "validation_per": judged.per_mean,
                "validation_regret_kw": judged.regret_kw_mean,
                "validation_violation_rate": judged.voltage_violation_rate,
            }

        return validate

    def in_words(self, row: ProgressRow) -> str:
        """The PER."""
        return f"validation PER {100 * row.figures['validation_per']:.2f} %"

    def report(self, trained: Trained) -> dict[str, Any]:
        """Judge every stage on the test states."""
        recipe, team, stages = trained.recipe, trained.team, trained.stages
        judge = Judge(self.case, *test_states(self.case))
        probed = any(work.probes for work in stages)
        entries = [
            judgement.entry(
                **work_entry(work),
            )
            for judgement, work in zip(judge.stages(team), stages, strict=True)
        ]
        yardsticks = judge.yardsticks()
        rivals = yardsticks["team_rule"], yardsticks["zero_action"]
        return {
            "warnings": shortfalls_of_states(entries[-1], *rivals),
            "case": self.case.name,
            "algorithm": recipe.named().title,
            "preset": recipe.preset,
            "seed": recipe.seed,
            "meter_error_pu": recipe.meter_error,
            "case_settings": write_case_settings(recipe.case_settings) or None,
            "validation_states": trained.validation_episodes,
            "env_steps_per_s": rate(stages, "env_steps", "sample_s"),
            "updates_per_s": rate(stages, "updates", "update_s"),
            **yardsticks,
            "stages": entries,
            "meters": judge.meter_errors(team) if probed else None,
            "rounds": _rounds(judge, team) if recipe.named().in_rounds else None,
            "ac_check": ac_check(self.case, team, judge.p_base_kw, judge.q_base_kvar),
            "learning_curve": learning_curve(trained.progress, "validation_per"),
        }

    def show_report(self, content: Mapping[str, Any]) -> None:
        """Print the table of a report."""
        print_report(content)

    def draw_report(self, content: Mapping[str, Any], folder: Path) -> list[Path]:
        """Draw the histogram of PER and the learning curve."""
        return draw(content, folder)

    def evaluate(self, run: RunFolder, args: EvaluateArgs) -> None:
        """Run the controllers over the states of a file."""
        evaluate_states(self.case, run, args)

    def draw(self, run: Path | None, states: int, folder: Callable[[], Path]) -> list[Path]:
        """Draw the tree, and voltages, durations and controls over the test states."""
        return draw_states(self.case, run, states, folder)


def _rounds(judge: Judge, team: Team) -> list[dict[str, Any]]:
    """The last stage applied again and again, also more often than in training."""
    judged = judge.rounds(team, SHOWN_ROUNDS)
    return [judgement.entry(round=i) for i, judgement in enumerate(judged, start=1)]
