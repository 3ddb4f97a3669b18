"""The one door: parsing, help, the checks before a training, and what becomes of errors."""

from __future__ import annotations

import dataclasses
import sys
import types

import pytest

from rllib_grid import make_case
from tuning import cli
from tuning.commands.train import TrainArgs, Training, check
from tuning.errors import CommandError
from tuning.options.recipe import Recipe
from tuning.records.run_folder import create_run

# The door itself


def test_no_command_lists_them(door):
    code, out, _ = door()
    assert code == 0
    for name in ("train", "evaluate", "optimum", "bench"):
        assert name in out


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_help_names_every_option_with_default(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([command, "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert exit_.value.code == 0
    for field in dataclasses.fields(cli.COMMANDS[command].arguments):
        if field.name != "given":
            assert field.name.rstrip("_").replace("_", "-") in out.lower()
            if isinstance(field.default, (str, int)) and not isinstance(field.default, bool):
                assert f"(default: {field.default})" in out


def test_mistyped_words_are_answered_with_the_nearest_known(refused):
    assert "unknown command trian; did you mean train?" in refused("trian")
    assert "unknown option --sede; did you mean --seed?" in refused("train", "--sede", 3)
    assert "unknown argument stray" in refused("train", "stray")
    assert "argument --seed: invalid int value: 'x'" in refused("train", "--seed", "x")
    assert "--preset: invalid choice: 'slow'" in refused("train", "--preset", "slow")
    assert "--states, --out" in refused("optimum")


def test_interrupt_is_one_line_with_the_remedy(door, monkeypatch):
    def interrupted(args):
        raise KeyboardInterrupt("go on with --resume x")

    monkeypatch.setitem(
        cli.COMMANDS, "train", dataclasses.replace(cli.COMMANDS["train"], check=interrupted)
    )
    assert door("train") == (130, "", "interrupted; go on with --resume x\n")


def test_unexpected_errors_keep_their_traceback(monkeypatch):
    def broken(args):
        raise ValueError("a defect")

    monkeypatch.setitem(
        cli.COMMANDS, "train", dataclasses.replace(cli.COMMANDS["train"], check=broken)
    )
    with pytest.raises(ValueError, match="a defect"):
        cli.main(["train"])


# train: parsing and checks


@pytest.fixture
def parsed(monkeypatch):
    """Return the arguments that reach the training for a command line."""
    module = types.ModuleType("tuning.training.train")
    monkeypatch.setitem(sys.modules, "tuning.training.train", module)
    seen = []
    module.run_training = seen.append

    def run(*words):
        assert cli.main(["train", *map(str, words)]) == 0
        return seen.pop()

    return run


def test_defaults_and_values_reach_the_training(parsed, tmp_path):
    assert parsed() == Training(recipe=Recipe().checked())
    training = parsed("--episodes", 300, 200, "--critic-net", "paper", "--seed", 4, "--quiet")
    recipe = Recipe(episodes=(300, 200), settings={"critic_net": "paper"}, seed=4)
    assert training == Training(recipe=recipe.checked(), quiet=True)
    assert parsed("--episodes", 50, "--stages", 3).recipe.episodes == (50, 50, 50)
    assert parsed("--out", tmp_path / "new").out == tmp_path / "new"
    assert not (tmp_path / "new").exists()  # the check writes nothing


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--episodes", 0], "--episodes: 0 is out of bounds, must be > 0"),
        (["--episodes", 100, -5], "--episodes: -5 is out of bounds, must be > 0"),
        (["--episodes", 1, 2, 3], "--episodes: 3 numbers for 2 stage(s), must be 1 or 2"),
        (["--stages", 0], "--stages: 0 is out of bounds, must be >= 1"),
        (["--seed", -1], "--seed: -1 is out of bounds, must be >= 0"),
        (["--num-envs", 0], "--num-envs: 0 is out of bounds, must be >= 1"),
        (["--num-learners", -1], "--num-learners: -1 is out of bounds"),
        (["--updates-per-episode", "nan"], "--updates-per-episode: nan is out of bounds"),
        (["--num-gpus-per-learner", -0.5], "--num-gpus-per-learner: -0.5 is out of bounds"),
        (["--case", "ieee13-contigous"], "is unknown; did you mean ieee13-contiguous?"),
        (["--resume", "nowhere"], "nowhere is not a run folder: there is no such folder"),
        (["--resume", "."], "is not a run folder: config.json is missing"),
    ],
)
def test_bad_options_of_train(refused, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused("train", *words)
    assert not list(tmp_path.iterdir())  # nothing was begun


def test_existing_out_is_refused_and_kept(refused, tmp_path):
    (tmp_path / "mine").write_text("mine")
    assert "exists already, nothing is overwritten" in refused("train", "--out", tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.fixture
def begun(tmp_path):
    """A run folder of a training with three stages and seed 5."""
    run = create_run(tmp_path / "begun", "x")
    recipe = Recipe(case="ieee13-twelve", stages=3, episodes=(40,), seed=5).checked()
    run.write_config(make_case("ieee13-twelve"), arguments=recipe.to_json())
    return run.path


def test_resume_takes_the_configuration_of_the_folder(parsed, begun):
    recipe = Recipe(case="ieee13-twelve", stages=3, episodes=(40, 40, 40), seed=5)
    wanted = Training(recipe=recipe, resume=begun, quiet=True)
    assert parsed("--resume", begun, "--quiet") == wanted
    same = ["--seed", 5, "--stages", 3, "--episodes", 40, "--out", begun, "--quiet"]
    assert parsed("--resume", begun, *same) == wanted
    assert check(TrainArgs(resume=begun, quiet=True)) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", 0], "--seed 0 conflicts with 5 in"),  # the default, but said aloud
        (["--case", "ieee13"], "--case ieee13 conflicts with ieee13-twelve in"),
        (["--stages", 2], "--stages 2 conflicts with 3 in"),
        (["--episodes", 40, 50, 40], "--episodes 40 50 40 conflicts with 40 40 40 in"),
        (["--critic", "separate"], "--critic separate conflicts with None in"),
        (["--out", "elsewhere"], "--out conflicts with --resume"),
    ],
)
def test_resume_refuses_a_conflicting_option(refused, begun, words, message):
    assert message in refused("train", "--resume", begun, *words)


def test_resume_of_a_folder_without_arguments(refused, tmp_path):
    create_run(tmp_path / "other", "x").write_config(make_case("ieee13"))
    assert "names no training arguments" in refused("train", "--resume", tmp_path / "other")


def test_a_conflict_is_seen_without_a_command_line(begun):
    with pytest.raises(CommandError, match="--seed 6 conflicts with 5"):
        check(TrainArgs(resume=begun, seed=6))


# In a process of its own


def test_real_process_exits_with_two_and_one_line(python):
    done = python("-m", "tuning", "train", "--episodes", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --episodes: 0 is out of bounds, must be > 0\n"


def test_help_imports_nothing_heavy(python):
    code = (
        "import sys, tuning.cli; tuning.cli.main([])\n"
        "assert not {'ray', 'torch', 'numpy', 'matplotlib', 'rich', 'cvxpy'} & set(sys.modules)"
    )
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_bench_refuses_before_it_measures(refused, tmp_path):
    assert "--seconds: 0.0 is out of bounds" in refused("bench", "--seconds", 0)
    assert "--case: x is unknown" in refused("bench", "--case", "x")
    assert "--seed: -1 is out of bounds" in refused("bench", "--seed", -1)
    (tmp_path / "kept").touch()
    assert "exists already" in refused("bench", "--out", tmp_path)
