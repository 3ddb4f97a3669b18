"""Table and pictures from a synthetic report, that is, from the file alone."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from tuning.judging import paper_results as paper
from tuning.judging import samples
from tuning.records.files import read_json, write_json
from tuning.subjects import states_report as report


def judged(per, **more):
    mean, low, high = samples.mean_ci95(per)
    return {
        **more,
        "states": len(per),
        "per_mean": mean,
        "per_ci95": (low, high),
        "per_cdf": samples.cdf(per),
        "regret_kw_mean": 2 * mean,
        "regret_ratio": mean,
        "cost_kw_mean": 3.0,
        "voltage_violation_rate": 0.0125,
        "voltage_violation_max_pu": 0.0031,
        "per_histogram": samples.histogram(per),
    }


@pytest.fixture
def content(tmp_path):
    """A report of two stages as it comes back from its file."""
    rng = np.random.default_rng(0)
    sizes = {1: 0.26, 2: 0.02}
    common = {"updates": 900, "wall_s": 80.4}
    stages = [
        judged(rng.gamma(2, size / 2, 500), stage=k, episodes=1000 * k, probes=0, **common)
        for k, size in sizes.items()
    ]
    curve = [
        {"stage": k, "episodes": 1000 * (k - 1) + e, "validation_per": size + np.exp(-e / 200)}
        for k, size in sizes.items()
        for e in range(0, 1000 * k + 1, 100)
    ]
    head = {"case": "ieee13", "algorithm": "TS-MADDPG", "preset": "fast", "seed": 7}
    rest = {"test_states": 500, "validation_states": 100, "zero_action_per_mean": 5.994}
    rest |= {"team_rule_per_mean": 0.255, "team_rule": judged(rng.gamma(2, 0.1275, 500))}
    rest |= {"env_steps_per_s": 1234567.0, "updates_per_s": 321.0}
    path = tmp_path / "report.json"
    write_json(path, {**head, **rest, "stages": stages, "learning_curve": curve})
    return read_json(path)


def printed(content):
    text = io.StringIO()
    report.print_report(content, Console(file=text, highlight=False))
    return text.getvalue()


def row(text, name):
    line = next(line for line in text.splitlines() if line.strip().startswith(name))
    return line.replace(name, "").split()


def test_table_shows_the_stages_beside_yardsticks_and_paper(content):
    text = printed(content)
    first, second = content["stages"]
    assert "ieee13, TS-MADDPG, preset fast, seed 7, 500 test states" in text
    assert row(text, "mean PER, %") == [
        f"{100 * first['per_mean']:.2f}",
        f"{100 * second['per_mean']:.2f}",
        f"{100 * content['team_rule']['per_mean']:.2f}",
        "599.40",
        "28.25",
        "17.50",
    ]
    assert row(text, "Pr(PER < 30 %), %")[-2:] == ["68.8", "85.2"]
    assert row(text, "voltage violated, %") == ["1.25"] * 3
    assert row(text, "episodes of stage") == ["1,000", "2,000", "620,00*", "10,000"]
    assert row(text, "episodes in all") == ["1,000", "3,000", "620,00*", "630,000"]
    assert row(text, "seconds") == ["80", "80"]
    assert "1,234,567 environment steps/s, 321 updates/s" in text
    assert max(map(len, text.splitlines())) <= 120


def test_interval_is_the_half_width(content):
    content["stages"][0]["per_ci95"] = [0.20, 0.30]
    content["stages"][1]["per_ci95"] = [None, None]  # NaN, as JSON has it
    first, *others = row(printed(content), "95 % interval, +-")
    assert first == "5.00"
    assert len(others) == 1  # the team rule's; nothing is made up for the second stage


def test_table_of_a_least_report(content):
    """The keys that every report has are enough."""
    del content["team_rule"], content["learning_curve"], content["env_steps_per_s"]
    assert row(printed(content), "mean PER, %")[2:4] == ["25.50", "599.40"]


def test_pictures_are_drawn_and_a_missing_curve_is_left_out(content, tmp_path):
    files = report.draw(content, tmp_path / "new")
    assert [file.name for file in files] == ["per_histogram.png", "learning_curve.png"]
    for file in files:
        pixels = imread(file)
        assert pixels.shape == (420, 720, 4)
        assert pixels[..., :3].std() > 0.05  # not an empty sheet
    del content["learning_curve"]
    assert [file.name for file in report.draw(content, tmp_path / "less")] == ["per_histogram.png"]


def test_curves_differ_when_the_learning_does(content, tmp_path):
    one = report.draw(content, tmp_path / "one")[1].read_bytes()
    again = report.draw(content, tmp_path / "again")[1].read_bytes()
    content["learning_curve"][-1]["validation_per"] = 1.0
    other = report.draw(content, tmp_path / "other")[1].read_bytes()
    assert one == again
    assert one != other


def test_negative_and_missing_values_are_drawn_too(content, tmp_path):
    """Where voltage bounds bind, a stage that violates them can be cheaper than the optimum."""
    content["learning_curve"][0]["validation_per"] = None
    content["learning_curve"][1]["validation_per"] = -0.02
    content["stages"][1] |= judged(np.full(50, -0.1))
    for file in report.draw(content, tmp_path):
        assert imread(file)[..., :3].std() > 0.05


def test_paper_rows_are_distribution_functions():
    for result in (paper.MADDPG_1, paper.TS_MADDPG):
        values = list(result.per_cdf.values())
        assert values == sorted(values)
        assert list(result.per_cdf) == ["5", "10", "15", "20", "25", "30"]
    assert re.search("620,00", paper.MADDPG_1.episodes)


def test_warnings_stand_at_the_top(content):
    assert "warning" not in printed(content)
    lines = printed({**content, "warnings": ["worse than no control", "and more"]}).splitlines()
    assert lines[:2] == ["warning: worse than no control", "warning: and more"]
