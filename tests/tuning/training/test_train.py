"""`train` for real, with tiny settings: what it leaves, and that nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from policies.algorithms.maddpg import MADDPG
from policies.controllers.files import load_controllers
from rllib_grid import JointGridEnv, make_case, save_states
from tuning.cli import main
from tuning.judging import evaluation
from tuning.records.checkpoints import find_checkpoint
from tuning.records.run_folder import load_run

TINY = ["train", "--episodes", "300", "200", "--updates-per-episode", "2", "--num-envs", "50"]
ROOT = Path(__file__).parents[3]


def tiny(out: Path, *more: str) -> dict:
    assert main([*TINY, "--out", str(out), *more]) == 0
    return json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def reference(tmp_path_factory, ray_session) -> Path:
    """A tiny training that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "reference"
    tiny(out)
    return out


def weights(run: Path) -> dict[str, np.ndarray]:
    arrays = {}
    for agent, controller in load_controllers(run / "controllers").items():
        for stage, layers in enumerate(controller.weights, start=1):
            arrays |= {f"{agent}.{stage}.{name}": array for name, array in layers.items()}
    return arrays


def assert_same_weights(one: Path, other: Path) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_report_holds_everything_and_counts_are_exact(reference: Path) -> None:
    report = json.loads((reference / "report.json").read_text())
    assert report["case"] == "ieee13"
    assert (report["algorithm"], report["preset"], report["seed"]) == ("TS-MADDPG", "fast", 0)
    assert (report["test_states"], report["validation_states"]) == (10_000, 10_000)
    assert report["env_steps_per_s"] > 0 and report["updates_per_s"] > 0
    counts = [(s["stage"], s["episodes"], s["probes"], s["updates"]) for s in report["stages"]]
    assert counts == [(1, 300, 0, 600), (2, 200, 200, 400)]
    for stage in report["stages"]:
        low, high = stage["per_ci95"]
        assert low < stage["per_mean"] < high
        assert list(stage["per_cdf"]) == ["5", "10", "15", "20", "25", "30"]
        assert 0 <= stage["voltage_violation_rate"] <= 1
        assert stage["regret_kw_mean"] > 0 and stage["regret_ratio"] > 0
        assert stage["voltage_violation_max_pu"] >= 0 and stage["wall_s"] > 0
    meters = report["meters"]
    assert len(meters["meter_error_pu"]) == len(meters["per_mean"]) == 4
    assert meters["per_mean"][-1] > report["stages"][1]["per_mean"]  # 1e-3 p.u. drowns the signal
    first, second = report["stages"]
    assert report["team_rule_per_mean"] < first["per_mean"] < report["zero_action_per_mean"]
    assert second["per_mean"] < first["per_mean"]


def test_short_training_approaches_the_team_rule_and_a_second_stage_passes_it(
    tmp_path: Path, ray_session
) -> None:
    out = tmp_path / "run"
    assert main(["train", "--episodes", "3000", "1500", "--out", str(out), "--quiet"]) == 0
    report = json.loads((out / "report.json").read_text())
    first, second = (stage["per_mean"] for stage in report["stages"])
    limit = report["team_rule_per_mean"]  # what one stage can reach at best
    assert limit - 0.005 < first < limit + 0.07
    assert second < 0.1
    assert report["stages"][1]["voltage_violation_rate"] == 0.0


def test_run_folder_is_complete(reference: Path) -> None:
    names = {path.name for path in reference.iterdir()}
    assert names == {
        "report.json",
        "config.json",
        "progress.csv",
        "controllers",
        "checkpoint",
        "per_histogram.png",
        "learning_curve.png",
    }
    rows = load_run(reference).progress()
    assert [int(row["iteration"]) for row in rows] == list(range(1, len(rows) + 1))
    assert int(rows[-1]["episodes_total"]) == 500


