"""Table and figure of an ablation, remade from its runs."""

from __future__ import annotations

import pytest
from matplotlib.image import imread

from rllib_grid import make_case, make_day_case
from tuning.commands.ablate import BASE, AblateArgs, cells, training
from tuning.records.files import read_json
from tuning.records.run_folder import create_run


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


def test_days_are_set_beside_the_base_in_points(tmp_path, made_day_report, door):
    args = AblateArgs(case="ieee13-day", out=tmp_path / "ablation", changes=("gamma=0",))
    for cell in cells(args):
        run = create_run(cell.path, "x")
        recipe = training(args, cell)
        run.write_config(make_day_case("ieee13-day"), arguments=recipe.to_json())
        gap = (0.5, 0.75) if cell.algorithm == BASE else (0.5, 0.5)
        run.write_report(made_day_report(gap=gap, seed=cell.seed))
    code, out, _ = door("report", args.folder)
    assert code == 0
    assert "gap closed, stage 2" in out and "cost, EUR a day" in out
    changed = next(line for line in out.splitlines() if line.lstrip().startswith("gamma=0"))
    assert "-25.00" in changed.split()  # percentage points less than the base
    table = (args.folder / "ablation.csv").read_text().splitlines()
    assert table[0] == "case,change,stage,seeds,gap_closed_iqm,gap_closed_low,gap_closed_high"
    assert imread(args.folder / "ablation.png")[..., :3].std() > 0.05
