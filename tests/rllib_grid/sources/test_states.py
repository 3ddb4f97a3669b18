"""Files of states."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridError, load_states, save_states


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_round_trip_is_exact(tmp_path, suffix: str) -> None:
    p, q = np.random.default_rng(0).normal(size=(2, 5, 3))
    save_states(tmp_path / f"s.{suffix}", p, q)
    p_again, q_again = load_states(tmp_path / f"s.{suffix}", num_buses=3)
    assert (p_again == p).all()
    assert (q_again == q).all()


def test_columns_may_come_in_any_order(write_csv) -> None:
    path = write_csv(
        "q_base_kvar_2,p_base_kw_1,q_base_kvar_1,p_base_kw_2", "4,1,3,2", "", name="s.csv"
    )
    p, q = load_states(path)
    assert p.tolist() == [[1, 2]]
    assert q.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["p_base_kw_1,q_base_kvar_1,price", "1,2,3"], "unknown column 'price'"),
        (["p_base_kw_1", "1"], "column 'q_base_kvar_1' is there 0 times, must be once"),
        (["p_base_kw_1,p_base_kw_3,q_base_kvar_1", "1,2,3"], "unknown column 'p_base_kw_3'"),
        (["p_base_kw_1,q_base_kvar_1", "1,two"], "line 2 has a cell that is no number"),
        (["p_base_kw_1,q_base_kvar_1", "1"], "line 2 has 1 cells, must have 2"),
        (["p_base_kw_1,q_base_kvar_1", "1,nan"], "q_base_kvar: row 0, column 0 is nan"),
        (["p_base_kw_1,q_base_kvar_1"], "no states, must hold at least one"),
        ([""], "has no column p_base_kw_1"),
    ],
)
def test_bad_csv(write_csv, lines: list[str], message: str) -> None:
    with pytest.raises(GridError, match=rf"s.csv: {message}"):
        load_states(write_csv(*lines, name="s.csv"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"p_base_kw": np.ones((2, 3))}, "holds p_base_kw, must hold p_base_kw and q_base_kvar"),
        ({"p_base_kw": np.ones(3), "q_base_kvar": np.ones(3)}, r"has shape \(3,\), must be \(N,"),
        (
            {"p_base_kw": np.ones((2, 3)), "q_base_kvar": np.ones((2, 4))},
            r"q_base_kvar has shape \(2, 4\), must be \(B, 3\)",
        ),
        (
            {"p_base_kw": np.ones((2, 3)), "q_base_kvar": np.ones((1, 3))},
            "2 rows of p_base_kw, 1 of q_base_kvar",
        ),
        ({"p_base_kw": np.array([[{}]]), "q_base_kvar": np.ones((1, 1))}, "not a .npz file"),
    ],
)
def test_bad_npz(tmp_path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(GridError, match=message):
        load_states(tmp_path / "s.npz")


def test_files_of_another_kind(tmp_path) -> None:
    (tmp_path / "s.npz").write_text("not an archive")
    (tmp_path / "s.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(GridError, match=r"not a \.npz file of numbers"):
        load_states(tmp_path / "s.npz")
    with pytest.raises(GridError, match=r"not a \.csv file of text"):
        load_states(tmp_path / "s.csv")
    with pytest.raises(GridError, match=r"cannot read states .*none\.npz"):
        load_states(tmp_path / "none.npz")
    for act in (load_states, lambda path: save_states(path, np.ones((1, 1)), np.ones((1, 1)))):
        with pytest.raises(GridError, match=r"unknown kind of file of states '.txt'"):
            act(tmp_path / "s.txt")


def test_a_file_for_another_feeder(tmp_path) -> None:
    save_states(tmp_path / "s.npz", np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(GridError, match=r"p_base_kw has shape \(2, 3\), must be \(B, 12\)"):
        load_states(tmp_path / "s.npz", num_buses=12)