def test_evaluate_command_repeats_the_reported_figure(reference: Path, tmp_path: Path) -> None:
    case = make_case("ieee13")
    save_states(tmp_path / "states.npz", *evaluation.test_states(case))
    command = ["evaluate", str(reference), "--optimum", "--states", str(tmp_path / "states.npz")]
    report = json.loads((reference / "report.json").read_text())
    for stage in (1, 2):
        out = tmp_path / f"answers{stage}.npz"
        assert main([*command, "--stage", str(stage), "--out", str(out)]) == 0
        per = np.load(out)["per"]
        assert np.mean(per) == pytest.approx(report["stages"][stage - 1]["per_mean"], rel=1e-9)


def test_test_states_are_never_trained_on(reference: Path) -> None:
    checkpoint = find_checkpoint(load_run(reference))
    algo = MADDPG.from_checkpoint(str(checkpoint))
    case = make_case("ieee13")
    p_test = case.layout.to_state(*evaluation.test_states(case))
    rows = algo.memory.column("inputs")[:, : p_test.shape[1]]
    assert len(rows) == 200
    validation = JointGridEnv(
        case, 10_000, np.random.SeedSequence(algo.config.validation_seed)
    ).reset()
    for seen in (rows, validation):
        assert not np.isin(seen[:, 0], p_test[:, 0]).all()
        assert not (seen[:, None, :3] == p_test[None, :, :3]).all(-1).any()
    assert not (rows[:, None, :3] == validation[None, :, :3]).all(-1).any()
    algo.stop()


def test_same_seed_same_run_and_other_seed_another(reference: Path, tmp_path: Path) -> None:
    tiny(tmp_path / "again")
    assert_same_weights(reference, tmp_path / "again")
    other = tiny(tmp_path / "other", "--seed", "1")
    mine = json.loads((reference / "report.json").read_text())
    assert other["stages"][1]["per_mean"] != mine["stages"][1]["per_mean"]
    assert other["team_rule_per_mean"] == mine["team_rule_per_mean"]  # the same test states


def test_interrupted_run_goes_on_to_the_same_weights(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Ctrl-C in every iteration of the training, also in the one that ends stage 1."""
    step = MADDPG.training_step
    run = tmp_path / "run"

    def interrupted(self: MADDPG) -> None:
        if interrupted.left == 0:
            raise KeyboardInterrupt
        interrupted.left -= 1
        step(self)

    monkeypatch.setattr(MADDPG, "training_step", interrupted)
    command = [*TINY, "--out", str(run)]
    for _ in range(10):
        interrupted.left = 1
        code = main([*command, "--checkpoint-every", "0s"])
        if code == 0:
            break
        assert code == 130
        assert f"go on with: python -m tuning train --resume {run}" in capsys.readouterr().err
        command = ["train", "--resume", str(run)]
    assert code == 0
    assert_same_weights(reference, run)
    assert len(load_run(run).progress()) == len(load_run(reference).progress())


def test_killed_run_goes_on_to_the_same_weights(reference: Path, tmp_path: Path) -> None:
    """SIGKILL once the first checkpoint is there."""
    run = tmp_path / "run"
    program = (
        "from tuning.cluster.local_ray import prepare_environment; prepare_environment()\n"
        "from tuning import cli\n"
        f"cli.main({[*TINY, '--checkpoint-every', '0s', '--out', str(run)]!r})"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (run / "checkpoint").is_dir() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "report.json").exists()
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_weights(reference, run)


def test_run_without_a_checkpoint_starts_over(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(MADDPG, "training_step", _interrupt)
        assert main([*TINY, "--out", str(run)]) == 130
    assert find_checkpoint(load_run(run)) is None
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_weights(reference, run)


def _interrupt(self: MADDPG) -> None:
    raise KeyboardInterrupt


def test_three_stages_separate_critics_and_paper_networks(tmp_path: Path, ray_session) -> None:
    out = tmp_path / "run"
    command = ["train", "--preset", "paper", "--stages", "3", "--critic", "separate"]
    command += ["--episodes", "60", "--num-envs", "20", "--out", str(out), "--quiet"]
    assert main(command) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["algorithm"] == "MS-MADDPG-3"
    assert [s["probes"] for s in report["stages"]] == [0, 60, 120]
    controller = load_controllers(out / "controllers")["agent_0"]
    assert (controller.num_stages, controller.kinds) == (3, ["paper"] * 3)
