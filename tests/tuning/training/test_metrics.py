"""Metrics on Ray's Prometheus endpoint, the Grafana dashboard over them, and Ray's dashboard."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
import types
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families
from ray import tune

from tuning.campaigns import trainings as grid
from tuning.cli import main
from tuning.subjects.days import Days
from tuning.subjects.states import States
from tuning.training import metrics, train
from tuning.training.metrics import PREFIX, TAGS, TrainingMetrics, tune_trial

ROOT = Path(__file__).parents[3]
METRICS = (*States.metrics, *metrics.METRICS)  # of a training on states
ALL = (*States.metrics, *Days.metrics, *metrics.METRICS)
NAMES = {PREFIX + metric.name for metric in ALL}
DEADLINE_S = 90.0  # Ray hands metrics on every 10 seconds, later on a busy machine


class Scraper:
    """Reads the endpoint of this node again and again; keeps the last value of every stage."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._address = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._scrape)
        self.values: dict[tuple[str, str], float] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Scraper:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _scrape(self) -> None:
        while not self._stop.wait(0.5):
            with self._opener.open(self._address, timeout=30) as answer:
                text = answer.read().decode()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.labels.get("run") == self._run:
                        stage = sample.labels["stage"]
                        self.values[sample.name, stage] = sample.value
                        self.tags[stage] = {tag: sample.labels[tag] for tag in TAGS}


def test_endpoint_shows_the_numbers_of_the_run(tmp_path: Path, ray_session: None) -> None:
    out = tmp_path / "run"
    command = ["train", "--episodes", "300", "200", "--updates-per-episode", "2", "--num-envs"]
    with Scraper(str(out)) as scraper:
        assert main([*command, "50", "--seed", "3", "--quiet", "--out", str(out)]) == 0
        with (out / "progress.csv").open(newline="") as file:
            last = {row["stage"]: row for row in csv.DictReader(file)}
        assert list(last) == ["1", "2"]
        wanted = {
            (PREFIX + metric.name, stage): float(row[metric.column])
            for metric in METRICS
            for stage, row in last.items()
        }
        deadline = time.monotonic() + DEADLINE_S
        while scraper.values != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
    assert scraper.values == wanted
    tags = {"run": str(out), "case": "ieee13", "algorithm": "TS-MADDPG", "seed": "3", "trial": ""}
    assert scraper.tags == {stage: {**tags, "stage": stage} for stage in last}
    # What the columns should hold is known where the whole training is.
    assert float(last["1"]["replay_fill"]) == 225 / 1_000_000  # without those of the survey
    assert float(last["2"]["replay_fill"]) == 200 / 1_000_000
    report = json.loads((out / "report.json").read_text())
    for row, stage in zip(last.values(), report["stages"], strict=True):  # other states, same law
        assert float(row["validation_regret_kw"]) == pytest.approx(stage["regret_kw_mean"], rel=0.2)


def row(**changes: Any) -> dict[str, Any]:
    return {"stage": 1, **{metric.column: 1.0 for metric in METRICS}, **changes}


def test_failure_to_publish_is_one_warning_and_no_error(
    ray_session: None, caplog: pytest.LogCaptureFixture
) -> None:
    published = TrainingMetrics(States.metrics, run="r", case="c", algorithm="a", seed=0)
    published.update(row(critic_loss=float("nan")))  # before the first update of a stage
    assert caplog.messages == []
    published.update({"stage": 1})
    assert "validation_per" in caplog.messages[0]
    published.update(row())
    published.update({})
    assert len(caplog.messages) == 1


def test_tune_trial_is_known_inside_a_trial_alone(tmp_path: Path, ray_session: None) -> None:
    assert tune_trial() == ""

    def trainable(config: dict[str, Any]) -> None:
        tune.report({"trial": tune_trial()})

    tuner = tune.Tuner(
        trainable,
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    )
    (result,) = tuner.fit()
    assert result.metrics is not None
    assert result.metrics["trial"] == result.metrics["trial_id"] != ""


# The Grafana dashboard and the page about it


@pytest.fixture(scope="module")
def grafana() -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_grafana_queries_every_metric_and_no_other(grafana: dict[str, Any]) -> None:
    queried = [re.findall(r"\b(\w+)\{", query) for query in queries(grafana)]
    assert sorted(name for names in queried for name in names) == sorted(NAMES)


