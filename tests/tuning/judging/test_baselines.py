"""``baselines`` and ``show``: what they judge and write, and what they refuse."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from stand_in import StandIn

from rllib_grid import BASELINES, OptimalDispatch, make_case
from tuning.judging import dispatch_progress, rules
from tuning.judging.actions import Actions
from tuning.judging.baselines import draw, judge_case, sheet
from tuning.judging.evaluation import Judge
from tuning.judging.evaluation import test_states as draw_states
from tuning.records.files import read_json
from tuning.records.run_folder import create_run


class Constant(StandIn):
    """A controller that sets 10 kW and 0 kvar at every bus."""

    num_stages = 1
    rounds = 1

    def __init__(self, case, agent):
        self.signature = case.layout.signature(agent)

    def act(self, state, prototype=None, observation=None, stage=None):
        half = state.shape[1] // 2
        return np.hstack([np.full((len(state), half), 10.0), np.zeros((len(state), half))])


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Make a run folder whose controllers are `Constant`."""

    def make(case):
        folder = create_run(tmp_path / "trained", "x")
        folder.write_config(case, seed=0)
        folder.controllers.mkdir()
        loaded = {agent: Constant(case, agent) for agent in case.agents}
        monkeypatch.setattr(rules, "load_controllers", lambda path: loaded)
        return folder.path

    return make


@pytest.fixture
def run(make_run):
    return make_run(make_case("ieee13-volt"))


def test_table_and_files(door, tmp_path):
    out = tmp_path / "out"
    code, text, _ = door("baselines", "--case", "ieee13-volt", "--states", 40, "--out", out)
    assert code == 0 and f"{out}: baselines.json, baselines.png" in text
    content = read_json(out / "baselines.json")
    names = [row["rule"] for row in content["rules"]]
    assert names == [*BASELINES, rules.TEAM_RULE, rules.OPTIMUM]
    assert (out / "baselines.png").stat().st_size > 10_000
    case = make_case("ieee13-volt")
    states = draw_states(case, 40)
    expected = Judge(case, *states).judge(*BASELINES["volt-var"](case, *states))
    row = content["rules"][names.index("volt-var")]
    assert row["per_mean"] == pytest.approx(expected.per_mean)
    assert row["voltage_violation_rate"] == expected.voltage_violation_rate
    line = next(line for line in text.splitlines() if line.strip().startswith("volt-var "))
    assert line.split()[1:3] == [f"{100 * row['per_mean']:.2f}", f"{row['regret_kw_mean']:.2f}"]
    assert content["case"] == case.to_dict()


def test_the_optimum_is_the_yardstick_of_itself():
    judged = judge_case(make_case("ieee13-volt"), 30)
    best = judged[rules.OPTIMUM]
    assert best.per_mean == pytest.approx(0.0, abs=1e-10) and best.voltage_violation_rate == 0.0
    assert all(found.cost_kw_mean > 0 for found in judged.values())
    assert judged[rules.TEAM_RULE].regret_kw_mean < judged[rules.NO_CONTROL].regret_kw_mean


def test_a_run_is_judged_on_its_own_case(door, run, tmp_path):
    out = tmp_path / "out"
    code, text, _ = door("baselines", "--run", run, "--states", 20, "--out", out)
    assert code == 0 and "ieee13-volt, 20 test states" in text
    row = next(r for r in read_json(out / "baselines.json")["rules"] if r["rule"] == rules.TRAINED)
    case = make_case("ieee13-volt")
    states = draw_states(case, 20)
    expected = case.cost_kw(*states, np.full((20, 12), 10.0), np.zeros((20, 12)))
    assert row["cost_kw_mean"] == pytest.approx(expected.mean())


def test_fields_of_the_case_can_be_changed(door, tmp_path):
    out = tmp_path / "out"
    words = ("--case", "synthetic-2-2", "--case-settings", "physics=ac", "v_head_pu=1.1")
    code, text, _ = door("baselines", *words, "--states", 5, "--out", out)
    assert code == 0 and "synthetic-2-2 physics=ac v_head_pu=1.1, 5 test states" in text
    content = read_json(out / "baselines.json")
    assert (content["case"]["physics"], content["case"]["v_head_pu"]) == ("ac", 1.1)
    assert content["rules"][0]["voltage_violation_rate"] == 1.0


