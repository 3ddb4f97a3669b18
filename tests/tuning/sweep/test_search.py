"""`sweep`: trials are whole trainings; killed, stopped, perturbed, failed; what comes out of it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from tuning.cli import main
from tuning.commands.sweep import SweepArgs, check
from tuning.judging import evaluation
from tuning.records.files import read_json
from tuning.records.run_folder import load_run
from tuning.sweep import search as sweep
from tuning.sweep.schedulers import Halving, make_scheduler
from tuning.sweep.trial import METRIC, SHARE, iterations, make_trainable
from tuning.training import train

ROOT = Path(__file__).resolve().parents[3]


def trials_of(out: Path) -> list[dict]:
    return read_json(out / "trials.json")["trials"]


# One trial, in this process


@pytest.fixture
def trial(ray_session, monkeypatch):
    """Return a function that makes a trial with a configuration; touching test states fails."""

    def untouchable(*args, **kwargs):
        raise AssertionError("a trial looked at the test states")

    monkeypatch.setattr(evaluation, "test_states", untouchable)
    monkeypatch.setattr(train, "test_states", untouchable)
    args = check(SweepArgs(search=("actor_lr=1e-4..1e-2", "sigma=0.05..0.5"), budget=1000))
    made = []

    def make(actor_lr, sigma):
        made.append(make_trainable(args, 0)(config={"actor_lr": actor_lr, "sigma": sigma}))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_a_trial_is_a_whole_training_and_sees_no_test_states(trial):
    one = trial(2e-3, 0.3)
    results = [one.train()]
    while not results[-1]["done"]:
        results.append(one.train())
    assert [result["stage"] for result in results] == [1, 1, 2, 2]
    assert [result[SHARE] for result in results] == [25.0, 50.0, 75.0, 100.0]
    assert len(results) == iterations(one.algo.config)
    assert results[-1][METRIC] < results[0][METRIC]


def test_perturbed_rates_and_noise_are_live_in_a_restored_training(trial, tmp_path, monkeypatch):
    first, same, other = trial(2e-3, 0.3), trial(2e-3, 0.3), trial(5e-3, 0.1)
    first.train()
    first.save(str(tmp_path))
    noise, rates = [], []
    for one in (same, other):
        one.restore(str(tmp_path))
        runner = one.algo.env_runner_group.local_env_runner
        collect = runner.collect

        def noted(episodes, seed, sigma, random_actions=False, *, collect=collect):
            noise.append(sigma)
            return collect(episodes, seed, sigma, random_actions)

        monkeypatch.setattr(runner, "collect", noted)
    results = [one.train() for one in (first, same, other)]
    assert results[0][METRIC] == results[1][METRIC] != results[2][METRIC]
    assert set(noise) == {0.3, 0.1}
    for one in (first, same, other):
        learner = one.algo.learner_group._learner
        rates.append(learner._optimizer("actor_1").param_groups[0]["lr"])
    assert rates[0] == rates[1] > 0
    assert rates[2] == pytest.approx(2.5 * rates[0])


# The schedulers, with made-up trials


class Fake:
    """As much of Tune's trial as a scheduler looks at."""

    def __init__(self, name: str, case: str | None = None, iteration: int = 0) -> None:
        self.trial_id = self.experiment_tag = name
        self.config = {"tau": 0.005} | ({} if case is None else {"case": case})
        self.last_result = {"training_iteration": iteration}
        self.status = "TERMINATED" if iteration == 50 else "PENDING"
        manager = types.SimpleNamespace(checkpoint_config=types.SimpleNamespace(num_to_keep=None))
        self.run_metadata = types.SimpleNamespace(checkpoint_manager=manager)

    def is_finished(self) -> bool:
        return self.status in ("TERMINATED", "ERROR")


def report(scheduler, trial, share, per):
    return scheduler.on_trial_result(None, trial, {SHARE: share, METRIC: per})


@pytest.fixture
def halving():
    def make(rows=None):
        scheduler = Halving(lambda name: (rows or {}).get(name, ()))
        scheduler.set_search_properties(METRIC, "min")
        return scheduler

    return make


