"""``case``: a case of one's own, from file to summary, training input and pandapower net."""

from __future__ import annotations

import json

import numpy as np
import pandapower as pp
import pytest

from rllib_grid import make_case
from rllib_grid.physics import ac
from tuning.options.recipe import Recipe

TOWN = """from_bus,to_bus,r_ohm,x_ohm,p_kw,q_kvar,s_limit_kva
substation,A,0.5,0.4,400,100,4000
A,B,0.25,0.2,300,80,
A,C,0.3,0.3,200,50,900
C,D,0.3,0.3,100,-20,
"""


@pytest.fixture
def town(tmp_path):
    """A table of four buildings."""
    path = tmp_path / "town.csv"
    path.write_text(TOWN)
    return path


@pytest.fixture
def made(town, tmp_path, door):
    """Make a case of the town; return it and what was printed."""

    def make(*words):
        out = tmp_path / f"made-{len(list(tmp_path.iterdir()))}.json"
        given = ("--from", town, "--v-base-kv", 10, "--states", 20, "--out", out, *words)
        code, text, err = door("case", *given)
        assert (code, err) == (0, "")
        return make_case(str(out)), text

    return make


def cell(text, name):
    """Cell of the summary's row of this name."""
    lines = [line.strip() for line in text.splitlines()]
    return next(line for line in lines if line.startswith(name)).removeprefix(name).strip()


def test_a_case_by_default(made):
    case, text = made("--agents", 2)
    assert case.name.startswith("made-") and case.groups == ((1, 2), (3, 4))
    assert case.feeder.bus_names == ("A", "B", "C", "D") and case.feeder.v_base_kv == 10
    assert case.p_limit_kw.tolist() == [200, 150, 100, 50]
    assert case.demand.scale()[0].tolist() == [400, 300, 200, 100]
    assert (case.v_head_pu, case.v_min_pu, case.v_max_pu) == (1.0, 0.95, 1.05)
    assert case.branch_limit_kva is None
    assert cell(text, "base load") == "1,000 kW, 210 kvar"
    assert cell(text, "buses behind the head") == "4"
    assert cell(text, "buildings of each") == "2, 2"
    assert cell(text, "demand of a building, kW") == "+-100 to 400"
    assert cell(text, "feasible, %") == "100.0"
    assert "overloaded" not in text and "the case, for --case" in text


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("--name", "village"), "name", "village"),
        (("--grouping", "single"), "groups", ((1,), (2,), (3,), (4,))),
        (("--grouping", "interleaved", "--agents", 2), "groups", ((1, 3), (2, 4))),
        (("--grouping", "subtree"), "groups", ((1, 2), (3, 4))),
        (("--limit-share", 0.25), "p_limit_kw", [100, 75, 50, 25]),
        (("--demand-share", 2), "p_limit_kw", [400, 300, 200, 100]),
        (("--demand-kw", 8), "p_limit_kw", [4, 4, 4, 4]),
        (("--alpha", 1e-3), "alpha_q", [1e-3] * 4),
        (("--head-pu", 1.02), "v_head_pu", 1.02),
        (("--v-min-pu", 0.9), "v_min_pu", 0.9),
        (("--v-max-pu", 1.1), "v_max_pu", 1.1),
        (("--branch-limits",), "branch_limit_kva", [4000, 40_000, 900, 40_000]),
        (("--head", "B"), "feeder", ("A", "substation", "C", "D")),
    ],
)
def test_every_option(made, words, field, value):
    case, _ = made(*(words if "--grouping" in words else (*words, "--agents", 1)))
    found = getattr(case, field)
    if field == "feeder":
        assert sorted(found.bus_names) == sorted(value)  # B is the head now
    else:
        assert (found.tolist() if isinstance(found, np.ndarray) else found) == value


def test_branch_limits_show_their_loading(made):
    case, text = made("--agents", 2, "--branch-limits", "--demand-share", 4)
    rate, most = (
        float(cell(text.split("without control, %")[-1], name))
        for name in ("states with an overloaded branch, %", "highest loading of a branch, %")
    )
    assert 0 < rate < 100 < most < 200
    assert case.branch_limit_kva is not None


def test_a_named_case_is_changed(tmp_path, door):
    out = tmp_path / "mine.json"
    words = ("--grouping", "single", "--alpha", 1e-3, "--head-pu", 1.01, "--states", 5)
    assert door("case", "--case", "case33bw", *words, "--out", out)[0] == 0
    case = make_case(str(out))
    assert case.name == "mine" and len(case.groups) == 32
    assert set(case.alpha_p) == set(case.alpha_q) == {1e-3} and case.v_head_pu == 1.01
    assert case.feeder.to_dict() == make_case("case33bw").feeder.to_dict()


def test_the_file_is_a_case_for_train(made, tmp_path):
    case, _ = made("--agents", 2)
    path = next(tmp_path.glob("made-*.json"))
    recipe = Recipe(case=str(path)).checked()
    assert recipe.make_case().to_dict() == case.to_dict()


def test_notes_are_said(town, door):
    town.write_text(TOWN.replace("0.3,0.3,200", "0,0.3,200"))
    code, text, _ = door("case", "--from", town, "--v-base-kv", 10, "--agents", 1, "--states", 5)
    assert code == 0 and "note: a millionth of its reactance stands for the missing" in text


