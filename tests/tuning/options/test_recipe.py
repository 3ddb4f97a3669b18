"""Recipes: one form, the bounds of everything, and days beside states."""

from __future__ import annotations

import dataclasses
import json

import pytest

from rllib_grid import make_case
from tuning.cli import main
from tuning.errors import CommandError
from tuning.options.recipe import Recipe
from tuning.records.checkpoints import COMPLETE, FORMAT
from tuning.records.files import write_json
from tuning.records.run_folder import create_run
from tuning.subjects.days import Days
from tuning.training.configuration import make_config

DAY = "ieee13-day"


def test_recipes_of_one_training_are_equal():
    written = Recipe(case=DAY, episodes=(300,), settings={"sigma": [0.3, 0.1], "tau": 1}).checked()
    assert written == written.checked() == Recipe.from_json(written.to_json()).checked()
    assert (written.stages, written.episodes) == (2, (300, 300))
    assert (written.steps, written.test_days) == (24, 60)
    assert written.settings == {"tau": 1.0, "sigma": (0.3, 0.1)}
    assert json.loads(json.dumps(written.to_json()))["settings"] == ["tau=1.0", "sigma=0.3,0.1"]
    assert Recipe(algorithm="ms-maddpg-3").checked().stages == 3
    assert Recipe(algorithm="ms-maddpg-3").checked() != Recipe(stages=3).checked()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stages": 0}, "--stages: 0 is out of bounds, must be >= 1"),
        ({"test_days": 0}, "--test-days: 0 is out of bounds, must be >= 1"),
        ({"steps": 48}, "--steps: 48 is out of bounds, must be 24 or 96"),
        ({"settings": {"gamma": 1.0}}, "--settings: gamma is 1.0, must be >= 0 and < 1"),
        ({"settings": {"num_stages": 3}}, "--settings: num_stages is what --stages sets"),
        ({"settings": {"gama": 1.0}}, "--settings: gama is unknown; did you mean gamma?"),
        ({"seed": -1}, "--seed: -1 is out of bounds, must be >= 0"),
        ({"episodes": (5, 0)}, "--episodes: 0 is out of bounds, must be > 0"),
        ({"episodes": (5, 5, 5)}, "--episodes: 3 numbers for 2 stage(s), must be 1 or 2"),
        ({"meter_error": 1e-3}, f"--meter-error: meters of {DAY} do not err"),
        ({"preset": "paper"}, f"--preset: the paper has no days such as {DAY}"),
        ({"preset": "papr"}, "--preset: papr is unknown"),
        ({"algorithm": "maddpg"}, "--algorithm: maddpg is unknown"),
        ({"case_settings": {"efficiency": 2}}, "--case-settings: efficiency is 2"),
        ({"case": "ieee13", "steps": 24}, "--steps: ieee13 is a case of states"),
        ({"case": "ieee13", "test_days": 9}, "--test-days: ieee13 is a case of states"),
        ({"case": "ieee13-dya"}, "--case: ieee13-dya is unknown; did you mean ieee13-day"),
    ],
)
def test_what_is_refused(options, says):
    with pytest.raises(CommandError) as refusal:
        Recipe(**{"case": DAY, **options}).checked()
    assert says in str(refusal.value)


def test_a_setting_of_another_family_is_refused_by_name():
    with pytest.raises(CommandError, match="carry_critic is a setting of maddpg alone"):
        Recipe(algorithm="ma-rdpg", settings={"carry_critic": False}).checked()
    with pytest.raises(CommandError, match="critic_net is 'saddle-residual', must be one of"):
        Recipe(algorithm="ma-rdpg", settings={"critic_net": "saddle-residual"}).checked()


def test_rounds_take_time_too():
    slow = Recipe(algorithm="ma-rdpg", case_settings={"probe_share": 0.4})
    with pytest.raises(CommandError, match=r"3 probes of probe_share=0\.4 leave no time"):
        dataclasses.replace(slow, settings={"num_rounds": 4}).checked()
    slow.checked()  # two rounds
    dataclasses.replace(slow, settings={"num_rounds": 1}).checked()
    slower = dataclasses.replace(slow, case_settings={"probe_share": 0.999999999999})
    with pytest.raises(CommandError, match="train fewer rounds"):
        slower.checked()
    dataclasses.replace(slower, settings={"num_rounds": 1}).checked()


