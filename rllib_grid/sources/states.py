"""Files of states: base demand in .npz and .csv."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np

from rllib_grid.checks import Array, batch, known
from rllib_grid.errors import GridError


def load_states(path: str | Path, num_buses: int | None = None) -> tuple[Array, Array]:
    """Read a file of states.

    Args:
        path: .npz with `p_base_kw` and `q_base_kvar`, each (N, n), or .csv with the columns
            `p_base_kw_1..n` and `q_base_kvar_1..n` in any order.
        num_buses: n that the file must have; any if None.

    Returns:
        p_base_kw (N, n) and q_base_kvar (N, n), N >= 1.

    Raises:
        GridError: naming the file and what is wrong with it.
    """
    path = Path(path)
    known("kind of file of states", path.suffix, (".npz", ".csv"))
    try:
        p_kw, q_kvar = (_load_npz if path.suffix == ".npz" else _load_csv)(path)
        if p_kw.ndim != 2 or p_kw.shape[1] == 0:
            raise GridError(f"p_base_kw has shape {p_kw.shape}, must be (N, buses)")
        width = p_kw.shape[1] if num_buses is None else num_buses
        p_kw, q_kvar = batch("p_base_kw", p_kw, width), batch("q_base_kvar", q_kvar, width)
        if len(p_kw) != len(q_kvar):
            raise GridError(f"{len(p_kw)} rows of p_base_kw, {len(q_kvar)} of q_base_kvar")
        if len(p_kw) == 0:
            raise GridError("no states, must hold at least one")
    except GridError as error:
        raise GridError(f"{path}: {error}") from None
    except OSError as error:
        raise GridError(f"cannot read states {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error):
        raise GridError(f"cannot read states {path}: not a .csv file of text") from None
    return p_kw, q_kvar


def save_states(path: str | Path, p_base_kw: Array, q_base_kvar: Array) -> None:
    """Write a file of states that `load_states` reads; .npz or .csv by its suffix.

    Args:
        path: where to; an existing file is replaced.
        p_base_kw: (N, n).
        q_base_kvar: (N, n).

    Raises:
        GridError: on another suffix, or arrays of different shapes.
    """
    path = Path(path)
    known("kind of file of states", path.suffix, (".npz", ".csv"))
    n = np.shape(p_base_kw)[-1]
    p_kw, q_kvar = batch("p_base_kw", p_base_kw, n), batch("q_base_kvar", q_base_kvar, n)
    if len(p_kw) != len(q_kvar):
        raise GridError(f"{len(p_kw)} rows of p_base_kw, {len(q_kvar)} of q_base_kvar")
    if path.suffix == ".npz":
        np.savez(path, p_base_kw=p_kw, q_base_kvar=q_kvar)
        return
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_columns("p_base_kw", n) + _columns("q_base_kvar", n))
        writer.writerows(np.hstack([p_kw, q_kvar]).tolist())


def _load_npz(path: Path) -> tuple[Array, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
            if sorted(names) != ["p_base_kw", "q_base_kvar"]:
                raise GridError(f"holds {', '.join(names)}, must hold p_base_kw and q_base_kvar")
            return file["p_base_kw"], file["q_base_kvar"]
    except (ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, GridError):
            raise
        raise GridError("not a .npz file of numbers") from None


def _load_csv(path: Path) -> tuple[Array, Array]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        n = sum(name.startswith("p_base_kw_") for name in header)
        if n == 0:
            raise GridError("has no column p_base_kw_1, must have p_base_kw_1..n")
        wanted = _columns("p_base_kw", n) + _columns("q_base_kvar", n)
        for name in header:
            if name not in wanted:
                raise GridError(
                    f"unknown column {name!r}; must be p_base_kw_1..n, q_base_kvar_1..n"
                )
        for name in wanted:
            if header.count(name) != 1:
                raise GridError(
                    f"column {name!r} is there {header.count(name)} times, must be once"
                )
        rows = []
        for row in filter(None, reader):  # blank lines are no rows
            try:
                rows.append([float(text) for text in row])
            except ValueError:
                raise GridError(f"line {reader.line_num} has a cell that is no number") from None
            if len(row) != len(header):
                raise GridError(
                    f"line {reader.line_num} has {len(row)} cells, must have {len(header)}"
                )
    values = np.array(rows).reshape(-1, len(header))[:, [header.index(name) for name in wanted]]
    return values[:, :n], values[:, n:]


def _columns(quantity: str, num_buses: int) -> list[str]:
    return [f"{quantity}_{bus}" for bus in range(1, num_buses + 1)]
