"""Cases in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rllib_grid import GridEnv, GridError, make_case


def test_a_file_is_a_case_by_its_path(tmp_path: Path) -> None:
    case = make_case("case33bw", v_head_pu=1.01)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(case.to_dict()))
    assert make_case(str(path)).to_dict() == case.to_dict()
    assert make_case(str(path), v_head_pu=1.02).v_head_pu == 1.02
    assert GridEnv({"case": str(path)}).case.to_dict() == case.to_dict()
    config = tmp_path / "config.json"  # of a run
    config.write_text(json.dumps({"case_name": "case33bw", "case": case.to_dict()}))
    assert make_case(str(config)).to_dict() == case.to_dict()


def test_lists_in_place_of_numbers(tmp_path: Path) -> None:
    case = make_case("case33bw").to_dict()
    case["feeder"]["r_ohm"][3] = [1, 2]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(case))
    with pytest.raises(GridError, match=r"case .*x\.json cannot be read: setting an array"):
        make_case(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must hold a JSON object, not a list"),
        ("{", "not a JSON file"),
        ("{}", "a case needs the field 'name'"),
        ('{"name": "x", "feeder": {}, "groups": [[1]]}', r"x\.json: not a feeder: .*missing"),
        (
            '{"name": "x", "feeder": {}, "groups": [[1]], "colour": 1}',
            "unknown case field 'colour'",
        ),
        ('{"_class": "pandapowerNet"}', "is a pandapower net, not a case; make one with: python"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(GridError, match=message):
        make_case(str(path))
    with pytest.raises(GridError, match=r"cannot read case .*none\.json: No such file"):
        make_case(str(tmp_path / "none.json"))
