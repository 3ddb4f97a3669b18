"""Processes that die in a training, and clusters that are joined."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
import yaml
from nodes import Nodes
from ray.autoscaler._private.util import prepare_config, validate_config

from policies.algorithms.maddpg import MADDPG
from policies.learning.modules import actor_id
from policies.staged import crew
from tuning.campaigns import trainings as grid
from tuning.cli import build_parser, main
from tuning.records.run_folder import RunFolder
from tuning.training import train

TINY = ["train", "--quiet", "--episodes", "300", "200", "--num-envs", "25"]
TINY += ["--settings", "collect_share=1", "critic_net=quadratic-residual", "warmup_episodes=100"]
TINY += ["reward_scale=0.5", "constraint=none"]
COUNTS = [(300, 0, 300), (200, 200, 200)]  # episodes, probes, updates of each stage
FIRST, SECOND = 7, 5  # iterations of each stage
DEADLINE_S = 120.0
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def before_iteration(monkeypatch) -> Callable[[dict[int, Callable[[MADDPG], None]]], None]:
    """Have something done before some iterations of the trainings that follow; they make many."""
    make_config, step = train.make_config, MADDPG.training_step

    def short_iterations(*words):
        return make_config(*words).stages(updates_per_iteration=50, validation_episodes=100)

    def arrange(acts: dict[int, Callable[[MADDPG], None]]) -> None:
        def work(self: MADDPG) -> None:
            if self.iteration + 1 in acts:
                acts[self.iteration + 1](self)
            step(self)

        monkeypatch.setattr(train, "make_config", short_iterations)
        monkeypatch.setattr(MADDPG, "training_step", work)

    return arrange


def counts(run: RunFolder) -> list[tuple[int, int, int]]:
    return [(s["episodes"], s["probes"], s["updates"]) for s in run.report()["stages"]]


def kill_runner(algo: MADDPG) -> None:
    (pid,) = algo.env_runner_group.foreach_env_runner(
        lambda _: os.getpid(), local_env_runner=False, remote_worker_ids=[1]
    )
    os.kill(pid, signal.SIGKILL)


def kill_learner(algo: MADDPG) -> None:
    *_, last = algo.learner_group.foreach_learner(lambda _: os.getpid())
    os.kill(last.get(), signal.SIGKILL)


def test_runners_that_die_are_replaced(
    tmp_path: Path, ray_session, before_iteration, monkeypatch, caplog
) -> None:
    """One that is seen to die, and later, in stage 2, one that is back before anybody looks."""
    run = RunFolder(tmp_path / "run")

    def kill_unseen(algo: MADDPG) -> None:
        group, deadline = algo.env_runner_group, time.monotonic() + DEADLINE_S
        while group.num_healthy_remote_workers() < 2:
            assert time.monotonic() < deadline
            algo.restore_env_runners(group)
        kill_runner(algo)
        runner = group._worker_manager.actors()[1]
        while time.monotonic() < deadline:
            try:
                return ray.get(runner.ping.remote(), timeout=10)
            except ray.exceptions.RayError:
                time.sleep(0.1)

    def of_first_stage(runner) -> dict[str, np.ndarray]:
        actor = runner.module[actor_id(1)].unwrapped().actor
        return {name: value.numpy() for name, value in actor.state_dict().items()}

    held, collect = [], crew.Crew.collect_due

    def watch(self: crew.Crew, *words) -> None:
        collect(self, *words)
        held.append(self._group.foreach_env_runner(of_first_stage))

    monkeypatch.setattr(crew.Crew, "collect_due", watch)
    before_iteration({3: kill_runner, FIRST + 2: kill_unseen})
    assert main([*TINY, "--num-env-runners", "2", "--out", str(run.path)]) == 0
    assert counts(run) == COUNTS
    assert caplog.messages == ["1 of 2 runners answer", "2 of 2 runners answer"]
    assert len(held) == FIRST + SECOND and len(held[-1]) == 3
    for here, *remote in held[FIRST + 1 :]:  # frozen weights are sent to no runner but a new one
        for there in remote:
            np.testing.assert_equal(there, here)


def test_runners_that_never_come_back_end_the_training_with_one_line(
    tmp_path: Path, ray_session, before_iteration, door, monkeypatch
) -> None:
    run = RunFolder(tmp_path / "run")
    before_iteration({3: kill_runner})
    make_config = train.make_config
    monkeypatch.setattr(crew, "RUNNERS_WAIT_S", 1.0)
    monkeypatch.setattr(
        train,
        "make_config",
        lambda *words: make_config(*words).fault_tolerance(max_num_env_runner_restarts=0),
    )
    words = [*TINY, "--num-env-runners", "1", "--checkpoint-every", "0s", "--out", run.path]
    code, _, err = door(*words)
    assert code == 2
    assert err == (
        "error: a process of the training was lost (none of 1 runners has answered for 1 s); what "
        f"was saved is kept, go on with: python -m tuning train --resume {run.path}\n"
    )
    monkeypatch.undo()
    assert door("train", "--quiet", "--resume", run.path)[0] == 0
    assert counts(run) == COUNTS


def test_learner_that_dies_ends_the_training_with_one_line(
    tmp_path: Path, ray_session, before_iteration, door, monkeypatch
) -> None:
    run = RunFolder(tmp_path / "run")
    before_iteration({FIRST + 2: kill_learner})
    words = [*TINY, "--num-learners", "2", "--checkpoint-every", "0s", "--out", run.path]
    code, _, err = door(*words)
    assert code == 2
    assert err.startswith("error: a process of the training was lost (The actor died")
    assert err.endswith(f"go on with: python -m tuning train --resume {run.path}\n")
    assert err.count("\n") == 1
    monkeypatch.undo()
    assert len(run.progress()) == FIRST + 1
    assert door("train", "--quiet", "--resume", run.path)[0] == 0
    assert counts(run) == COUNTS


# Clusters


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster of one node, whose working folder is another and that knows no path to us."""
    started = Nodes()
    yield started
    started.end()