def test_infeasible_states_are_left_out_of_the_optimum_alone():
    case = make_case("ieee13")
    nothing = np.zeros((3, 12))
    v_pu, costs = np.ones((3, 12)), np.array([1.0, np.nan, 3.0])
    idle = Actions(nothing, nothing, v_pu, np.array([2.0, 2.0, 4.0]))
    best = Actions(nothing, nothing, v_pu, costs)
    none = Actions(nothing, nothing, v_pu, np.full(3, np.nan))
    judged = rules.judge_rules(case, {"idle": idle, "best": best, "none": none}, costs)
    assert list(judged) == ["idle", "best"]
    assert (judged["idle"].states, judged["idle"].infeasible_states) == (3, 1)
    assert judged["idle"].per_mean == pytest.approx((1 + 1 / 3) / 2)
    assert (judged["best"].states, judged["best"].cost_kw_mean) == (2, 2.0)


def test_what_met_another_demand_is_held_against_its_optimum():
    case = make_case("ieee13")
    states = draw_states(case, 4)
    met = 0.5 * states[0], 0.5 * states[1]
    best = rules.optimal_actions(case, *met)
    moved = Actions(best.p_ctrl_kw, best.q_ctrl_kvar, best.v_pu, best.cost_kw, base=met)
    costs = rules.optimal_actions(case, *states).cost_kw
    judged = rules.judge_rules(case, {"moved": moved}, costs)["moved"]
    assert judged.per_mean == pytest.approx(0.0, abs=1e-10)


def test_the_optimum_in_pieces_is_the_optimum(monkeypatch):
    monkeypatch.setattr(rules, "_CHUNK", 3)
    case = make_case("ieee13-tight")
    states = draw_states(case, 8)
    found, expected = rules.optimal_actions(case, *states), OptimalDispatch(case).solve(*states)
    assert found.p_ctrl_kw == pytest.approx(expected.p_ctrl_kw, abs=1e-6)
    assert found.cost_kw == pytest.approx(expected.cost_kw, abs=1e-9)
    assert found.v_pu == pytest.approx(expected.v_pu, abs=1e-9)


def test_progress_prints_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(dispatch_progress.DispatchProgress, "line_seconds", 0.0)
    text = io.StringIO()
    with dispatch_progress.DispatchProgress(1_000, Console(file=text)) as progress:
        progress.update(500)
    assert text.getvalue().startswith("optimal dispatch  500 of 1,000 states  0 s left")


def test_a_table_without_violations_or_costs_can_be_drawn(tmp_path):
    row = {
        "per_mean": 0.0,
        "regret_kw_mean": 0.0,
        "cost_kw_mean": 0.0,
        "voltage_violation_rate": 0.0,
        "voltage_violation_max_pu": 0.0,
        "infeasible_states": 3,
    }
    rows = [{**row, "rule": name} for name in (rules.NO_CONTROL, rules.OPTIMUM)]
    content = {
        "case_name": "x",
        "case_settings": ["drift_kw=3"],
        "states": 9,
        "run": None,
        "rules": rows,
    }
    assert draw(content, tmp_path).stat().st_size > 5_000
    assert sheet(content).title == "x drift_kw=3, 9 test states, 3 without a feasible dispatch"


def test_show_writes_all_pictures(door, make_run, tmp_path):
    run, out = make_run(make_case("synthetic-2-2")), tmp_path / "pictures"
    code, text, _ = door("show", "--run", run, "--states", 20, "--out", out)
    names = ["one_line.png", "voltages.png", "durations.png", "controls.png"]
    assert (code, text) == (0, f"{out}: {', '.join(names)}\n")
    assert sorted(path.name for path in out.iterdir()) == sorted(names)


@pytest.mark.parametrize("command", ["baselines", "show"])
def test_refusals(command, refused, run, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept").write_text("x")
    assert "--case: iee13 is unknown; did you mean ieee13" in refused(command, "--case", "iee13")
    assert "--states: 1 is out of bounds, must be >= 2" in refused(command, "--states", 1)
    assert "exists already" in refused(command, "--out", full)
    assert "is not a run folder" in refused(command, "--run", full)
    line = refused(command, "--run", run, "--case", "ieee13")
    assert "--case: ieee13 is not the case of" in line and "ieee13-volt" in line
    words = ("--case-settings", "alpha_p=0.001")
    assert "the case is that of" in refused(command, "--run", run, *words)
    assert "--case-settings: aplha_p is unknown" in refused(command, words[0], "aplha_p=1")
    (run / "controllers").rmdir()
    words = ("--states", 2, "--out", tmp_path / "new")
    assert "holds no controllers/ yet" in refused(command, "--run", run, *words)
    assert not (tmp_path / "new").exists()
