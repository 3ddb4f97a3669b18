"""``evaluate`` and ``optimum``: what they write, and one clear line for every bad input."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from stand_in import StandIn

from policies.controllers.files import load_controllers
from rllib_grid import OptimalDispatch, load_states, make_case, save_states
from tuning.judging.execution import run_controllers
from tuning.records.files import write_json
from tuning.records.run_folder import create_run


class Constant(StandIn):
    """A controller that sets stage x 10 kW and 0 kvar at every bus."""

    num_stages = 2
    rounds = 1

    def __init__(self, case, agent):
        self.signature = case.layout.signature(agent)

    def act(self, state, prototype=None, observation=None, stage=None):
        half = state.shape[1] // 2
        p_ctrl_kw = np.full((len(state), half), 10.0 * stage, dtype=np.float32)
        return np.hstack([p_ctrl_kw, np.zeros_like(p_ctrl_kw)])


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A run folder of ieee13 whose controllers are `Constant`."""
    from tuning.judging import answers

    case = make_case("ieee13")
    run = create_run(tmp_path / "trained", "x")
    run.write_config(case, seed=0)
    run.controllers.mkdir()
    loaded = {agent: Constant(case, agent) for agent in case.agents}
    monkeypatch.setattr(answers, "load_controllers", lambda folder: loaded)
    return run.path


def read_csv(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, dtype=float)


def test_evaluate_writes_the_last_stage(door, trained, states, tmp_path):
    out = tmp_path / "new" / "answers.npz"
    code, text, _ = door("evaluate", trained, "--states", states, "--out", out)
    assert code == 0
    assert "7 states of ieee13, stage 2" in text and f"written to {out}" in text
    case = make_case("ieee13")
    p_base_kw, q_base_kvar = load_states(states, 12)
    with np.load(out) as found:
        assert set(found) == {"p_ctrl_kw", "q_ctrl_kvar", "v_pu", "cost_kw"}
        np.testing.assert_array_equal(found["p_ctrl_kw"], np.full((7, 12), 20.0))
        np.testing.assert_array_equal(found["q_ctrl_kvar"], np.zeros((7, 12)))
        controls = found["p_ctrl_kw"], found["q_ctrl_kvar"]
        np.testing.assert_allclose(found["v_pu"], case.v_pu(p_base_kw, q_base_kvar, *controls))
        cost_kw = case.cost_kw(p_base_kw, q_base_kvar, *controls)
        np.testing.assert_allclose(found["cost_kw"], cost_kw)


def test_evaluate_csv_of_an_earlier_stage_with_optimum(door, trained, states, tmp_path):
    out = tmp_path / "answers.csv"
    words = ["--states", states, "--out", out, "--optimum", "--stage", 1]
    code, text, _ = door("evaluate", trained, *words)
    assert code == 0 and "mean PER" in text and "stage 1" in text
    header, rows = read_csv(out)
    wide = [f"{name}_{i}" for name in ("p_ctrl_kw", "q_ctrl_kvar", "v_pu") for i in range(1, 13)]
    assert header == [*wide, "cost_kw", "optimal_cost_kw", "per"]
    np.testing.assert_array_equal(rows[:, :12], 10.0)
    cost_kw, optimal_cost_kw, per = rows[:, -3:].T
    expected = OptimalDispatch(make_case("ieee13")).solve(*load_states(states, 12)).cost_kw
    np.testing.assert_allclose(optimal_cost_kw, expected, rtol=1e-9)
    np.testing.assert_allclose(per, cost_kw / optimal_cost_kw - 1, rtol=1e-9)


def test_optimum_agrees_with_the_solver_in_both_formats(door, states, tmp_path):
    for suffix in ("npz", "csv"):
        words = ["--states", states, "--out", tmp_path / f"out.{suffix}"]
        code, text, _ = door("optimum", "--case", "ieee13-volt", *words)
        assert code == 0 and "7 states of ieee13-volt" in text and "infeasible" not in text
    expected = OptimalDispatch(make_case("ieee13-volt")).solve(*load_states(states, 12))
    with np.load(tmp_path / "out.npz") as found:
        assert set(found) == {"p_ctrl_kw", "q_ctrl_kvar", "v_pu", "cost_kw", "feasible"}
        np.testing.assert_allclose(found["cost_kw"], expected.cost_kw, rtol=1e-9)
        assert found["feasible"].all() and found["feasible"].dtype == bool
        header, rows = read_csv(tmp_path / "out.csv")
        assert header[-2:] == ["cost_kw", "feasible"]
        np.testing.assert_array_equal(rows[:, :12], found["p_ctrl_kw"])  # no digit is lost
        np.testing.assert_array_equal(rows[:, -1], 1.0)


def test_infeasible_states_are_named_and_nan(door, tmp_path):
    p_base_kw = np.zeros((4, 12))
    p_base_kw[[1, 3]] = 2_000.0  # far more than the limits of 105 kW can take back
    save_states(tmp_path / "states.csv", p_base_kw, 0 * p_base_kw)
    out = tmp_path / "out.npz"
    code, text, _ = door("optimum", "--states", tmp_path / "states.csv", "--out", out)
    assert code == 0
    assert "no feasible dispatch in 2 of 4 states (rows 1, 3, counted from 0)" in text
    with np.load(out) as found:
        np.testing.assert_array_equal(found["feasible"], [True, False, True, False])
        for name in ("p_ctrl_kw", "q_ctrl_kvar", "v_pu", "cost_kw"):
            assert np.isnan(found[name][[1, 3]]).all()
            assert np.isfinite(found[name][[0, 2]]).all()