@pytest.fixture
def below(tmp_path):
    """Make the folder of a run that could be built on, as far as a recipe can see."""

    def make(**recipe):
        wanted = Recipe(**recipe).checked()
        run = create_run(tmp_path / "below", "x")
        run.write_config(wanted.make_case(), arguments=wanted.to_json())
        run.checkpoint.mkdir()
        write_json(run.checkpoint / COMPLETE, {"format": FORMAT, "iteration": 1, "files": {}})
        return run.path

    return make


@pytest.mark.parametrize(
    ("trained", "asked", "says"),
    [
        ({"case": "ieee13-volt"}, {}, "was trained on ieee13-volt, not on ieee13"),
        ({}, {"case_settings": {"drift_kw": 3}}, "ieee13 with drift_kw=0.0, not 3.0"),
        ({"case": DAY}, {"case": DAY, "steps": 96}, "ieee13-day with other profiles"),
        ({"case": DAY}, {"case": DAY, "case_settings": {"settle": "stepwise"}}, "settle=end, not"),
    ],
)
def test_no_stage_is_built_on_another_case(below, trained, asked, says):
    path = below(**trained)
    Recipe(**trained, on_top_of=path).checked()
    with pytest.raises(CommandError) as refusal:
        Recipe(**asked, on_top_of=path).checked()
    assert str(refusal.value).startswith(f"--on-top-of: {path} was trained on ")
    assert says in str(refusal.value)


def test_stages_are_built_on_the_same_file_and_on_other_meters(below, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(make_case("ieee13").replace(name="home").to_dict()))
    path = below(case=str(file))
    Recipe(case=str(file), on_top_of=path).checked()
    Recipe(case=str(file), meter_error=1e-3, on_top_of=path).checked()
    file.write_text(json.dumps(make_case("ieee13", drift_kw=3.0).replace(name="home").to_dict()))
    with pytest.raises(CommandError, match=r"was trained on home with drift_kw=0\.0, not 3\.0"):
        Recipe(case=str(file), on_top_of=path).checked()


def test_the_case_of_days_takes_steps_and_settings():
    recipe = Recipe(case=DAY, steps=96, case_settings={"efficiency": 0.9}).checked()
    case = recipe.make_case()
    assert (case.year.num_steps, case.efficiency, case.settle) == (96, 0.9, "end")
    name, config = Days(case).environment(recipe)
    told = config["case"]
    assert (name, told["settle"], told["agent_reward"]) == ("grid-day", "stepwise", "local")
    asked = Recipe(case=DAY, case_settings={"agent_reward": "shared"}).checked()
    told = Days(asked.make_case()).environment(asked)[1]["case"]
    assert told["agent_reward"] == "shared"


def test_bad_profiles_are_one_line_and_exit_code_two(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text("time,p_base_w_1\n")
    words = ["--profiles", str(path), "--out", str(tmp_path / "run"), "--quiet"]
    assert main(["train", "--case", DAY, *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: mine.csv: line 1: unknown column 'p_base_w_1'")
    assert said.count("\n") == 1 and not (tmp_path / "run").exists()


def test_what_a_named_algorithm_has_is_not_changed() -> None:
    with pytest.raises(CommandError, match="--stages 3 conflicts with --algorithm ts-maddpg"):
        Recipe(algorithm="ts-maddpg", stages=3).checked()
    with pytest.raises(CommandError, match="--critic shared conflicts with --algorithm maddpg-2"):
        Recipe(algorithm="maddpg-2", settings={"critic": "shared"}).checked()
    with pytest.raises(CommandError, match="2 numbers for 1 stage"):
        Recipe(algorithm="full-state", episodes=(10, 10)).checked()


def test_numbers_that_are_none_are_refused_for_themselves() -> None:
    with pytest.raises(CommandError, match=r"--meter-error: nan is out of bounds, must be >= 0"):
        Recipe(meter_error=float("nan")).checked()
    with pytest.raises(CommandError, match=r"--seed: 4294967296 is out of bounds, must be < 2\^32"):
        Recipe(seed=2**32).checked()


def test_trajectories_of_a_recurrent_algorithm_are_those_of_the_case() -> None:
    recipe = Recipe(algorithm="ma-rdpg", case_settings={"horizon": 3}).checked()
    assert make_config(recipe).time_steps == 3
    other = Recipe(algorithm="ma-rdpg", settings={"time_steps": 2}).checked()
    with pytest.raises(CommandError, match="time_steps is 2, must be 1"):
        make_config(other)
