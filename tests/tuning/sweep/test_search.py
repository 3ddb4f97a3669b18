"""`sweep` for real: killed, stopped, perturbed, failed, interrupted."""

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

from tuning.cli import main
from tuning.records.files import read_json
from tuning.records.measures import PER
from tuning.records.run_folder import load_run
from tuning.sweep import search as sweep

ROOT = Path(__file__).resolve().parents[3]
METRIC = PER.validated


def trials_of(out: Path) -> list[dict]:
    return read_json(out / "trials.json")["trials"]


def test_killed_sweep_is_finished_and_its_best_trains_again(
    tmp_path, ray_session, monkeypatch, capsys
):
    """SIGKILL while trials run; a trial that diverges; the best one trained to the same bits."""
    out = tmp_path / "sweep"
    words = ["sweep", "--searcher", "grid", "--search", "critic_lr=2e-3/1e30", "--seed", "1"]
    words += ["--episodes", "1500", "600", "--jobs", "2", "--checkpoint-every", "0s", "--quiet"]
    words += ["--settings", "critic_net=quadratic-residual", "warmup_episodes=300"]
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