@pytest.mark.parametrize("source", [("--from", "town"), ("--case", "case33bw")])
def test_pandapower_solves_the_export_alike(source, town, tmp_path, door):
    path = tmp_path / "net.json"
    words = ("--from", town, "--v-base-kv", 10, "--agents", 1) if "town" in source else source
    assert door("case", *words, "--head-pu", 1.01, "--states", 5, "--export", path)[0] == 0
    net = pp.from_json(str(path))
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    loads = 1000 * net.load.p_mw.to_numpy(), 1000 * net.load.q_mvar.to_numpy()
    if "town" in source:
        feeder = make_town(tmp_path, door, town).feeder
        assert loads[0].tolist() == pytest.approx([400, 300, 200, 100])
        assert loads[1].tolist() == pytest.approx([100, 80, 50, -20])
    else:
        feeder = make_case("case33bw").feeder
    flow = ac.solve(feeder, 1.01, *(load[None] for load in loads))
    v_pu = net.res_bus.vm_pu[list(feeder.served)].to_numpy()
    np.testing.assert_allclose(v_pu, flow.v_pu[0], atol=1e-8)
    assert 1000 * net.res_line.pl_mw.sum() == pytest.approx(flow.loss_kw[0], rel=1e-7)


def make_town(tmp_path, door, town):
    out = tmp_path / "again.json"
    words = ("--v-base-kv", 10, "--agents", 1, "--states", 5, "--out", out)
    assert door("case", "--from", town, *words)[0] == 0
    return make_case(str(out))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "one of --from FILE and --case NAME is needed, and not both"),
        (("--from", "TOWN", "--case", "ieee13"), "one of --from FILE and --case NAME is needed"),
        (("--case", "nix"), "--case: nix is unknown"),
        (("--case", "ieee13", "--head", "3"), "--head goes with --from; a case has settled it"),
        (("--case", "ieee13", "--v-base-kv", 3), "--v-base-kv goes with --from"),
        (("--case", "ieee13", "--demand-share", 2), "--demand-share goes with --from"),
        (("--case", "ieee13", "--demand-kw", 2), "--demand-kw goes with --from"),
        (("--case", "ieee13", "--limit-share", 2), "--limit-share goes with --from"),
        (("--case", "ieee13", "--branch-limits"), "--branch-limits goes with --from"),
        (("--case", "ieee13", "--agents", 13), "agents is 13, must be <= 12"),
        (("--case", "ieee13", "--head-pu", -1), "v_head_pu is -1, must be > 0"),
        (("--from", "none.csv", "--v-base-kv", 1), "cannot read none.csv: No such file"),
        (("--from", "x.txt"), "x.txt is no feeder file by its suffix"),
        (("--from", "TOWN"), "a .csv needs v_base_kv (--v-base-kv)"),
        (("TOWN10",), "grouping 'balanced' needs the number of agents (--agents)"),
        (("TOWN10", "--agents", 9), "agents is 9, must be <= 4, a building for each"),
        (("TOWN10", "--agents", 0), "agents is 0, must be a whole number >= 1"),
        (("TOWN10", "--grouping", "odd"), "argument --grouping: invalid choice: 'odd'"),
        (("TOWN10", "--grouping", "single", "--agents", 3), "agents is 3, must be 4 where"),
        (("TOWN10", "--agents", 1, "--head", "Z"), "town.csv has no bus Z"),
        (("TOWN10", "--agents", 1, "--demand-share", 0), "demand_share is 0, must be > 0"),
        (("TOWN10", "--agents", 1, "--demand-kw", "nan"), "demand_kw is nan, must be finite"),
        (
            ("TOWN10", "--agents", 1, "--demand-kw", 3, "--demand-share", 2),
            "--demand-share and --demand-kw are two ways to say it; leave one out",
        ),
        (("TOWN10", "--agents", 1, "--limit-share", -1), "limit_share is -1, must be > 0"),
        (("TOWN10", "--agents", 1, "--alpha", -1), "bus 1: alpha_p is -1, must be >= 0"),
        (("TOWN10", "--agents", 1, "--v-min-pu", 1.1), "v_max_pu is 1.05, must be > 1.1"),
        (("TOWN10", "--agents", 1, "--states", 0), "--states: 0 is out of bounds, must be >= 1"),
        (("TOWN10", "--agents", 1, "--out", "x.txt"), "--out: x.txt must end in .json"),
        (("TOWN10", "--agents", 1, "--export", "x.csv"), "--export: x.csv must end in .json"),
        (("TOWN10", "--agents", 1, "--out", "a.json", "--export", "b/../a.json"), "is --out too"),
    ],
)
def test_refused(refused, town, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    meant = {"TOWN": (town,), "TOWN10": ("--from", town, "--v-base-kv", 10)}
    line = refused("case", *(part for word in words for part in meant.get(word, (word,))))
    assert message in line
    assert list(tmp_path.iterdir()) == [town]


def test_ratings_are_needed_for_branch_limits(refused, town):
    town.write_text("from_bus,to_bus,r_ohm,x_ohm,p_kw,q_kvar\n0,1,0.5,0.4,400,100\n")
    words = ("--v-base-kv", 10, "--agents", 1, "--branch-limits")
    assert "--branch-limits: " in (line := refused("case", "--from", town, *words))
    assert "has no ratings of branches" in line


@pytest.mark.parametrize("option", ["--out", "--export"])
def test_nothing_is_overwritten(refused, town, tmp_path, option):
    path = tmp_path / "kept.json"
    path.write_text(json.dumps("kept"))
    line = refused("case", "--from", town, "--v-base-kv", 10, "--agents", 1, option, path)
    assert f"{option}: {path} exists already, nothing is overwritten" in line
    assert path.read_text() == '"kept"'
