"""What the README shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policies.staged.algorithm import MADDPG
from tuning.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_session: None, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    plug, controllers, checkpoint = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(plug.strip().splitlines()) <= 14
    names: dict[str, object] = {}
    exec(plug, names)
    algo = names["algo"]
    assert isinstance(algo, MADDPG)
    assert [entry["episodes"] for entry in algo.progress()["ended"]] == [2_000, 2_000]
    algo.save_to_path(str(tmp_path / "checkpoint"))
    algo.stop()

    exec(controllers, names)
    assert "p_base_kw[1]" in capsys.readouterr().out
    assert names["action"].shape == (12,)  # type: ignore[attr-defined]

    path = "/absolute/path/of/a/run/checkpoint"
    assert path in checkpoint
    exec(checkpoint.replace(path, str(tmp_path / "checkpoint")), names)
    restored = names["algo"]
    assert isinstance(restored, MADDPG) and restored.finished
    restored.stop()


def test_set_up_lines_name_the_two_main_commands() -> None:
    lines = re.findall(r"```bash\n(.*?)\n```", README)
    setup = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && "
    assert lines[:2] == [
        setup + ".venv/bin/python -m tuning train",
        setup + ".venv/bin/python -m pytest",
    ]


def test_commands_and_linked_files_exist() -> None:
    table = README[README.index("## Commands") : README.index("## Results")]
    assert set(re.findall(r"^\| `(\w+)", table, flags=re.MULTILINE)) == set(COMMANDS)
    for path in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
