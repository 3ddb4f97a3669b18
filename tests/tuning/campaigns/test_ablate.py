"""`ablate` for real, with tiny settings."""

from __future__ import annotations

from tuning.cli import main
from tuning.commands.ablate import BASE
from tuning.records.files import read_json


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