# A training that tells about its runners, in a process of its own. Given its words and, to kill it
# in the fourth iteration, the id of a raylet.
DRIVER = """
import json, os, signal, sys
from tuning import cli
from tuning.cluster.local_ray import prepare_environment
prepare_environment(address="")
from policies.algorithms.maddpg import MADDPG
from tuning.training import train

def place(runner):
    import ray
    node = ray.get_runtime_context().get_node_id()
    code = [sys.modules[name].__file__ for name in ("policies", "rllib_grid")]
    return node, code, os.getcwd(), runner.num_env_steps_sampled_lifetime

def tell(algo):
    group = algo.env_runner_group
    places = group.foreach_env_runner(place, local_env_runner=False)
    told = [algo.iteration, len(places), algo.counts.episodes, places]
    print(json.dumps(told), flush=True)

def step(self):
    tell(self)
    if self.iteration == 3 and raylet:
        os.kill(raylet, signal.SIGKILL)
    work(self)

def export(self, *words):
    tell(self)
    write(self, *words)

words, raylet = json.loads(sys.argv[1]), int(sys.argv[2])
work, MADDPG.training_step = MADDPG.training_step, step
write, MADDPG.export_controllers = MADDPG.export_controllers, export
make_config = train.make_config
train.make_config = lambda *words: make_config(*words).stages(
    updates_per_iteration=10, validation_episodes=100
)
sys.exit(cli.main(words))
"""


