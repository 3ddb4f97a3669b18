"""``robustness``: the same states under every disturbance, and one line for bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from stand_in import StandIn

from rllib_grid import make_case
from tuning.judging import robustness
from tuning.judging.disturbances import IDEAL, disturbances
from tuning.records.run_folder import create_run

CASE = make_case("ieee13")


class Reader(StandIn):
    """A controller that, from stage 2 on, follows the voltages of its own buses."""

    rounds = 1

    def __init__(self, agent, num_stages):
        self.signature = CASE.layout.signature(agent)
        self.num_stages = num_stages

    def act(self, state, prototype=None, observation=None, stage=None):
        p_kw, q_kvar = np.split(-0.4 * np.asarray(state), 2, axis=1)
        if observation is not None:
            p_kw = p_kw + 2000.0 * (observation - 1.001)
        return np.clip(np.hstack([p_kw, q_kvar]), -105, 105)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Run folders of ieee13: a team of one stage, and one of two trained with meters that err."""
    made = {}
    for name, stages, error in (("one", 1, 0.0), ("two", 2, 3e-4)):
        run = create_run(tmp_path / name, "x")
        run.write_config(CASE.replace(meter_error_pu=error), algorithm=f"K = {stages}", seed=0)
        run.controllers.mkdir()
        made[run.controllers] = {agent: Reader(agent, stages) for agent in CASE.agents}
    monkeypatch.setattr(robustness, "load_controllers", made.__getitem__)
    return [tmp_path / "one", tmp_path / "two"]


def test_every_disturbance_in_table_file_and_picture(door, runs, tmp_path):
    out = tmp_path / "out"
    code, text, _ = door("robustness", *runs, "--states", 60, "--out", out)
    assert code == 0
    assert "two: K = 2, seed 0, trained with meter_error_pu 0.0003" in text
    assert (out / "robustness.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((out / "robustness.json").read_text())
    rows = {row["name"]: row["runs"] for row in content["disturbances"]}
    assert list(rows) == [d.name for d in disturbances("agent_0")]
    assert all(name in text for name in rows)
    assert [run["trained_with"] for run in content["runs"]] == [{}, {"meter_error_pu": 3e-4}]
    assert content["case"]["meter_error_pu"] == 0.0  # nobody is judged with what it was trained
    assert [len(stages) for stages in rows["nothing"]] == [1, 2]

    def per(name, run):
        return rows[name][run][-1]["per_mean"]

    # Stage 1 reads nothing, and its states are the same in every row.
    blind = [name for name in rows if name.startswith(("meters", "demand", "a probe"))]
    assert per("own demand known to 1.0%", 0) != per("nothing", 0)
    assert {per(name, 0) for name in blind} == {per("nothing", 0)}
    assert per("agent_0 is idle", 0) != per("nothing", 0)
    # Stage 2 does: each disturbance shows, and worse meters more so.
    assert len({per(name, 1) for name in rows}) == len(rows)
    errors = [per(f"meters err by {error:g} p.u.", 1) for error in (1e-3, 3e-3)]
    assert errors[0] < errors[1]


def test_one_judgement_by_hand(door, runs, tmp_path):
    """A probe that lasts a tenth of the step is charged for a tenth of it."""
    out = tmp_path / "out"
    door("robustness", runs[1], "--states", 60, "--out", out)
    rows = {
        row["name"]: row["runs"][0]
        for row in json.loads((out / "robustness.json").read_text())["disturbances"]
    }
    first, second = (stage["regret_kw_mean"] for stage in rows["nothing"])
    charged = rows["a probe lasts 0.1 steps"][1]["regret_kw_mean"]
    assert charged == pytest.approx(0.1 * first + 0.9 * second)


def test_meters_that_err_throughout(door, runs, tmp_path):
    words = ["--states", 60, "--meter-error", 1e-3]
    code, text, _ = door("robustness", runs[1], *words, "--out", tmp_path / "out")
    assert code == 0 and "meters err by 0.001 p.u. unless a row says otherwise" in text
    rows = json.loads((tmp_path / "out" / "robustness.json").read_text())["disturbances"]
    found = {row["name"]: row["runs"][0][-1]["per_mean"] for row in rows}
    assert found["nothing"] == found["meters err by 0.001 p.u."]
    assert found["nothing"] != found["meters err by 0.003 p.u."]


def test_all_conditions_of_a_case_are_ideal_by_default():
    assert all(getattr(CASE, name) == 0.0 for name in IDEAL)
    for disturbance in disturbances("agent_0"):
        assert set(disturbance.changes) <= set(IDEAL)


def test_bad_input_is_one_line(refused, runs, tmp_path):
    out = ["--out", tmp_path / "out"]
    assert "--agent: agent_2 is unknown" in refused("robustness", *runs, "--agent", "agent_2", *out)
    assert "--states: 0 is out of bounds" in refused("robustness", *runs, "--states", 0, *out)
    other = create_run(tmp_path / "other", "x")
    other.write_config(make_case("ieee13-twelve"), algorithm="K = 1", seed=0)
    assert "other holds no controllers/ yet" in refused("robustness", other.path, *out)
    other.controllers.mkdir()
    line = refused("robustness", *runs, other.path, *out)
    assert "differ in groups of their cases" in line
    full = tmp_path / "one"
    assert "exists already" in refused("robustness", *runs, "--out", full)
    assert not (tmp_path / "out").exists()
