"""Settings by name: on the command line, in files, and in the configuration they end in."""

from __future__ import annotations

import dataclasses
import json

import pytest

from policies.algorithms.ma_rdpg import MARDPGConfig
from policies.algorithms.registry import FAMILIES
from policies.algorithms.settings import SETTINGS, settings_of
from policies.staged.setting import Setting
from tuning.commands.train import SETTINGS_TOO, TrainArgs, check
from tuning.errors import CommandError
from tuning.options.arguments import options
from tuning.options.recipe import Recipe
from tuning.options.settings import free_settings, read_settings, write_settings
from tuning.training.configuration import make_config


def example(config, name: str, setting: Setting) -> str:
    """A value that is no default."""
    if setting.kind is str:
        default = getattr(config, name)
        return next(choice for choice in setting.choices if choice != default)
    if setting.kind is bool:
        return "false" if getattr(config, name) else "true"
    return "0.125" if setting.kind is float else "7"


ALGORITHM_OF = {"maddpg": "ts-maddpg", "ma-rdpg": "ma-rdpg"}


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (family, name)
        for family in FAMILIES
        for name in free_settings(family)
        if name != "time_steps"  # the case's, see below
    ],
)
def test_every_setting_reaches_the_configuration(family, name):
    plain = make_config(Recipe(algorithm=ALGORITHM_OF[family]).checked())
    words = (f"{name}={example(plain, name, settings_of(family)[name])}",)
    recipe = check(TrainArgs(algorithm=ALGORITHM_OF[family], settings=words)).recipe
    config = make_config(recipe)
    value = read_settings(words)[name]
    held = getattr(config, name)
    assert held == ([value] if isinstance(held, list) else value)
    assert held != getattr(plain, name)
    assert isinstance(config, MARDPGConfig) == (family == "ma-rdpg")


def test_trajectories_are_as_long_as_those_of_the_case():
    for case, steps in (("ieee13", 1), ("ieee13-day", 24)):
        recipe = Recipe(case=case, algorithm="ma-rdpg", settings={"time_steps": steps}).checked()
        assert make_config(recipe).time_steps == steps
        other = dataclasses.replace(recipe, settings={"time_steps": 7})
        with pytest.raises(CommandError, match=f"time_steps is 7, must be {steps}, the steps of"):
            make_config(other)


def test_options_that_are_settings_are_of_the_tables_kind():
    kinds = {field.name: kind for field, kind, _ in options(TrainArgs)}
    for name in SETTINGS_TOO:
        assert kinds[name] == SETTINGS[name].kind | None


