"""What `ablate` is asked for: its changes, and the refusals before any work."""

from __future__ import annotations

import pytest

from tuning.commands.ablate import BASE, CHANGES, DAY_CHANGES, AblateArgs, cells, check, training
from tuning.records.cells import Cell
from tuning.training.configuration import make_config


@pytest.mark.parametrize(
    ("case", "preset", "changes"),
    [
        ("ieee13", "fast", CHANGES["fast"]),
        ("ieee13", "paper", CHANGES["paper"]),
        ("ieee13-day", "fast", DAY_CHANGES),
    ],
)
def test_every_change_changes_its_preset(case, preset, changes):
    """A change that the preset has already would be a row for nothing."""
    args = check(AblateArgs(case=case, preset=preset, seeds=(0,)))
    base, *changed = (make_config(training(args, cell)).to_dict() for cell in cells(args))
    assert len(changed) == len(changes)
    for config in changed:
        assert config != base


def test_cells_go_seed_by_seed_with_the_base_first():
    args = check(AblateArgs(changes=("tau=1", "sigma=0.1", "tau=1"), seeds=(3, 0)))
    assert [(cell.seed, cell.algorithm) for cell in cells(args)] == [
        (seed, change) for seed in (3, 0) for change in (BASE, "tau=1", "sigma=0.1")
    ]


def test_a_change_may_hold_several():
    args = AblateArgs(algorithm="ma-rdpg", preset="paper", episodes=(50,))
    both = training(args, Cell(args.folder, "ieee13", "critic_net=paper+memory_width=8", 2))
    assert both.settings == {"critic_net": "paper", "memory_width": 8}
    assert both.seed == 2
    assert (both.algorithm, both.preset, both.episodes) == ("ma-rdpg", "paper", (50,))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--changes", "sigm=1"), "sigm is unknown; did you mean sigma?"),
        (("--changes", "tau=1+"), "--settings:  must be NAME=VALUE"),
        (("--episodes", 1, 2, 3), "--episodes: 3 numbers for 2 stage(s)"),
        (("--case", "iee13"), "did you mean ieee13?"),
        (("--seeds", -1), "--seeds: -1 is out of bounds"),
        (("--jobs", 0), "--jobs: 0 is out of bounds"),
    ],
)
def test_bad_options(refused, words, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert " ".join(line.split()) in refused("ablate", *words)
    assert not list(tmp_path.iterdir())
