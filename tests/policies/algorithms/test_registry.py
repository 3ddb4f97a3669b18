"""The algorithms by name: what each fixes, and what is loaded to know it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from policies import MADDPGConfig, MARDPGConfig
from policies.algorithms.registry import ALGORITHMS, FAMILIES, new_config, staged

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_what_an_algorithm_fixes_is_a_setting_that_its_configuration_takes(name):
    algorithm = ALGORITHMS[name]
    config = new_config(algorithm.family).training(**algorithm.fixed)
    for setting, value in algorithm.fixed.items():
        assert getattr(config, setting) == value
    assert set(algorithm.fixed) <= set(algorithm.settings)
    assert config.environment("quadratic_game").num_stages == algorithm.stages
    config.validate()


def test_families_have_their_configurations():
    assert type(new_config("maddpg")) is MADDPGConfig
    assert type(new_config("ma-rdpg")) is MARDPGConfig
    assert {algorithm.family for algorithm in ALGORITHMS.values()} == set(FAMILIES)
    for family, home in FAMILIES.items():
        assert new_config(family).title == home.title


def test_names_titles_and_colours_are_told_apart():
    for kind in ("title", "colour"):
        found = [getattr(algorithm, kind) for algorithm in ALGORITHMS.values()]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("name", "stages", "rounds", "critic", "recurrent", "in_rounds"),
    [
        ("maddpg-1", 1, 1, "shared", False, False),
        ("maddpg-2", 1, 1, "separate", False, False),
        ("full-state", 1, 1, None, False, False),
        ("ts-maddpg", 2, 1, None, False, False),
        ("ms-maddpg-4", 4, 1, None, False, False),
        ("iterated", 2, 3, None, False, True),
        ("ma-rdpg", 1, 1, None, True, True),
    ],
)
def test_what_sets_an_algorithm_apart(name, stages, rounds, critic, recurrent, in_rounds):
    found = ALGORITHMS[name]
    assert (found.stages, found.rounds, found.critic) == (stages, rounds, critic)
    assert (found.recurrent, found.in_rounds) == (recurrent, in_rounds)


@pytest.mark.parametrize(
    ("stages", "critic", "title"),
    [
        (1, None, "MADDPG-1"),
        (1, "separate", "MADDPG-2"),
        (2, None, "TS-MADDPG"),
        (5, "separate", "MS-MADDPG-5"),
    ],
)
def test_plain_stages_without_a_name(stages, critic, title):
    found = staged(stages, critic)
    assert (found.title, found.stages, found.critic) == (title, stages, critic)


def test_names_and_settings_are_known_without_torch_or_ray():
    code = (
        "import sys, policies.algorithms.registry as r; "
        "[a.settings for a in r.ALGORITHMS.values()]; "
        "print(sorted({'torch', 'ray', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