def test_bad_input_of_evaluate(refused, trained, states, tmp_path):
    out = tmp_path / "meters.npz"
    error = refused("evaluate", trained, "--states", states, "--out", out, "--meter-error", -1)
    assert "--meter-error: -1.0 is out of bounds, must be >= 0" in error
    new = tmp_path / "new.npz"
    (tmp_path / "old.npz").write_text("mine")
    (tmp_path / "untrained").mkdir()
    write_json(tmp_path / "untrained" / "config.json", {"case": make_case("ieee13").to_dict()})

    def evaluate(run=trained, states=states, out=new, *more):
        return refused("evaluate", run, "--states", states, "--out", out, *more)

    assert "there is no such folder" in evaluate(run=tmp_path / "nowhere")
    assert "config.json is missing" in evaluate(run=tmp_path)
    assert "holds no controllers/ yet" in evaluate(run=tmp_path / "untrained")
    assert "there is no file" in evaluate(states=tmp_path / "stats.npz")
    assert "did you mean states.npz?" in evaluate(states=tmp_path / "stats.npz")
    assert "exists already, nothing is overwritten" in evaluate(out=tmp_path / "old.npz")
    assert "must end in .npz or .csv" in evaluate(out=tmp_path / "new.txt")
    assert "must end in .npz or .csv" in evaluate(states=tmp_path / "states.parquet")
    assert "--stage: 3 is out of bounds" in evaluate(trained, states, new, "--stage", 3)
    assert "--stage: 0 is out of bounds" in evaluate(trained, states, new, "--stage", 0)
    assert (tmp_path / "old.npz").read_text() == "mine"
    assert not new.exists()


@pytest.mark.parametrize("command", ["evaluate", "optimum"])
def test_bad_states_are_one_line(refused, command, trained, tmp_path):
    run = [trained] if command == "evaluate" else []
    p = np.ones((3, 12))
    bad = {
        "wrong_shape": {"p_base_kw": p[:, :5], "q_base_kvar": p[:, :5]},
        "unlike": {"p_base_kw": p, "q_base_kvar": p[:2]},
        "missing": {"p_base_kw": p},
        "nan": {"p_base_kw": p * np.nan, "q_base_kvar": p},
    }
    for name, arrays in bad.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        words = ["--states", tmp_path / f"{name}.npz", "--out", tmp_path / "out.npz"]
        refused(command, *run, *words)
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    (tmp_path / "broken.csv").write_text("p_base_kw_1,colour\n1,red\n")
    for name in ("broken.npz", "broken.csv"):
        refused(command, *run, "--states", tmp_path / name, "--out", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_unknown_case_of_optimum(refused, states, tmp_path):
    words = ["--states", states, "--out", tmp_path / "out.npz"]
    assert "did you mean ieee13-volt?" in refused("optimum", "--case", "ieee13-volts", *words)


@pytest.fixture
def exported(tmp_path):
    """A run folder of ieee13 with real controllers of two stages, untrained."""
    import torch

    from policies.contract.joint_spec import JointSpec
    from policies.controllers.files import save_controllers
    from policies.controllers.staged import Controller
    from policies.networks.actors import TeamActor

    case = make_case("ieee13")
    torch.manual_seed(0)
    spec = JointSpec(case.agents, (12, 12), (12, 12), (6, 6))
    actors = [TeamActor(spec, stage, kind="paper", width=8) for stage in (1, 2)]
    run = create_run(tmp_path / "exported", "x")
    run.write_config(case)
    controllers = {}
    for i, agent in enumerate(case.agents):
        weights = [actor.agent_layers(i) for actor in actors]
        signature = case.layout.signature(agent)
        controllers[agent] = Controller(agent, signature, ["paper", "paper"], weights)
    save_controllers(run.controllers, controllers)
    return run


def test_evaluate_and_optimum_start_neither_ray_nor_torch(exported, states, tmp_path, python):
    outs = tmp_path / "evaluated.npz", tmp_path / "optimum.npz"
    code = f"""
import sys
from tuning.cli import main
same = ["--states", {str(states)!r}, "--out"]
assert main(["evaluate", {str(exported.path)!r}, "--optimum", *same, {str(outs[0])!r}]) == 0
assert main(["optimum", *same, {str(outs[1])!r}]) == 0
assert not {{"ray", "torch"}} & set(sys.modules), "started"
"""
    done = python("-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    case = make_case("ieee13")
    controllers = load_controllers(exported.controllers)
    *_, last = run_controllers(case, controllers, *load_states(states, 12))
    with np.load(outs[0]) as evaluated, np.load(outs[1]) as optimum:
        np.testing.assert_array_equal(evaluated["p_ctrl_kw"], last.p_ctrl_kw)
        np.testing.assert_array_equal(evaluated["v_pu"], last.v_pu)
        np.testing.assert_array_equal(evaluated["optimal_cost_kw"], optimum["cost_kw"])
        assert (evaluated["per"] > 0).all()


def test_tampered_or_foreign_controllers_are_one_line(refused, exported, states, tmp_path):
    words = ["evaluate", exported.path, "--states", states, "--out", tmp_path / "out.npz"]
    exported.write_config(make_case("ieee13-contiguous"))
    assert "was not made for case ieee13-contiguous" in refused(*words)
    weights = exported.controllers / "agent_1.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "agent_1" in refused(*words)
    weights.unlink()
    assert "agent_1.safetensors is missing" in refused(*words)
    write_json(exported.config_file, {"case": {"name": "x"}})
    assert "a case needs the field 'feeder'" in refused(*words)
