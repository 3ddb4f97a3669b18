"""Who is let in, and what is believed: tokens, and files that were tampered with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from rllib_grid import make_case
from tuning.cluster.local_ray import local_ray
from tuning.errors import CommandError
from tuning.records.run_folder import RunFolder, create_run

STRANGER = "import ray, sys; ray.init(address=sys.argv[1]); print('in')"


def client(address: str, home: Path, **more: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-c", STRANGER, address],
        env={**kept, "HOME": str(home), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_local_ray_lets_nobody_in_without_its_token(tmp_path: Path, ray_session: None) -> None:
    address = ray.get_runtime_context().gcs_address
    token = {name: os.environ[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    wrong = {**token, "RAY_AUTH_TOKEN": "0" * 64}
    clients = [client(address, tmp_path, **more) for more in (token, {}, wrong)]
    for known, process in zip((True, False, False), clients, strict=True):
        assert process.stdout is not None
        answers = (line for line in process.stdout if line == "in\n" or "InvalidAuthToken" in line)
        assert (next(answers) == "in\n") is known
        process.kill()  # Ray would try again for a while
        process.communicate()


@pytest.fixture
def finished(tmp_path: Path, made_report) -> RunFolder:
    run = create_run(tmp_path / "run", "x")
    run.write_config(make_case("ieee13"), arguments={})
    run.write_report(made_report())
    return run


def test_report_is_taken_as_it_was_written(finished: RunFolder, door) -> None:
    code, out, _ = door("report", finished.path)
    assert code == 0 and "mean PER" in out
    laid_out = json.dumps(json.loads(finished.report_file.read_text()), sort_keys=True)
    finished.report_file.write_text(laid_out)
    assert "sha256" not in finished.report()


def better(report: dict[str, Any]) -> None:
    report["stages"][-1]["per_mean"] /= 2


@pytest.mark.parametrize(
    "tamper",
    [
        better,
        lambda report: report.update(sha256="0" * 64),
        lambda report: report.pop("sha256"),
        lambda report: report.pop("stages"),
        lambda report: report.update(added=1),
        lambda report: report.clear(),
    ],
)
def test_tampered_report_is_one_line(
    tamper: Callable[[dict[str, Any]], None], finished: RunFolder, refused
) -> None:
    report = json.loads(finished.report_file.read_text())
    tamper(report)
    finished.report_file.write_text(json.dumps(report))
    line = refused("report", finished.path)
    assert f"{finished.report_file} is not as it was written (its sha256 differs)" in line
    assert not list(finished.path.glob("*.png"))


def test_report_with_a_pickle_in_its_place_is_one_line(finished: RunFolder, refused) -> None:
    finished.report_file.write_bytes(b"\x80\x04\x95")
    assert "is not JSON" in refused("report", finished.path)


def test_ray_that_does_not_come_up_is_one_line(monkeypatch) -> None:
    def too_slow(**_: Any) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", too_slow)
    expected = "Ray did not start: The current node timed out during startup."
    with pytest.raises(CommandError, match=expected), local_ray(1):
        pass