def test_grafana_filters_by_tags_that_are_published(grafana: dict[str, Any]) -> None:
    variables = {entry["name"]: entry for entry in grafana["templating"]["list"]}
    assert set(variables) == {"datasource", "case", "run", "stage"}
    for query in queries(grafana):
        assert dict(re.findall(r'(\w+)=~"\$(\w+)"', query)) == {
            tag: tag for tag in ("case", "run", "stage")
        }
    for name in ("case", "run", "stage"):
        asked = re.fullmatch(
            r"label_values\((\w+)(\{.*\})?, (\w+)\)", variables[name]["query"]["query"]
        )
        assert asked is not None and asked[1] in NAMES and asked[3] == name
    for panel in grafana["panels"]:
        for target in panel["targets"]:
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(TAGS)
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}"


def test_grafana_panels_have_their_own_place(grafana: dict[str, Any]) -> None:
    panels = grafana["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (at["x"] + i, at["y"] + j)
        for at in (panel["gridPos"] for panel in panels)
        for i in range(at["w"])
        for j in range(at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23  # the grid has 24 columns


def test_documentation_lists_every_metric() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, flags=re.MULTILINE)
    assert listed == [(metric.name, metric.column) for metric in ALL]
    assert re.findall(r"`(\w+)`", page[page.index("Tags:") :].split("\n\n")[0]) == list(TAGS)
    for path in re.findall(r"\]\((?!http)([^)]+)\)", page):
        assert (ROOT / "docs" / path).is_file(), path


# Ray's dashboard


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)}


PROGRAM = """
import pathlib, urllib.error, urllib.request
from tuning.cluster.local_ray import local_ray

def status(**headers):
    request = urllib.request.Request(address + "/api/jobs/", headers=headers)
    try:
        return opener.open(request).status
    except urllib.error.HTTPError as error:
        return error.code

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with local_ray(1, dashboard=True):
    import ray
    address = "http://" + ray._private.worker.get_dashboard_url()
    token = (pathlib.Path.home() / ".ray" / "auth_token").read_text()
    print(address, status(), status(Authorization="Bearer " + token))
"""


def test_dashboard_asks_for_the_token_that_ray_prints(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    line, answer = done.stdout.splitlines()
    address, without, with_token = answer.split()
    assert (without, with_token) == ("401", "200")
    found = re.fullmatch(r"dashboard: (\S+) \(token: (\S+) get-auth-token\)", line)
    assert found is not None and found[1] == address
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
    assert Path(found[2]).is_file()
    token = tmp_path / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (train, ("train",)),
        (grid, ("compare", "--algorithms", "maddpg-1", "--seeds", "0")),
    ],
)
def test_option_reaches_ray(
    module: types.ModuleType, words: tuple[str, ...], tmp_path: Path, monkeypatch
) -> None:
    seen: list[bool] = []

    def stopped(num_cpus: int, *, dashboard: bool) -> None:
        seen.append(dashboard)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "local_ray", stopped)
    assert main([*words, "--out", str(tmp_path / "one"), "--dashboard", "--quiet"]) == 130
    assert main([*words, "--out", str(tmp_path / "two"), "--quiet"]) == 130
    assert seen == [True, False]


PREPARE = (
    "import os; from tuning.cluster.local_ray import prepare_environment; "
    "prepare_environment(dashboard=True); "
    "print(os.environ['RAY_AUTH_MODE'], os.environ.get('RAY_AUTH_TOKEN'))"
)


def prepare(home: Path, **more: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=ROOT,
        env={**clean_environment(home), **more},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_token_of_the_user_is_left_alone(tmp_path: Path) -> None:
    assert prepare(tmp_path, RAY_AUTH_TOKEN="mine") == "token mine\n"
    assert prepare(tmp_path, RAY_AUTH_TOKEN_PATH="/a/file") == "token None\n"
    assert not (tmp_path / ".ray").exists()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("mine")
    assert prepare(tmp_path) == "token None\n"
    assert (tmp_path / ".ray" / "auth_token").read_text() == "mine"


def test_a_home_without_room_for_a_token_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder")
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "tuning", "train", "--dashboard", "--out", str(out)],
        cwd=ROOT,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*auth_token cannot be written: .*RAY_AUTH_TOKEN\n", done.stderr)
    assert not out.exists()