def test_asha_stops_the_worse_half_of_each_case(halving):
    scheduler = halving()
    trials = {name: Fake(name, name[0]) for name in ("a1", "a2", "a3", "b1")}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    assert report(scheduler, trials["a1"], 20.0, 0.9) == "CONTINUE"
    assert report(scheduler, trials["a1"], 31.0, 0.2) == "CONTINUE"
    assert report(scheduler, trials["a2"], 29.0, 0.3) == "CONTINUE"
    assert report(scheduler, trials["a2"], 30.0, 0.3) == "STOP"
    assert report(scheduler, trials["a3"], 30.0, 0.1) == "CONTINUE"
    assert report(scheduler, trials["b1"], 30.0, 5.0) == "CONTINUE"  # the first of its case


def test_asha_remembers_what_restored_trials_have_shown(halving):
    rows = {"old": [{SHARE: 15.0, METRIC: 0.9}, {SHARE: 31.0, METRIC: 0.2}]}
    scheduler = halving(rows)
    for name in ("old", "new"):
        scheduler.on_trial_add(None, Fake(name))
    assert report(scheduler, Fake("new"), 30.0, 0.3) == "STOP"


@pytest.fixture
def population():
    """PBT over 50 iterations, so every 10, with trials that are so far."""

    def make(*iterations):
        args = check(SweepArgs(scheduler="pbt", search=("tau=1e-3..1e-2",)))
        scheduler = make_scheduler(args, 50, lambda name: ())
        scheduler.set_search_properties(METRIC, "min")
        trials = [Fake(str(i), iteration=done) for i, done in enumerate(iterations)]
        controller = types.SimpleNamespace(search_alg=None, get_trials=lambda: trials)
        controller.get_live_trials = lambda: [t for t in trials if not t.is_finished()]
        for trial in trials:
            scheduler.on_trial_add(controller, trial)
        return scheduler, controller, trials

    return make


@pytest.mark.parametrize(
    ("iterations", "following"), [((0, 0), 10), ((13, 20, 11), 20), ((20, 20), 30), ((50, 41), 50)]
)
def test_pbt_goes_on_where_restored_trials_were(population, iterations, following):
    scheduler, controller, trials = population(*iterations)
    assert scheduler._next_perturbation_sync == following
    chosen = scheduler.choose_trial_to_run(controller)
    waiting = [trial for trial, done in zip(trials, iterations, strict=True) if done < following]
    assert chosen in waiting


def test_pbt_waits_for_no_trial_that_has_failed(population):
    scheduler, controller, trials = population(9, 9, 9)
    for trial in trials[:2]:
        decision = scheduler.on_trial_result(
            controller, trial, {"training_iteration": 10, METRIC: 0.5}
        )
        assert decision == "PAUSE"
        trial.status = "PAUSED"
    trials[2].status = "RUNNING"
    assert scheduler.choose_trial_to_run(controller) is None  # they wait for the third
    scheduler.on_trial_error(controller, trials[2])
    trials[2].status = "ERROR"
    assert scheduler.choose_trial_to_run(controller) in trials[:2]


# Whole sweeps


def test_killed_sweep_is_finished_and_its_best_trains_again(
    tmp_path, ray_session, monkeypatch, capsys
):
    """SIGKILL while trials run; a trial that diverges; the best one trained to the same bits."""
    out = tmp_path / "sweep"
    words = ["sweep", "--searcher", "grid", "--search", "critic_lr=2e-3/1e30", "--seed", "1"]
    words += ["--episodes", "1500", "600", "--jobs", "2", "--checkpoint-every", "0s", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tuning", *words, "--out", str(out)],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        | {"TUNE_GLOBAL_CHECKPOINT_S": "0"},
    )
    deadline = time.monotonic() + 240
    while not _checkpointed(out) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "best.json").exists()

    monkeypatch.setattr(sweep, "RETRIES", 0)
    assert main(["sweep", "--resume", str(out)]) == 1  # one trial has failed
    captured = capsys.readouterr()
    assert "trial 1: begun" in captured.out and "Trial task failed" not in captured.err
    good, bad = trials_of(out)
    assert (good["state"], bad["state"]) == ("finished", "failed")
    assert "GridError" in bad["error"]
    assert [row["iteration"] for row in good["rows"]] == list(range(1, 10))
    log = [json.loads(line) for line in _log(out, good, "result.json").read_text().splitlines()]
    assert {entry["training_iteration"] for entry in log} == set(range(1, 10))  # of both processes
    assert log[-1][METRIC] == good["last"][METRIC]
    assert len(list((out / good["folder"]).glob("checkpoint_*"))) == 1
    assert len(list((out / good["folder"]).glob("events.out.tfevents*"))) >= 1
    with _log(out, good, "progress.csv").open() as file:
        assert {row["iteration"] for row in csv.DictReader(file)} == {str(i) for i in range(1, 10)}

    run = tmp_path / "run"
    command = ["train", "--config", str(out / "best.json"), "--out", str(run), "--quiet"]
    assert main(command) == 0
    assert float(load_run(run).progress()[-1]["validation_per"]) == good["last"][METRIC]


