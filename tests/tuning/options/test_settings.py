"""Settings by name: on the command line, in files, and in the configuration they end in."""

from __future__ import annotations

import dataclasses
import json

import pytest

from policies.algorithms.ma_rdpg import MARDPGConfig
from policies.staged.config import MADDPGConfig
from tuning.errors import CommandError
from tuning.options.presets import make_config
from tuning.options.settings import RECURRENT_ONLY, SETTINGS, Setting, read_settings, write_settings
from tuning.options.train_args import TrainArgs, check


def example(name: str, setting: Setting) -> str:
    """A value that is no default."""
    if setting.kind is str:
        default = getattr(MADDPGConfig(), name)
        return next(choice for choice in setting.choices if choice != default)
    if setting.kind is bool:
        return "false" if getattr(MADDPGConfig(), name) else "true"
    return "0.125" if setting.kind is float else "7"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_reaches_the_configuration(name):
    words = (f"{name}={example(name, SETTINGS[name])}",)
    algorithm = "ma-rdpg" if name in RECURRENT_ONLY else None
    plain = make_config(check(TrainArgs(algorithm=algorithm)))
    config = make_config(check(TrainArgs(algorithm=algorithm, settings=words)))
    value = read_settings(words)[name]
    held = getattr(config, name)
    assert held == ([value] if isinstance(held, list) else value)
    assert held != getattr(plain, name)
    assert isinstance(config, MARDPGConfig) == (name in RECURRENT_ONLY)


def test_settings_have_one_form():
    words = ["tau=1e-2", "sigma=0.3,0.1", "actor_lr=1", "carry_critic=false", "tau=0.5"]
    settings = read_settings(words)
    assert settings == {"actor_lr": 1.0, "tau": 0.5, "carry_critic": False, "sigma": (0.3, 0.1)}
    assert read_settings(write_settings(settings)) == settings
    assert check(TrainArgs(settings=tuple(words))).settings == write_settings(settings)
    assert check(TrainArgs(settings=())).settings is None


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
    args = check(TrainArgs(stages=1, settings=words))
    assert (args.critic, args.critic_net, args.updates_per_episode) == ("separate", "paper", 0.5)
    assert args.settings is None
    assert args.named().title == "MADDPG-2"
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
    stored = check(wanted).to_json()
    for content in (stored, {"arguments": stored, "case": {"name": "more"}}):
        assert check(given(config=file(content))).to_json() == stored
    changed = check(given(config=file(stored), seed=3, settings=("sigma=0.1",)))
    expected = dataclasses.replace(wanted, seed=3, settings=("tau=0.5", "sigma=0.1"))
    assert changed.to_json() == check(expected).to_json()


def test_the_command_line_wins_over_a_named_algorithm_of_the_file(file):
    stored = check(TrainArgs(algorithm="ts-maddpg", episodes=(30,))).to_json()
    changed = check(given(config=file({**stored, "episodes": None}), stages=3))
    assert (changed.algorithm, changed.stages) == (None, 3)


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
