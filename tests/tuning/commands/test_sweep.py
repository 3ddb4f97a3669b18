"""The options of `sweep`, and all that is refused before any work."""

from __future__ import annotations

import json

import pytest

from tuning.commands.sweep import SweepArgs, check, load_sweep, training
from tuning.errors import CommandError
from tuning.options.search_space import (
    DEFAULT_DAY_SPACE,
    DEFAULT_GRID,
    DEFAULT_SPACE,
    RATES_AND_NOISE,
)
from tuning.records.measures import GAP_CLOSED, PER
from tuning.training.configuration import make_config


def test_structure_reaches_the_training():
    args = SweepArgs(search=("stages=1/3", "case=ieee13/ieee13-volt", "critic=separate/shared"))
    args = check(SweepArgs(search=args.search, budget=301, settings=("tau=0.5",), seed=4))
    plan = training(args, {"stages": "3", "case": "ieee13-volt", "critic": "separate"})
    assert (plan.stages, plan.case, plan.seed) == (3, "ieee13-volt", 4)
    assert plan.episodes == (101, 100, 100)
    assert plan.settings == {"tau": 0.5, "critic": "separate"}
    args = check(SweepArgs(search=("algorithm=iterated/maddpg-2", "tau=1e-3..1e-2"), budget=300))
    plan = training(args, {"algorithm": "maddpg-2", "tau": 0.002})
    assert (plan.stages, plan.episodes, plan.settings) == (1, (300,), {"tau": 0.002})
    assert make_config(plan).critic == "separate"


@pytest.mark.parametrize("searcher", ["random", "grid", "optuna"])
def test_a_space_that_is_not_named_is_a_default(searcher):
    args = check(SweepArgs(searcher=searcher))
    assert args.search == (DEFAULT_GRID if searcher == "grid" else DEFAULT_SPACE)
    assert args.wanted == (12 if searcher == "grid" else 16)
    for config in args.space.probes():
        make_config(training(args, config)).validate()


@pytest.mark.parametrize("searcher", ["random", "grid"])
def test_days_have_a_default_space_and_a_measure_of_their_own(searcher):
    args = check(SweepArgs(case="ieee13-day", searcher=searcher))
    assert args.search == (DEFAULT_GRID if searcher == "grid" else DEFAULT_DAY_SPACE)
    assert args.measure is GAP_CLOSED and check(SweepArgs()).measure is PER
    assert check(SweepArgs(search=("case=ieee13-day/ieee13-day-heat",))).measure is GAP_CLOSED
    base = make_config(training(args, next(args.space.probes())))
    assert (base.env, base.gamma < 1) == ("grid-day", True)


@pytest.mark.parametrize(
    ("case", "listed", "dropped"),
    [
        ("ieee13", DEFAULT_SPACE, ()),
        ("ieee13-day", DEFAULT_DAY_SPACE, ("critic_tau", "critic_net")),
    ],
)
def test_a_default_space_is_what_the_algorithm_has(case, listed, dropped):
    args = check(SweepArgs(case=case, algorithm="ma-rdpg"))
    assert args.search == tuple(word for word in listed if word.partition("=")[0] not in dropped)
    for config in args.space.probes():
        make_config(training(args, config)).validate()


def test_the_case_is_said_as_train_says_it():
    args = check(
        SweepArgs(case="ieee13-day", case_settings=("efficiency=0.9",), steps=96, test_days=12)
    )
    made = training(args, next(args.space.probes()))
    assert (made.case_settings, made.steps, made.test_days) == ({"efficiency": 0.9}, 96, 12)


def test_what_an_algorithm_has_not_is_refused_by_name(refused, tmp_path):
    words = ["--search", "memory_width=8/16", "algorithm=ma-rdpg/ts-maddpg"]
    line = refused("sweep", *words, "--out", tmp_path / "sweep")
    assert "memory_width is a setting of ma-rdpg alone" in line
    line = refused("sweep", "--search", "carry_critic=true/false", "--algorithm", "ma-rdpg")
    assert "carry_critic is a setting of maddpg alone" in line
    check(SweepArgs(search=("memory_width=8/16",), algorithm="ma-rdpg"))