@pytest.fixture
def driver(nodes: Nodes, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a training from elsewhere; it is ended with the test."""
    started = []

    def start(words: list[str], raylet: int = 0) -> subprocess.Popen[str]:
        with (tmp_path / "errors").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, json.dumps(words), str(raylet)],
                cwd=tmp_path,
                env={**nodes.environment, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def told(lines: Iterable[str]) -> Iterator[tuple[int, int, int, list]]:
    return (tuple(json.loads(line)) for line in lines if line.startswith("["))


def test_node_without_the_code_is_brought_it(nodes: Nodes, driver, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    words = [*TINY, "--num-env-runners", "1", "--address", nodes.address, "--out", "run"]
    training = driver(words)
    *_, (_, _, _, [(_, code, folder, steps)]) = told(training.stdout)
    assert training.wait() == 0, (tmp_path / "errors").read_text()
    assert counts(run) == COUNTS
    assert steps == 500
    for path in code:
        assert "/runtime_resources/py_modules_files/" in path and not path.startswith(str(ROOT))
    assert not Path(folder).is_relative_to(ROOT) and Path(folder) != tmp_path


def test_node_that_dies_takes_no_episode_along(nodes: Nodes, driver, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    training = driver(
        [*TINY, "--num-env-runners", "2", "--address", nodes.address, "--out", "run"],
        nodes.start(),
    )
    lines = told(training.stdout)
    seen = [next(lines) for _ in range(4)]
    before = {place[0] for place in seen[-1][3]}
    assert len(before) == 2  # one runner on each node
    nodes.start()
    seen += lines
    assert training.wait() == 0, (tmp_path / "errors").read_text()
    assert counts(run) == COUNTS
    alone = [episodes for _, answering, episodes, _ in seen if answering == 1]
    assert len(set(alone)) > 1  # it goes on with the one that is left
    print([(iteration, answering, episodes) for iteration, answering, episodes, _ in seen])
    after = {place[0]: place[3] for place in seen[-1][3]}
    assert len(after) == 2 and len(before & after.keys()) == 1
    assert all(steps > 0 for steps in after.values())  # the new one collects, too


def test_trials_of_a_sweep_run_on_a_node_without_the_code(nodes: Nodes, tmp_path: Path) -> None:
    words = [
        "--trials",
        "2",
        "--search",
        "actor_lr=1e-3/2e-3",
        "--stages",
        "1",
        "--episodes",
        "500",
    ]
    words += ["--settings", "warmup_episodes=250", "critic_net=quadratic-residual"]
    words += ["reward_scale=0.5", "constraint=none", "--address", nodes.address, "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tuning", "sweep", *words, "--quiet", "--out", "sweep"],
        cwd=tmp_path,
        env={**nodes.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = json.loads((tmp_path / "sweep" / "trials.json").read_text())["trials"]
    assert [trial["last"]["episodes_total"] for trial in trials] == [500, 500]
    assert (tmp_path / "sweep" / "best.json").is_file()


def test_address_where_there_is_no_cluster_is_one_line(refused, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused("train", "--out", tmp_path / "run", "--address", address)
    assert f"--address: no Ray cluster at {address}: " in line
    for word in ("here", "here:there", ":6379", "here:65536"):
        line = refused("train", "--out", tmp_path / "run", "--address", word)
        assert f"--address: {word} is neither HOST:PORT nor auto" in line
    assert not (tmp_path / "run").exists()


def test_grid_of_trainings_goes_to_the_cluster(tmp_path: Path, monkeypatch, capsys) -> None:
    """With paths that hold on its nodes, and without a word where their files are not seen."""
    joins, plans = [], []

    @contextlib.contextmanager
    def join(address: str, *, dashboard: bool) -> Iterator[None]:
        joins.append((address, dashboard))
        yield

    def run_elsewhere(todo, workers: int, shown) -> Iterator[tuple]:
        for cell, plan in todo:
            plans.append(plan)
            yield cell, None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grid, "joined", join)
    monkeypatch.setattr(grid, "local_ray", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(grid, "_run_in_ray", run_elsewhere)
    words = ["--seeds", "0", "--quiet", "--address", "HEAD:6379", "--out", "grid"]
    for command in (["compare", "--algorithms", "maddpg-1"], ["ablate", "--changes", "tau=1"]):
        assert main([*command, *words]) == 1
        assert "--out must be seen by all nodes" in capsys.readouterr().err
        assert plans and all(plan.out.is_relative_to(tmp_path) for plan in plans)
        shutil.rmtree("grid")
        plans.clear()
    assert joins == [("HEAD:6379", False)] * 2


# What the pages say


@pytest.mark.parametrize("page", ["cluster.md", "security.md"])
def test_commands_and_links_of_the_pages_hold(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for path in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (ROOT / "docs" / path).is_file(), path
    blocks = re.findall(r"```(?:bash|yaml)\n(.*?)```", text, flags=re.DOTALL)
    script = "".join(blocks).replace('"$address"', "HEAD:6379")
    commands = re.findall(r"python -m tuning (.*?)(?:[\"']|$)", script, flags=re.MULTILINE)
    assert commands
    for command in commands:
        build_parser().parse_exactly(shlex.split(re.sub(r"\$jobs", "64", command)))


def test_cluster_file_is_one_that_ray_takes() -> None:
    config = yaml.safe_load((ROOT / "docs" / "cluster.yaml").read_text(encoding="utf-8"))
    prepared = prepare_config(config)
    validate_config(prepared)
    for here in prepared["file_mounts"].values():
        assert here.startswith("~") or (ROOT / here).is_file()
