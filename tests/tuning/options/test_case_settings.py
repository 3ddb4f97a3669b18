"""``--case-settings``: fields of the case by name, for ``train`` and ``compare``."""

from __future__ import annotations

import dataclasses
import json

import pytest

from rllib_grid import make_case
from tuning.commands.train import TrainArgs, check
from tuning.errors import CommandError
from tuning.options.case_settings import read_case_settings, write_case_settings
from tuning.options.recipe import Recipe
from tuning.records.run_folder import create_run
from tuning.training.configuration import make_config


def test_numbers_and_words():
    words = ("drift_kw=3", "probe_share=.1", "agent_reward=local", "horizon=2", "drift_kw=4")
    found = read_case_settings("ieee13", words)
    assert found == {"agent_reward": "local", "horizon": 2, "probe_share": 0.1, "drift_kw": 4}
    assert read_case_settings("ieee13", write_case_settings(found)) == found
    case = make_case("ieee13", **found)
    assert (case.drift_kw, case.probe_share, case.horizon) == (4.0, 0.1, 2)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("drift_kw", "drift_kw must be NAME=VALUE"),
        ("drift=3", r"drift is unknown; did you mean drift_kw\?"),
        ("feeder=x", "feeder is unknown"),
        ("drift_kw=-1", "drift_kw is -1, must be >= 0"),
        ("drift_kw=far", "drift_kw is 'far', must be a number"),
        ("horizon=1.5", "horizon is 1.5, must be a whole number"),
    ],
)
def test_bad_words(word, message):
    with pytest.raises(CommandError, match=f"--case-settings: {message}"):
        check(TrainArgs(case_settings=(word,)))


def test_they_reach_the_environment_and_config_json():
    recipe = check(TrainArgs(case_settings=("probe_loss=0.1", "meter_error_pu=3e-4"))).recipe
    assert recipe.meter_error == 3e-4
    assert recipe.case_settings == {"probe_loss": 0.1}
    changes = {"meter_error_pu": 3e-4, "probe_loss": 0.1}
    assert recipe.case_changes() == changes
    assert make_config(recipe).env_config == {"case": "ieee13", **changes}
    stored = json.loads(json.dumps(recipe.to_json()))
    assert stored["case_settings"] == ["probe_loss=0.1"]
    assert Recipe.from_json(stored).checked() == recipe.checked() == recipe


def test_an_error_of_meters_is_named_once():
    same = TrainArgs(meter_error=3e-4, case_settings=("meter_error_pu=3e-4",))
    assert check(same).recipe.meter_error == 3e-4
    other = dataclasses.replace(same, meter_error=1e-4)
    with pytest.raises(CommandError, match=r"--meter-error 0\.0001 conflicts with"):
        check(other)


@pytest.mark.parametrize(
    ("more", "probes"),
    [({"stages": 3}, 2), ({"algorithm": "iterated"}, 3), ({"algorithm": "ma-rdpg"}, 1)],
)
def test_probes_leave_time_for_the_action(more, probes):
    share = 1 / probes if probes > 1 else 0.999999999999
    with pytest.raises(CommandError, match=f"{probes} probes of probe_share=.* leave no time"):
        check(TrainArgs(case_settings=(f"probe_share={share}",), **more))
    check(TrainArgs(case_settings=(f"probe_share={0.9 * share}",), **more))


def test_runs_from_before_go_on(tmp_path):
    run = create_run(tmp_path / "old", "x")
    arguments = check(TrainArgs()).recipe.to_json()
    del arguments["case_settings"]
    run.write_config(make_case("ieee13"), arguments=arguments)
    assert check(TrainArgs(resume=run.path)).recipe.case_settings == {}
    with pytest.raises(CommandError, match=r"--case-settings drift_kw=3 conflicts with None"):
        check(TrainArgs(resume=run.path, case_settings=("drift_kw=3",)))
    with pytest.raises(CommandError, match=r"--meter-error 0\.001 conflicts with 0\.0"):
        check(TrainArgs(resume=run.path, case_settings=("meter_error_pu=1e-3",)))