def test_a_default_space_leaves_out_what_is_fixed():
    names = check(SweepArgs(settings=("sigma=0.1",))).space.names
    assert "sigma" not in names and "actor_lr" in names
    assert set(check(SweepArgs(scheduler="pbt")).space.names) == set(RATES_AND_NOISE)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("sigma", "sigma must be NAME=VALUES"),
        ("sigma=", "sigma= must be NAME=VALUES"),
        ("sigm=0.1/0.2", "sigm is unknown; did you mean sigma?"),
        ("sigma=0.3", "sigma=0.3 leaves nothing to search; fix it: --settings sigma=0.3"),
        ("stages=2", "stages=2 leaves nothing to search; fix it: --stages 2"),
        ("sigma=0.1|0.2", "values of a list are divided by /, not by |"),
        ("sigma=0.1/0.1", "sigma=0.1/0.1 names a value twice"),
        ("sigma=0.5..0.1", "sigma=0.5..0.1 is empty, LOW must be below HIGH"),
        ("sigma=0.1..0.2..0.3", "sigma=0.1..0.2..0.3 must be LOW..HIGH"),
        ("sigma=0.1..", "--search: sigma= is no number"),
        ("sigma=-1..1", "--search: sigma=-1 is out of bounds, must be >= 0"),
        ("actor_lr=0..1e-2", "--search: actor_lr=0 is out of bounds, must be > 0"),
        ("tau=1e-3..2", "--search: tau=2 is out of bounds, must be > 0 and <= 1"),
        ("sigma=0.1..0.2,0.3,0.4", "takes at most 2 number(s)"),
        ("sigma=0.1..0.2/0.5", "a range is of numbers and not in a list"),
        ("critic_net=paper..plain", "a range is of numbers and not in a list"),
        ("stages=1..3", "a range is of numbers and not in a list"),
        ("critic_net=papr/quadratic-residual", "critic_net=papr is unknown; did you mean paper?"),
        ("actor_width=16/3.5", "actor_width=3.5 is no whole number"),
        ("carry_critic=yes/no", "carry_critic=yes must be true or false"),
        ("stages=0/1", "stages=0 must be a whole number >= 1"),
        ("algorithm=iterated/rdpg", "algorithm=rdpg is unknown; did you mean ma-rdpg?"),
        ("case=ieee13/ieee14", "--search: case ieee14 is unknown"),
        ("memory_width=8/16", "memory_width is a setting of ma-rdpg alone"),
    ],
)
def test_a_bad_space_is_one_line(word, line, refused, tmp_path):
    assert line in refused("sweep", "--search", word, "--out", tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--search", "tau=0.1/1", "tau=0.5/1"], "tau stands twice"),
        (["--search", "tau=0.1/1", "--settings", "tau=1"], "tau is fixed by --settings"),
        (["--search", "case=ieee13/ieee13-volt", "--case", "ieee13"], "case is fixed by --case"),
        (["--search", "stages=1/2", "--algorithm", "iterated"], "stages is part of a named"),
        (["--search", "critic=shared/separate", "algorithm=iterated/maddpg-1"], "critic is part"),
        (["--search", "stages=1/2", "--episodes", 10, 10], "--episodes: 2 numbers for 1 stage(s)"),
        (["--episodes", 10, "--budget", 10], "--budget conflicts with --episodes"),
        (["--budget", 1], "--budget: 1 is out of bounds, must be >= 2"),
        (["--trials", 0], "--trials: 0 is out of bounds, must be >= 1"),
        (["--jobs", 0], "--jobs: 0 is out of bounds, must be >= 1"),
        (["--seed", -1], "--seed: -1 is out of bounds, must be >= 0"),
        (["--case", "ieee"], "--case: ieee is unknown"),
        (["--checkpoint-every", "soon"], "--checkpoint-every: soon is neither seconds"),
        (["--searcher", "grid", "--search", "tau=0.1..1"], "tau is a range; list its values"),
        (["--searcher", "grid", "--trials", 3], "one trial for each combination, here 12"),
        (["--scheduler", "pbt", "--searcher", "optuna"], "--searcher optuna needs asha or none"),
        (["--scheduler", "pbt", "--trials", 1], "pbt needs >= 2"),
        (["--steps", 24], "--steps: ieee13 is a case of states"),
        (["--case", "ieee13-day", "--profiles", "mine.csv"], "cannot read profiles"),
        (["--case-settings", "wind=1"], "--case-settings: wind is unknown"),
        (["--resume", "nowhere"], "nowhere is not the folder of a sweep"),
        (
            ["--search", "case=ieee13/ieee13-day"],
            "--search: ieee13-day has days and ieee13 has states, which no figure compares",
        ),
    ],
)
def test_bad_options_are_one_line(words, line, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert line in refused("sweep", *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "word",
    [
        "actor_width=16/32",
        "critic_net=paper/quadratic-residual",
        "updates_per_episode=0.5..2",
        "stages=1/2",
        "case=ieee13/ieee13-volt",
        "algorithm=iterated/ts-maddpg",
        "minibatch_size=64/128",
    ],
)
def test_pbt_refuses_what_cannot_change_during_a_training(word, refused):
    name = word.partition("=")[0]
    line = refused("sweep", "--scheduler", "pbt", "--search", word, "actor_lr=1e-4..1e-2")
    assert f"pbt changes rates and noise alone (actor_lr, critic_lr, tau, sigma); {name}" in line
    assert "needs asha or none" in line


def test_existing_out_is_refused_and_kept(refused, tmp_path):
    (tmp_path / "mine").write_text("mine")
    assert "exists already" in refused("sweep", "--out", tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.fixture
def begun(tmp_path):
    args = check(SweepArgs(scheduler="asha", trials=5, budget=300, seed=3))
    (tmp_path / "sweep.json").write_text(json.dumps(args.to_json()))
    return tmp_path, args


def test_resume_takes_the_arguments_of_the_folder(begun):
    folder, args = begun
    resumed = check(SweepArgs(resume=folder, quiet=True, jobs=3))
    assert resumed.to_json() == args.to_json() == load_sweep(folder).to_json()
    assert (resumed.resume, resumed.quiet, resumed.workers) == (folder, True, 3)
    assert check(SweepArgs(resume=folder, trials=5, out=folder)).wanted == 5


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ({"trials": 6}, "--trials 6 conflicts with 5 in"),
        ({"scheduler": "pbt"}, "--scheduler pbt conflicts with asha in"),
        ({"search": ("tau=0.1/1",)}, "--search tau=0.1/1 conflicts with"),
        ({"seed": 0, "given": frozenset({"seed"})}, "--seed 0 conflicts with 3 in"),
    ],
)
def test_resume_refuses_a_conflicting_option(begun, option, line):
    folder, _ = begun
    with pytest.raises(CommandError, match=line):
        check(SweepArgs(resume=folder, **option))


def test_resume_refuses_a_sweep_of_another_version(begun, refused):
    folder, args = begun
    for stamp in ({}, {"format": 1}):
        content = {"arguments": args.to_json()["arguments"], **stamp}
        (folder / "sweep.json").write_text(json.dumps(content))
        line = refused("sweep", "--resume", folder)
        assert f"{folder} is a sweep of another version" in line and "sweep anew" in line


def test_resume_brings_a_file_of_days_back(tmp_path):
    args = SweepArgs(case="ieee13-day", profiles=tmp_path / "mine.csv")
    (tmp_path / "sweep.json").write_text(json.dumps(args.to_json()))
    assert load_sweep(tmp_path) == args


def test_resume_refuses_another_out(begun):
    folder, _ = begun
    with pytest.raises(CommandError, match="--out conflicts with --resume"):
        check(SweepArgs(resume=folder, out=folder / "other"))
