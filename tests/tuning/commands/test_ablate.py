"""What `ablate` is asked for: its changes, and the refusals before any work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuning.commands.ablate import BASE, CHANGES, DAY_CHANGES, AblateArgs, cells, check, training
from tuning.errors import CommandError
from tuning.records.cells import Cell
from tuning.records.run_folder import create_run
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


@pytest.mark.parametrize(
    ("case", "listed", "dropped"),
    [
        ("ieee13", CHANGES["fast"], {"carry_critic=false"}),
        (
            "ieee13-day",
            DAY_CHANGES,
            {"carry_critic=false", "critic_tau=none", "critic_tau=0.2", "target_input=literal"},
        ),
    ],
)
def test_the_default_list_is_what_the_algorithm_has(case, listed, dropped):
    args = check(AblateArgs(case=case, algorithm="ma-rdpg"))
    assert args.changes == tuple(change for change in listed if change not in dropped)
    for cell in cells(args):
        make_config(training(args, cell)).validate()
    assert "critic=shared" in DAY_CHANGES
    assert "critic=shared" not in check(AblateArgs(case="ieee13-day", algorithm="maddpg-2")).changes


def test_a_change_that_is_named_is_never_dropped():
    with pytest.raises(CommandError, match="carry_critic is a setting of maddpg alone"):
        check(AblateArgs(algorithm="ma-rdpg", changes=("carry_critic=false",)))


def test_the_case_is_said_as_train_says_it(tmp_path):
    args = AblateArgs(
        case="ieee13-day",
        case_settings=("efficiency=0.9",),
        steps=96,
        test_days=12,
        changes=("tau=0.5",),
        out=tmp_path,
    )
    cell = Cell(tmp_path, args.case, "tau=0.5", 0)
    made = training(check(args), cell)
    assert (made.case_settings, made.steps, made.test_days) == ({"efficiency": 0.9}, 96, 12)
    create_run(cell.path, "x").write_config(made.make_case(), arguments=made.to_json())
    check(args)
    for other, says in (
        ({"steps": 24}, "made with steps 96, not 24"),
        ({"test_days": None}, "made with test_days 12, not 60"),
        ({"case_settings": None}, "made with case_settings efficiency=0.9, not None"),
    ):
        with pytest.raises(CommandError, match=says):
            check(replace(args, **other))


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
        (("--steps", 24), "--steps: ieee13 is a case of states"),
        (("--case", "ieee13-day", "--profiles", "mine.csv"), "cannot read profiles"),
    ],
)
def test_bad_options(refused, words, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert " ".join(line.split()) in refused("ablate", *words)
    assert not list(tmp_path.iterdir())
