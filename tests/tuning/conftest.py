"""The door as tests use it, in this process or in one of its own, and made-up results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rllib_grid import make_case, save_states
from tuning import cli
from tuning.judging import evaluation, samples
from tuning.options.recipe import Recipe
from tuning.records.run_folder import create_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def door(capsys):
    """Run a command in this process; return exit code, standard output and standard error."""

    def run(*words):
        code = cli.main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def refused(door):
    """Run a command that must end with one line on standard error; return that line."""

    def run(*words):
        code, out, err = door(*words)
        assert (code, out) == (2, "")
        assert err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1
        return err

    return run


@pytest.fixture
def states(tmp_path):
    """A file of seven states of ieee13."""
    path = tmp_path / "states.npz"
    save_states(path, *evaluation.test_states(make_case("ieee13"), 7))
    return path


@pytest.fixture
def python():
    """Run Python in a process of its own, in the project's folder."""

    def run(*words):
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def made_report():
    """Return a function that makes up the report of a run, with PERs around those given."""

    def make(per=(0.26, 0.02), seed=0, title="TS-MADDPG", rounds=(), case="ieee13", states=200):
        rng = np.random.default_rng(seed)

        def judged(mean, **more):
            sample = rng.gamma(2, mean / 2, states)
            low_high = samples.mean_ci95(sample)[1:]
            found = {
                "per_mean": samples.mean_ci95(sample)[0],
                "per_ci95": list(low_high),
                "per_cdf": samples.cdf(sample),
                "regret_kw_mean": 2 * mean,
                "regret_ratio": mean,
                "cost_kw_mean": 3.0,
                "voltage_violation_rate": 0.0125,
                "voltage_violation_max_pu": 0.0031,
                "per_histogram": samples.histogram(sample),
            }
            return {**more, "states": states, "infeasible_states": 0, **found}

        each = 1000 // len(per)
        stages = [
            judged(mean, stage=k, episodes=each, probes=0, updates=each, wall_s=10.0 + seed)
            for k, mean in enumerate(per, start=1)
        ]
        curve = [
            {"stage": k, "episodes": (k - 1) * each + e, "validation_per": mean * (1 + 100 / e)}
            for k, mean in enumerate(per, start=1)
            for e in range(each // 10, each + 1, each // 10)
        ]
        return {
            "case": case,
            "algorithm": title,
            "preset": "fast",
            "seed": seed,
            "test_states": states,
            "validation_states": 100,
            "team_rule_per_mean": 0.255,
            "zero_action_per_mean": 5.8,
            "team_rule": judged(0.255),
            "zero_action": judged(5.8),
            "stages": stages,
            "rounds": [judged(mean, round=r) for r, mean in enumerate(rounds, start=1)] or None,
            "learning_curve": curve,
        }

    return make


@pytest.fixture
def made_day_report():
    """Return a function that makes up the report of a run on days that closes gaps as given."""

    def make(gap=(0.5, 0.8), seed=0, title="TS-MADDPG", comfort=None):
        def judged(closed, **more):
            heat = {} if comfort is None else {"comfort_eur_mean": comfort}
            return {
                **more,
                "cost_eur_mean": 200.0 * (1.0 - closed) - 50.0,
                "gap_closed": closed,
                "penalty_eur_mean": 3.0,
                "loss_kwh_mean": 40.0,
                "step_violation_rate": 0.0125,
                "day_violation_rate": 0.2,
                "violation_max_pu": 0.0031,
                **heat,
            }

        each = 1000 // len(gap)
        stages = [
            judged(closed + 0.01 * seed, stage=k, episodes=each, probes=0, updates=each)
            | {"wall_s": 10.0 + seed, "saved_of_receding_horizon": closed / 0.95}
            for k, closed in enumerate(gap, start=1)
        ]
        curve = [
            {"stage": k, "episodes": (k - 1) * each + e, "validation_return": -100 / k - seed}
            for k in range(1, len(gap) + 1)
            for e in (each // 2, each)
        ]
        return {
            "case": "ieee13-day",
            "algorithm": title,
            "preset": "fast",
            "seed": seed,
            "steps": 24,
            "test_days": 60,
            "validation_days": 200,
            "stages": stages,
            "yardsticks": {
                "idle": judged(0.0),
                "price_rule": judged(0.7),
                "receding_horizon": judged(0.95),
                "perfect_foresight": judged(1.0),
            },
            "learning_curve": curve,
        }

    return make


@pytest.fixture
def made_comparison(tmp_path, made_report):
    """A comparison folder: two cases, two seeds, stages 1 to 3 and an iterated actor."""
    runs = {
        "maddpg-1": {"per": (0.26,), "title": "MADDPG-1"},
        "ts-maddpg": {"per": (0.26, 0.02), "title": "TS-MADDPG"},
        "ms-maddpg-3": {"per": (0.27, 0.03, 0.004), "title": "MS-MADDPG-3"},
        "iterated": {"per": (0.26, 0.02), "title": "iterated", "rounds": (0.02, 0.01, 0.015)},
    }
    out = tmp_path / "comparison"
    for case in ("ieee13", "ieee13-twelve"):
        for algorithm, how in runs.items():
            for seed in (0, 1):
                run = create_run(out / case / algorithm / f"seed{seed}", "x")
                wanted = Recipe(case=case, algorithm=algorithm, seed=seed).checked()
                run.write_config(make_case(case), arguments=wanted.to_json())
                run.write_report(made_report(seed=seed, case=case, **how))
    return out
