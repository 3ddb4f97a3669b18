"""What `compare` is asked for: budgets, grid, and the refusals before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from policies.algorithms.registry import ALGORITHMS
from policies.staged.sizes import episodes_of
from rllib_grid import make_case
from tuning.commands import compare as compare_args
from tuning.commands.compare import CompareArgs, budgeted_episodes, cells, check, training
from tuning.errors import CommandError
from tuning.records.cells import Cell
from tuning.records.run_folder import create_run


@pytest.mark.parametrize(
    ("budget", "algorithm", "episodes"),
    [
        ("fast", "ts-maddpg", None),  # the case's
        ("fast", "ma-rdpg", (20_000,)),
        ("20000", "ms-maddpg-3", (6_667, 6_667, 6_666)),
        ("1000", "iterated", (500, 500)),
        ("1000", "full-state", (1_000,)),
        ("1003", "ms-maddpg-4", (251, 251, 251, 250)),
        ("4", "ms-maddpg-4", (1, 1, 1, 1)),
        ("paper", "ts-maddpg", None),  # the preset's own
        ("paper", "maddpg-2", None),
    ],
)
def test_budget_is_split_evenly_over_the_stages(budget, algorithm, episodes):
    assert budgeted_episodes(budget, "ieee13", algorithm) == episodes


@pytest.mark.parametrize("name", compare_args.DEFAULT_ALGORITHMS)
def test_every_row_costs_the_same(name):
    given = budgeted_episodes("fast", "ieee13", name)
    given = episodes_of(1_250, ALGORITHMS[name].stages) if given is None else given
    assert sum(given) == compare_args.FAST_EPISODES
    assert sum(budgeted_episodes("fast", "ieee13-day", name)) == compare_args.FAST_DAYS


def test_days_are_compared_as_states_are():
    args = check(CompareArgs(case=("ieee13-day", "ieee13"), seeds=(0,), budget="1000"))
    recipes = {(cell.case, cell.algorithm): training(args, cell) for cell in cells(args)}
    assert len(recipes) == 2 * len(compare_args.DEFAULT_ALGORITHMS)
    assert recipes["ieee13-day", "ts-maddpg"].episodes == (500, 500)
    assert recipes["ieee13-day", "ts-maddpg"].on_days and not recipes["ieee13", "iterated"].on_days


def test_options_of_days_reach_the_recipes(tmp_path):
    args = CompareArgs(case=("ieee13-day",), steps=96, test_days=12, out=tmp_path)
    cell = Cell(tmp_path, "ieee13-day", "ts-maddpg", 0)
    made = training(check(args), cell)
    assert (made.steps, made.test_days) == (96, 12)
    create_run(cell.path, "x").write_config(made.make_case(), arguments=made.to_json())
    with pytest.raises(CommandError, match="made with steps 96, not 24"):
        check(replace(args, steps=None))


def test_a_file_of_days_is_read_before_any_work(refused, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("time,p_base_w_1\n")
    words = ["--case", "ieee13-day", "--profiles", file, "--out", tmp_path / "out"]
    assert "mine.csv: line 1: unknown column 'p_base_w_1'" in refused("compare", *words)
    assert not (tmp_path / "out").exists()


def test_paper_budget_is_the_papers_preset():
    cell = Cell(Path("out"), "ieee13", "maddpg-1", 3)
    args = training(CompareArgs(budget="paper"), cell)
    assert (args.preset, args.episodes, args.seed) == ("paper", None, 3)
    assert training(CompareArgs(), cell).preset == "fast"


def test_grid_goes_seed_by_seed():
    args = check(CompareArgs(seeds=(1, 0, 1), algorithms=("maddpg-1", "ts-maddpg", "maddpg-1")))
    assert [(cell.seed, cell.algorithm) for cell in cells(args)] == [
        (1, "maddpg-1"),
        (1, "ts-maddpg"),
        (0, "maddpg-1"),
        (0, "ts-maddpg"),
    ]


def test_the_same_command_finds_its_folder_again():
    assert CompareArgs(budget="paper").folder == Path("runs/compare-paper")
    assert CompareArgs(out=Path("x")).folder == Path("x")
    assert CompareArgs(jobs=3).workers == 3
    assert CompareArgs().workers >= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--case", "ieee31"], "--case: ieee31 is unknown; did you mean ieee13?"),
        (["--algorithms", "ts-madpg"], "ts-madpg is unknown; did you mean ts-maddpg?"),
        (["--seeds", 0, -1], "--seeds: -1 is out of bounds, must be >= 0"),
        (["--seeds", "x"], "argument --seeds: invalid int value"),
        (["--budget", "slow"], "--budget: slow is neither fast, nor paper, nor a whole number"),
        (["--budget", 2], "--budget: 2 is out of bounds, must be >= 3: ms-maddpg-3 has 3"),
        (["--budget", 0, "--algorithms", "maddpg-1"], "--budget: 0 is out of bounds, must be >= 1"),
        (
            ["--case", "ieee13-day", "--budget", "paper"],
            "--budget: the paper has no days such as ieee13-day; use fast or a number of days",
        ),
        (["--jobs", 0], "--jobs: 0 is out of bounds, must be >= 1"),
        (["--test-days", 9], "--test-days: ieee13 is a case of states"),
        (["--sede", 1], "unknown option --sede; did you mean --seeds?"),
    ],
)
def test_bad_options(refused, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused("compare", *words)
    assert not list(tmp_path.iterdir())  # nothing was begun


def begin(out, algorithm, budget, case="ieee13"):
    cell = Cell(out, case, algorithm, 0)
    args = training(CompareArgs(budget=budget), cell)
    run = create_run(cell.path, "x")
    run.write_config(make_case(case), arguments=args.to_json())


def test_another_budget_in_the_same_folder_is_refused(refused, tmp_path):
    """Also where the training that is there is not asked for again."""
    begin(tmp_path, "ts-maddpg", "1000")
    for algorithm in ("ts-maddpg", "maddpg-1"):
        words = ["--out", tmp_path, "--budget", 2000, "--algorithms", algorithm]
        assert refused("compare", *words) == (
            f"error: {tmp_path}/ieee13/ts-maddpg/seed0 was made with episodes 500 500, "
            "not 1000 1000 as --budget 2000 asks; name another --out\n"
        )
    assert "made with preset fast, not paper" in refused(
        "compare", "--out", tmp_path, "--budget", "paper"
    )
    check(CompareArgs(out=tmp_path, budget="1000", algorithms=("maddpg-1",)))


def test_folder_of_something_else_is_refused_and_kept(refused, tmp_path):
    (tmp_path / "mine").write_text("mine")
    assert "exists already, nothing is overwritten" in refused("compare", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_cell_without_arguments_is_refused(tmp_path):
    run = create_run(tmp_path / "ieee13" / "maddpg-1" / "seed0", "x")
    run.write_config(make_case("ieee13"))
    with pytest.raises(CommandError, match="names no training arguments"):
        check(CompareArgs(out=tmp_path))


def test_case_settings_reach_the_recipes_and_tell_cells_apart(tmp_path):
    args = CompareArgs(out=tmp_path, case_settings=("drift_kw=3",), algorithms=("ts-maddpg",))
    cell = Cell(tmp_path, "ieee13", "ts-maddpg", 0)
    assert training(check(args), cell).case_settings == {"drift_kw": 3}
    plain = training(replace(args, case_settings=None), cell)
    create_run(cell.path, "x").write_config(make_case("ieee13"), arguments=plain.to_json())
    with pytest.raises(CommandError, match="made with case_settings None, not drift_kw=3"):
        check(args)
    with pytest.raises(CommandError, match="--case-settings: wind is unknown"):
        check(replace(args, out=tmp_path / "new", case_settings=("wind=1",)))
