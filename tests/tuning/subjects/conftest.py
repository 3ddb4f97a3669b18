"""A run on days, and a file of them."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tuning.cli import main
from tuning.records.run_folder import RunFolder

SMALL = ["actor_width=8", "critic_width=8", "critic_rows=8", "minibatch_size=32"]
SMALL += ["warmup_episodes=50", "updates_per_episode=1", "replay_capacity=20000"]
SMALL += ["updates_per_iteration=50", "validation_episodes=10"]


@pytest.fixture(scope="session")
def days_run(tmp_path_factory, ray_session) -> RunFolder:
    """A tiny training on days."""
    out = tmp_path_factory.mktemp("runs") / "days"
    words = ["--case", "ieee13-day", "--episodes", "100", "--test-days", "3", "--quiet"]
    assert main(["train", *words, "--settings", *SMALL, "--out", str(out)]) == 0
    return RunFolder(out)


@pytest.fixture
def profiles_file(tmp_path) -> Path:
    """Two days in March of twelve buildings."""
    path = tmp_path / "days.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [f"p_base_kw_{bus}" for bus in range(1, 13)]
        writer.writerow(["time", *names, "price_eur_per_kwh", "outdoor_c"])
        for hour in range(48):
            time = datetime(2024, 3, 1) + timedelta(hours=hour)
            writer.writerow([time.isoformat(), *[20.0 + hour % 24] * 12, 0.25, 8.0])
    return path
