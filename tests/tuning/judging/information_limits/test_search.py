"""Limits are computed once, and go on where they were cut off."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from tuning.errors import CommandError
from tuning.judging.information_limits import search
from tuning.judging.information_limits.budget import FULL_STATE, Budget
from tuning.judging.information_limits.cache import load_limits
from tuning.judging.information_limits.search import find_limits

TINY = Budget(updates=4, batch=8, width=4, fresh_states=64)


def per(content):
    return {entry["stage"]: entry["per_mean"] for entry in content["limits"]}


def test_limits_are_computed_once(small, here, monkeypatch):
    assert load_limits(small) is None
    content = find_limits(small, 2, TINY, 0, out=here / "out")
    assert set(per(content)) == {FULL_STATE, 1, 2}
    assert load_limits(small) == per(content)
    assert json.loads((here / "out/limits.json").read_text()) == json.loads(
        next(here.glob("runs/limits/*/limits.json")).read_text()
    )
    assert load_limits(small.replace(meter_error_pu=1e-4)) is None

    fitted = []
    real = search.fit_stage
    monkeypatch.setattr(
        search,
        "fit_stage",
        lambda case, earlier, *a, **k: fitted.append(len(earlier)) or real(case, earlier, *a, **k),
    )
    assert per(find_limits(small, 2, TINY, 0)) == per(content)
    assert fitted == []
    assert set(per(find_limits(small, 3, TINY, 0))) == {FULL_STATE, 1, 2, 3}
    assert fitted == [2]  # only the stage that was not there


def test_a_killed_computation_goes_on_to_the_same_result(small, here, monkeypatch):
    whole = per(find_limits(small, 2, TINY, 0))
    shutil.rmtree(here / "runs")
    real = search.fit_stage

    def killed(case, earlier, *args, **more):
        if earlier:
            raise KeyboardInterrupt
        return real(case, earlier, *args, **more)

    monkeypatch.setattr(search, "fit_stage", killed)
    with pytest.raises(KeyboardInterrupt):
        find_limits(small, 2, TINY, 0, out=here / "out")
    assert load_limits(small) == {1: whole[1]}
    assert (here / "out/limits.json").is_file()
    monkeypatch.setattr(search, "fit_stage", real)
    assert per(find_limits(small, 2, TINY, 0)) == whole


def test_the_larger_budget_counts_figure_by_figure(small, here):
    less = per(find_limits(small, 2, TINY, 0))
    more = per(find_limits(small, 1, dataclasses.replace(TINY, updates=6), 0))
    assert less[1] != more[1]
    assert load_limits(small) == {**less, **more}


def test_files_of_another_case_and_broken_files_are_refused(small, here):
    find_limits(small, 1, TINY, 0)
    path = next(here.glob("runs/limits/*/limits.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "case": {**content["case"], "v_head_pu": 1.01}}))
    for call in (load_limits, lambda case: find_limits(case, 1, TINY, 0)):
        with pytest.raises(CommandError, match="holds the limits of another case"):
            call(small)
    path.write_text("{}")
    with pytest.raises(CommandError, match="is not a file of limits"):
        load_limits(small)
    path.write_text(json.dumps(content))
    (path.parent / "stage-1.safetensors").write_bytes(b"x")
    with pytest.raises(CommandError, match=r"stage-1\.safetensors cannot be read"):
        find_limits(small, 2, TINY, 0)