def _checkpointed(out: Path) -> bool:
    """Whether the state that is kept refers to a checkpoint."""
    checkpoints = list(out.glob("tune/trial_*/checkpoint_*"))
    state = out / "state.zip"
    if not checkpoints or not state.exists():
        return False
    return state.stat().st_mtime > checkpoints[0].stat().st_mtime


def _log(out: Path, trial: dict, name: str) -> Path:
    return out / trial["folder"] / name


def test_asha_and_optuna_in_one_sweep(tmp_path, ray_session, capfd):
    out = tmp_path / "sweep"
    words = ["--scheduler", "asha", "--searcher", "optuna", "--search", "actor_lr=1e-6..5e-3"]
    words += ["--trials", "2", "--budget", "700", "--jobs", "1", "--stages", "1", "--quiet"]
    assert main(["sweep", *words, "--out", str(out), "--seed", "10"]) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out.lstrip().startswith("2 of 2 trials (asha, optuna), best first")
    first, second = trials_of(out)
    assert first["values"]["actor_lr"] > 100 * second["values"]["actor_lr"]  # this seed's
    assert (first["state"], second["state"]) == ("finished", "stopped")
    assert [row["iteration"] for row in first["rows"]] == [1, 2, 3]
    assert [row["iteration"] for row in second["rows"]] == [1]


def test_pbt_copies_and_perturbs(tmp_path, ray_session):
    out = tmp_path / "sweep"
    words = ["--scheduler", "pbt", "--search", "actor_lr=1e-5..5e-3", "sigma=0.1/0.3", "--trials"]
    words += ["2", "--budget", "500", "--stages", "1", "--jobs", "2", "--quiet", "--seed", "2"]
    assert main(["sweep", *words, "--out", str(out)]) == 0
    trials = sorted(trials_of(out), key=lambda trial: trial["rows"][0][METRIC])
    assert [trial["state"] for trial in trials] == ["finished"] * 2
    (good, kept), (bad, copied) = (trial["rows"] for trial in trials)
    assert good["actor_lr"] == kept["actor_lr"] and good["sigma"] == kept["sigma"]
    assert bad["actor_lr"] != copied["actor_lr"] != good["actor_lr"]
    assert 1e-5 <= copied["actor_lr"] <= 5e-3 and copied["sigma"] in ("0.1", "0.3")
    assert copied[METRIC] <= good[METRIC] < bad[METRIC]  # the best so far, which was copied too


def test_interrupted_sweep_names_the_remedy(tmp_path, ray_session, monkeypatch, capsys):
    """As Tune ends after Ctrl-C: quietly, with trials that have not come to their ends."""
    tuner = types.SimpleNamespace(fit=lambda: None)
    monkeypatch.setattr(sweep, "_tuner", lambda *args, **kwargs: tuner)
    out = tmp_path / "sweep"
    assert main(["sweep", "--out", str(out), "--quiet"]) == 130
    expected = f"interrupted; go on with: python -m tuning sweep --resume {out}\n"
    assert capsys.readouterr().err == expected
    assert main(["report", str(out)]) == 2
    assert "holds no results yet" in capsys.readouterr().err
