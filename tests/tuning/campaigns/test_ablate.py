"""`ablate`: a preset with one thing changed at a time."""

from __future__ import annotations

import pytest
from matplotlib.image import imread

from rllib_grid import make_case
from tuning.cli import main
from tuning.commands.ablate import BASE, CHANGES, DAY_CHANGES, AblateArgs, cells, check, training
from tuning.records.cells import Cell
from tuning.records.files import read_json
from tuning.records.run_folder import create_run
from tuning.training.configuration import make_config


@pytest.mark.parametrize(
    ("case", "preset", "changes"),
    [
        ("ieee13", "fast", CHANGES["fast"]),
        ("ieee13", "paper", CHANGES["paper"]),
        ("ieee13-day", "fast", DAY_CHANGES),
    ],
)
def test_every_change_changes_its_preset(case, preset, changes):
    """A change that the preset has already would be a row for nothing."""
    args = check(AblateArgs(case=case, preset=preset, seeds=(0,)))
    base, *changed = (make_config(training(args, cell)).to_dict() for cell in cells(args))
    assert len(changed) == len(changes)
    for config in changed:
        assert config != base


def test_cells_go_seed_by_seed_with_the_base_first():
    args = check(AblateArgs(changes=("tau=1", "sigma=0.1", "tau=1"), seeds=(3, 0)))
    assert [(cell.seed, cell.algorithm) for cell in cells(args)] == [
        (seed, change) for seed in (3, 0) for change in (BASE, "tau=1", "sigma=0.1")
    ]


def test_a_change_may_hold_several():
    args = AblateArgs(algorithm="ma-rdpg", preset="paper", episodes=(50,))
    both = training(args, Cell(args.folder, "ieee13", "critic_net=paper+memory_width=8", 2))
    assert both.settings == {"critic_net": "paper", "memory_width": 8}
    assert both.seed == 2
    assert (both.algorithm, both.preset, both.episodes) == ("ma-rdpg", "paper", (50,))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--changes", "sigm=1"), "sigm is unknown; did you mean sigma?"),
        (("--changes", "tau=1+"), "--settings:  must be NAME=VALUE"),
        (("--episodes", 1, 2, 3), "--episodes: 3 numbers for 2 stage(s)"),
        (("--case", "iee13"), "did you mean ieee13?"),
        (("--seeds", -1), "--seeds: -1 is out of bounds"),
        (("--jobs", 0), "--jobs: 0 is out of bounds"),
    ],
)
def test_bad_options(refused, words, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert " ".join(line.split()) in refused("ablate", *words)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def made_ablation(tmp_path, made_report):
    """Three seeds of a base and of one change that makes its second stage ten times worse."""
    out = tmp_path / "ablation"
    args = AblateArgs(out=out, changes=("tau=1",), seeds=(0, 1, 2))
    for cell in cells(args):
        per = (0.26, 0.02) if cell.algorithm == BASE else (0.26, 0.2)
        run = create_run(cell.path, "x")
        run.write_config(make_case("ieee13"), arguments=training(args, cell).to_json())
        run.write_report(made_report(per=per, seed=cell.seed))
    return out


def test_report_sets_changes_beside_the_base(made_ablation, door):
    code, out, _ = door("report", made_ablation)
    assert code == 0
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.split()}
    base, changed = lines["preset"], lines["tau=1"]
    assert base[:6] == ["preset", "fast", "as", "it", "is", "3"]
    assert changed[:2] == ["tau=1", "3"]
    rows = read_json(made_ablation / "ablation.json")["cases"]["ieee13"]["algorithms"]
    assert list(rows) == [BASE, "tau=1"]
    ratio = rows["tau=1"]["figures"]["per_mean"]["iqm"] / rows[BASE]["figures"]["per_mean"]["iqm"]
    assert f"{ratio:.2f}" in changed
    assert 9 < ratio < 11
    table = (made_ablation / "ablation.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * 2
    assert "| tau=1 | 3 |" in (made_ablation / "ablation.md").read_text()
    picture = imread(made_ablation / "ablation.png")
    assert picture[..., :3].std() > 0.05


def test_another_budget_in_the_same_folder_is_refused(made_ablation, refused):
    line = refused("ablate", "--out", made_ablation, "--episodes", 100)
    assert "was made with episodes None, not 100 100 as is asked; name another --out" in line


def test_real_ablation_end_to_end(tmp_path, ray_session, capsys):
    out = tmp_path / "out"
    words = ["ablate", "--out", str(out), "--changes", "sigma=0.05", "--seeds", "0", "--quiet"]
    words += ["--episodes", "150", "100"]
    assert main(words) == 0
    rows = read_json(out / "ablation.json")["cases"]["ieee13"]["algorithms"]
    assert list(rows) == [BASE, "sigma=0.05"]
    base, changed = (row["figures"]["per_mean"]["iqm"] for row in rows.values())
    assert base != changed
    assert "sigma=0.05" in capsys.readouterr().out
    assert main(words) == 0  # again: nothing to do
