"""``--case`` beside ``--run``: the case that the run was trained on, or none at all."""

from __future__ import annotations

import json

import pytest

from rllib_grid import make_case
from tuning.commands.baselines import BaselinesArgs, check
from tuning.errors import CommandError
from tuning.records.run_folder import create_run


def test_a_file_is_the_case_of_its_own_run(tmp_path):
    file = tmp_path / "mine.json"
    case = make_case("ieee13").replace(name="home")
    file.write_text(json.dumps(case.to_dict()))
    run = create_run(tmp_path / "run", "x")
    run.write_config(case.replace(drift_kw=3.0))
    check(BaselinesArgs(run=run.path, case=str(file)))
    file.write_text(json.dumps(make_case("ieee13-twelve").replace(name="home").to_dict()))
    with pytest.raises(
        CommandError, match=r"is not the case of .*, which is home with other group"
    ):
        check(BaselinesArgs(run=run.path, case=str(file)))
    with pytest.raises(CommandError, match=r"--case: ieee13-volt is not the case of .* is home"):
        check(BaselinesArgs(run=run.path, case="ieee13-volt"))
