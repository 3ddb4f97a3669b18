"""Files that are whole or not there."""

from __future__ import annotations

from tuning.records.files import clear_debris


def test_half_written_files_do_not_block_a_cell(tmp_path):
    (tmp_path / ".config.json.123.part").touch()
    (tmp_path / "kept").touch()
    clear_debris(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
