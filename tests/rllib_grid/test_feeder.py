"""Tree, matrices and checks of a feeder."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rllib_grid import Feeder, FeederError, GridError
from rllib_grid.cases.presets import IEEE13_CSV

HEADER = "from_bus,to_bus,r_ohm,x_ohm"


def test_matrices_are_sums_over_common_paths(fork: Feeder) -> None:
    assert fork.path_r_ohm.tolist() == [[1, 1, 1], [1, 3, 1], [1, 1, 4]]
    assert fork.path_x_ohm == pytest.approx(np.array([[1, 1, 1], [1, 3, 1], [1, 1, 4]]) / 10)


def test_ieee13_matrices_against_hand_walked_paths() -> None:
    feeder = Feeder.from_csv(IEEE13_CSV, "self")
    paths = {  # branches, by their lower bus, from the head down
        1: {1}, 2: {1, 2}, 3: {1, 2, 3}, 4: {1, 4}, 5: {1, 4, 5}, 6: {1, 6}, 7: {1, 6, 7},
        8: {1, 6, 7, 8}, 9: {1, 6, 9}, 10: {1, 6, 10}, 11: {1, 6, 10, 11}, 12: {1, 6, 10, 12},
    }  # fmt: skip
    for i, path_i in paths.items():
        for j, path_j in paths.items():
            common = [bus - 1 for bus in path_i & path_j]
            assert feeder.path_r_ohm[i - 1, j - 1] == pytest.approx(feeder.r_ohm[common].sum())
            assert feeder.path_x_ohm[i - 1, j - 1] == pytest.approx(feeder.x_ohm[common].sum())


def test_unit_conversions(one_bus: Feeder) -> None:
    # 0.5 ohm at 2 kV: 1 kW is 0.5 A, which loses 0.125 W; 2 r P / (1000 V^2) = 2.5e-4 of v_sq.
    assert one_bus.loss_p.item() == pytest.approx(1.25e-4)
    assert one_bus.loss_q.item() == pytest.approx(1.25e-4)
    assert one_bus.v_sq_per_kw.item() == pytest.approx(2.5e-4)
    assert one_bus.v_sq_per_kvar.item() == pytest.approx(4e-4)


def test_loss_of_reactive_power_may_follow_the_reactance(one_bus: Feeder) -> None:
    as_printed = Feeder.from_dict({**one_bus.to_dict(), "loss_q_from": "x"})
    assert as_printed.loss_p.item() == pytest.approx(1.25e-4)
    assert as_printed.loss_q.item() == pytest.approx(2e-4)


def test_ieee13_file() -> None:
    own, positive = (Feeder.from_csv(IEEE13_CSV, kind) for kind in ("self", "posseq"))
    assert own.num_buses == 12
    assert own.v_base_kv == 2.97
    assert own.bus_names[0] == "632"
    assert own.bus_names[11] == "652"
    assert own.r_ohm[0] == 0.129470
    assert positive.x_ohm[0] == 0.226048


def test_rows_of_a_file_may_come_in_any_order(write_csv, fork: Feeder) -> None:
    feeder = Feeder.from_csv(write_csv(HEADER, "1,3,3,0.3", "0,1,1,0.1", "1,2,2,0.2"))
    assert feeder.parent == fork.parent
    assert feeder.path_r_ohm.tolist() == fork.path_r_ohm.tolist()
    assert feeder.name == "feeder"


def test_arrays_cannot_be_changed(fork: Feeder) -> None:
    for array in (fork.r_ohm, fork.path_r_ohm, fork.loss_p, fork.v_sq_per_kvar):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_dict_round_trip_through_json(fork: Feeder) -> None:
    again = Feeder.from_dict(json.loads(json.dumps(fork.to_dict())))
    assert again.to_dict() == fork.to_dict()
    assert again.loss_p.tolist() == fork.loss_p.tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0,1,-0.2,1"], r"bus 1: r_ohm is -0.2, must be > 0 \(line 2 of feeder.csv\)"),
        (["0,1,0,1"], "bus 1: r_ohm is 0, must be > 0"),
        (["0,1,nan,1"], "bus 1: r_ohm is nan, must be > 0"),
        (["0,1,1,1", "1,2,1,-3"], r"bus 2: x_ohm is -3, must be >= 0 \(line 3 of feeder.csv\)"),
        (["0,1,one,1"], r"r_ohm is 'one', must be a number \(line 2 of feeder.csv\)"),
        (["0,1,1"], "x_ohm is None, must be a number"),
        (["0,1.5,1,1"], "to_bus is '1.5', must be a whole number"),
        (["0,1,1,1", "0,2,1,1", "1,2,1,1"], "bus 2 is fed twice, on lines 3 and 4"),
        (["0,1,1,1", "3,2,1,1", "2,3,1,1"], "buses 2, 3 feed each other: a loop, and an island"),
        (["0,1,1,1", "9,2,1,1"], "bus 2 is fed from bus 9, which no branch feeds: an island"),
        (["0,1,1,1", "1,7,1,1"], "bus 7 is fed by one of 2 branches, so its number must lie in"),
        (["1,0,1,1"], "bus 0 is fed by one of 1 branches"),
        ([], "no branch, must have at least one"),
    ],
)
def test_bad_files(write_csv, rows: list[str], message: str) -> None:
    with pytest.raises(FeederError, match=message):
        Feeder.from_csv(write_csv(HEADER, *rows))


def test_a_missing_column_is_named(write_csv) -> None:
    path = write_csv("from_bus,to_bus,r_ohm", "0,1,1")
    with pytest.raises(FeederError, match=r"no column 'x_ohm'; it has from_bus, to_bus, r_ohm"):
        Feeder.from_csv(path)
    with pytest.raises(FeederError, match="no column 'r_self_ohm'"):
        Feeder.from_csv(path, "self")


def test_unreadable_files(tmp_path) -> None:
    with pytest.raises(FeederError, match=r"cannot read feeder .*none.csv: No such file"):
        Feeder.from_csv(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FeederError, match=r"not a \.csv file of text"):
        Feeder.from_csv(tmp_path / "binary.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parent": [0, 3, 2]}, "buses 2, 3 feed each other"),
        ({"parent": [0, 2, 1]}, "buses 2 feed each other"),
        ({"parent": [0, "head", 1]}, "parent is 'head'"),
        ({"r_ohm": [1.0, 2.0]}, r"r_ohm has shape \(2,\), must be \(3,\)"),
        ({"x_ohm": [1.0, 2.0, float("inf")]}, "bus 3: x_ohm is inf"),
        ({"v_base_kv": 0.0}, "v_base_kv is 0, must be > 0"),
        ({"bus_names": ["a"]}, "bus_names has 1 names, must have one per node: 3"),
        ({"loss_q_from": "z"}, "unknown loss_q_from 'z'; choose from r, x"),
        ({"colour": "red"}, "not a feeder: .*colour"),
    ],
)
def test_bad_values(fork: Feeder, changes: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        Feeder.from_dict({**fork.to_dict(), **changes})
