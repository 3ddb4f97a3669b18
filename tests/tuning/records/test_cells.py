"""The cells of a campaign, as folders."""

from __future__ import annotations

from tuning.records.cells import find_cells


def test_only_cells_are_found(tmp_path):
    for name in ("a/b/seed1", "a/b/seed12", "a/b/seedling", "a/seed1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "b" / "seed3").touch()
    assert [(c.case, c.algorithm, c.seed) for c in find_cells(tmp_path)] == [
        ("a", "b", 1),
        ("a", "b", 12),
    ]