def test_settings_have_one_form():
    words = ["tau=1e-2", "sigma=0.3,0.1", "actor_lr=1", "carry_critic=false", "tau=0.5"]
    settings = read_settings(words)
    assert settings == {"actor_lr": 1.0, "tau": 0.5, "carry_critic": False, "sigma": (0.3, 0.1)}
    assert read_settings(write_settings(settings)) == settings
    assert check(TrainArgs(settings=tuple(words))).recipe.settings == settings
    assert check(TrainArgs(settings=())).recipe.settings == {}


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("sigma", "sigma must be NAME=VALUE"),
        ("sigm=1", "sigm is unknown; did you mean sigma?"),
        ("sigma=-1", "sigma=-1 is out of bounds, must be >= 0"),
        ("sigma=1,2,3", "sigma=1,2,3 takes at most 2 number(s)"),
        ("tau=0", "tau=0 is out of bounds, must be > 0 and <= 1"),
        ("tau=nan", "tau=nan is out of bounds"),
        ("actor_width=6.5", "actor_width=6.5 is no whole number"),
        ("actor_lr=x", "actor_lr=x is no number"),
        ("noise=gausian", "noise=gausian is unknown; did you mean gaussian?"),
        ("carry_critic=1", "carry_critic=1 must be true or false"),
        ("memory_width=8", "memory_width is a setting of ma-rdpg alone"),
    ],
)
def test_a_bad_setting_is_one_line(word, line, refused, tmp_path):
    assert line in refused("train", "--settings", word, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_go_together_are_refused(refused, tmp_path):
    words = ("--num-learners", 2, "--settings", "minibatch_size=255", "--out", tmp_path / "run")
    assert "minibatch_size is 255" in refused("train", *words)
    assert not (tmp_path / "run").exists()


def test_settings_that_are_options_too_stand_in_their_place(refused):
    words = ("critic=separate", "critic_net=paper", "updates_per_episode=0.5")
    recipe = check(TrainArgs(stages=1, settings=words)).recipe
    options = {"critic": "separate", "critic_net": "paper", "updates_per_episode": 0.5}
    assert recipe.settings == options
    assert check(TrainArgs(stages=1, **options)).recipe == recipe
    assert recipe.named().title == "MADDPG-2"
    line = "--critic shared conflicts with --settings critic=separate"
    assert line in refused("train", "--critic", "shared", "--settings", *words)
    line = "--critic separate conflicts with --algorithm maddpg-1"
    assert line in refused("train", "--algorithm", "maddpg-1", "--settings", *words)


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "options.json"
        path.write_text(json.dumps(content))
        return path

    return write


def given(**values):
    """Arguments as the command line would make them."""
    return TrainArgs(**values, given=frozenset(values))


def test_a_file_of_options_fills_in_what_is_left_open(file):
    wanted = TrainArgs(case="ieee13-volt", episodes=(30, 20), settings=("tau=0.5", "sigma=0.2"))
    stored = check(wanted).recipe.to_json()
    for content in (stored, {"arguments": stored, "case": {"name": "more"}}):
        assert check(given(config=file(content))).recipe.to_json() == stored
    changed = check(given(config=file(stored), seed=3, settings=("sigma=0.1",)))
    expected = dataclasses.replace(wanted, seed=3, settings=("tau=0.5", "sigma=0.1"))
    assert changed.recipe == check(expected).recipe


def test_what_settings_take_a_file_takes_too(file):
    recipe = check(TrainArgs(settings=("critic_net=saddle-residual",))).recipe
    assert check(given(config=file({"arguments": recipe.to_json()}))).recipe == recipe
    named = {"critic_net": "saddle-residual"}  # as the option of that name
    assert check(given(config=file(named))).recipe == recipe
    paper = check(given(config=file(recipe.to_json()), critic_net="paper")).recipe
    assert paper.settings == {"critic_net": "paper"}


def test_an_algorithm_on_the_command_line_wins_over_the_stages_of_a_file(file):
    stored = check(TrainArgs(algorithm="ts-maddpg")).recipe.to_json()
    changed = check(given(config=file(stored), algorithm="ms-maddpg-3")).recipe
    assert (changed.algorithm, changed.stages) == ("ms-maddpg-3", 3)


def test_the_command_line_wins_over_a_named_algorithm_of_the_file(file):
    stored = check(TrainArgs(algorithm="ts-maddpg", episodes=(30,))).recipe.to_json()
    changed = check(given(config=file({**stored, "episodes": None}), stages=3))
    assert (changed.recipe.algorithm, changed.recipe.stages) == (None, 3)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"sed": 1}, "sed is unknown; did you mean seed?"),
        ({"seed": True}, "seed cannot be true"),
        ({"seed": "1"}, 'seed cannot be "1"'),
        ({"episodes": [1.5]}, "episodes cannot be [1.5]"),
        ({"critic": "both"}, 'critic cannot be "both"'),
        ({"arguments": 3}, "its arguments must be a JSON object"),
        ({"settings": ["tau=2"]}, "tau=2 is out of bounds"),
    ],
)
def test_a_bad_file_of_options_is_one_line(content, line, file):
    with pytest.raises(CommandError, match=r".") as refusal:
        check(given(config=file(content)))
    assert line in str(refusal.value)
