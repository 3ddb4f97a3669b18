"""A radial feeder: its tree, its impedances and the matrices that follow from them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rllib_grid.checks import Array, known, number, per_bus, whole
from rllib_grid.errors import FeederError


@dataclass(frozen=True, eq=False)
class Feeder:
    """An immutable radial tree. Node 0 is the head; nodes 1..L hang below it.

    Branch l is the one that feeds node l, so branches and nodes share the numbers 1..L. The nodes
    with a building are the buses 1..n, in the order of the nodes; without `served` every node is
    one. At the others nothing is drawn, so power flow between head and buses needs no more than
    the (n, n) matrices below, and is exact with them.

    Attributes:
        name: what to call it.
        parent: for node 1..L the node that feeds it (0 = head).
        r_ohm: (L,) branch resistances, > 0.
        x_ohm: (L,) branch reactances, >= 0.
        v_base_kv: voltage that counts as 1 p.u.
        bus_names: names of nodes 1..L; their numbers if left empty.
        loss_q_from: what the loss of reactive power is taken from. "r" is the physical
            choice, "x" the paper's equation (2) as printed.
        served: ascending node numbers of the buses; all nodes if left empty.

    Raises:
        FeederError: if the tree has a loop or an island, or a number is out of bounds.
    """

    name: str
    parent: tuple[int, ...]
    r_ohm: Array
    x_ohm: Array
    v_base_kv: float = 2.97
    bus_names: tuple[str, ...] = ()
    loss_q_from: Literal["r", "x"] = "r"
    served: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.parent)
        names = tuple(self.bus_names) or tuple(str(bus) for bus in range(1, n + 1))
        if len(names) != n:
            raise FeederError(f"bus_names has {len(names)} names, must have one per node: {n}")
        known("loss_q_from", self.loss_q_from, ("r", "x"))
        put = object.__setattr__  # the dataclass is frozen; here it is still being made
        put(self, "bus_names", names)
        put(self, "v_base_kv", number("v_base_kv", self.v_base_kv, above=0))
        put(self, "parent", tuple(whole("parent", bus, at_least=0) for bus in self.parent))
        for name in ("r_ohm", "x_ohm"):
            values = getattr(self, name)
            if np.shape(values) != (n,):
                raise FeederError(f"{name} has shape {np.shape(values)}, must be ({n},)")
            put(self, name, per_bus(name, values, n))
        _check_tree(self.parent, self.r_ohm, self.x_ohm)
        put(self, "served", _checked_served(self.served, n))

    @property
    def num_buses(self) -> int:
        """Number of buses n, without the head and the nodes that have no building."""
        return len(self.served)

    @property
    def num_nodes(self) -> int:
        """Number of nodes L, without the head; one branch feeds each."""
        return len(self.parent)

    @property
    def base_kva_ohm(self) -> float:
        """What an impedance of 1 ohm that carries 1 kVA is divided by, for the drop in p.u."""
        return 1000 * self.v_base_kv**2

    @cached_property
    def paths(self) -> Array:
        """(n, L): entry [i, l] is 1 where branch l + 1 lies on the path from head to bus i + 1."""
        paths = np.zeros((self.num_buses, self.num_nodes))
        for i, at in enumerate(self.served):
            while at:
                paths[i, at - 1] = 1.0
                at = self.parent[at - 1]
        return _read_only(paths)

    @cached_property
    def path_r_ohm(self) -> Array:
        """R (n, n): resistance that the paths from the head to buses i and j have in common."""
        return _read_only((self.paths * self.r_ohm) @ self.paths.T)

    @cached_property
    def path_x_ohm(self) -> Array:
        """X (n, n): reactance that the paths from the head to buses i and j have in common."""
        return _read_only((self.paths * self.x_ohm) @ self.paths.T)

    @cached_property
    def branch_loss_p(self) -> Array:
        """(L,), kW per kW^2: what active power through each branch loses in it, at 1 p.u."""
        return _read_only(self.r_ohm / self.base_kva_ohm)

    @cached_property
    def branch_loss_q(self) -> Array:
        """(L,), kW per kvar^2: what reactive power through each branch loses in it, at 1 p.u."""
        ohm = self.r_ohm if self.loss_q_from == "r" else self.x_ohm
        return _read_only(ohm / self.base_kva_ohm)

    @cached_property
    def loss_p(self) -> Array:
        """(n, n), kW per kW^2: active power P loses P' loss_p P at 1 p.u. (paper, equation 2)."""
        return _read_only((self.paths * self.branch_loss_p) @ self.paths.T)

    @cached_property
    def loss_q(self) -> Array:
        """(n, n), kW per kvar^2: reactive power Q loses Q' loss_q Q at 1 p.u. (equation 2)."""
        return _read_only((self.paths * self.branch_loss_q) @ self.paths.T)

    @cached_property
    def v_sq_per_kw(self) -> Array:
        """(n, n), p.u. per kW: how far P lowers v_sq (paper, equation 1)."""
        return _read_only(2 * self.path_r_ohm / self.base_kva_ohm)

    @cached_property
    def v_sq_per_kvar(self) -> Array:
        """(n, n), p.u. per kvar: how far Q lowers v_sq (paper, equation 1)."""
        return _read_only(2 * self.path_x_ohm / self.base_kva_ohm)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "name": self.name,
            "parent": list(self.parent),
            "r_ohm": self.r_ohm.tolist(),
            "x_ohm": self.x_ohm.tolist(),
            "v_base_kv": self.v_base_kv,
            "bus_names": list(self.bus_names),
            "loss_q_from": self.loss_q_from,
            "served": list(self.served),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Feeder:
        """The inverse of `to_dict`.

        Raises:
            FeederError: on a field that is missing or unknown, or a bad value.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise FeederError(f"not a feeder: {error}") from None

    @classmethod
    def from_csv(
        cls, path: str | Path, impedance: str | None = None, v_base_kv: float = 2.97
    ) -> Feeder:
        """Read a feeder, one row per branch.

        Args:
            path: file with the columns `from_bus`, `to_bus`, `r_ohm`, `x_ohm` and, if the
                buses have names, `to_name`. Other columns are ignored.
            impedance: reads `r_<impedance>_ohm` and `x_<impedance>_ohm` instead, such as
                "self" or "posseq" of the shipped IEEE-13 feeder.
            v_base_kv: voltage that counts as 1 p.u.

        Raises:
            FeederError: naming the bus, the value, its bound and the line of the file.
        """
        path = Path(path)
        infix = "" if impedance is None else f"{impedance}_"
        r_column, x_column = f"r_{infix}ohm", f"x_{infix}ohm"
        lines: dict[int, int] = {}  # bus -> line of the file
        rows: dict[int, dict[str, str]] = {}
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                for column in ("from_bus", "to_bus", r_column, x_column):
                    if column not in (has := reader.fieldnames or []):
                        raise FeederError(
                            f"{path.name} has no column {column!r}; it has {', '.join(has)}"
                        )
                for row in reader:
                    at = f"line {reader.line_num} of {path.name}"
                    bus = int(_parse(row, "to_bus", at))
                    if bus in rows:
                        raise FeederError(
                            f"bus {bus} is fed twice, on lines {lines[bus]} and "
                            f"{reader.line_num} of {path.name}: a loop, or a branch too many"
                        )
                    rows[bus], lines[bus] = row, reader.line_num
        except OSError as error:
            raise FeederError(f"cannot read feeder {path}: {error.strerror}") from None
        except (UnicodeDecodeError, csv.Error):
            raise FeederError(f"cannot read feeder {path}: not a .csv file of text") from None

        def where(bus: int) -> str:
            return f"line {lines[bus]} of {path.name}"

        buses = range(1, len(rows) + 1)
        for bus in rows:
            if bus not in buses:
                raise FeederError(
                    f"bus {bus} is fed by one of {len(rows)} branches, so its number must lie in "
                    f"1..{len(rows)} ({where(bus)})"
                )
        columns = {
            column: [_parse(rows[bus], column, where(bus)) for bus in buses]
            for column in ("from_bus", r_column, x_column)
        }
        parent = [int(bus) for bus in columns["from_bus"]]
        _check_tree(parent, columns[r_column], columns[x_column], where)
        names = tuple(rows[bus].get("to_name") or str(bus) for bus in buses)
        r_ohm, x_ohm = np.array(columns[r_column]), np.array(columns[x_column])
        return cls(path.stem, tuple(parent), r_ohm, x_ohm, v_base_kv, names)


def _checked_served(served: Sequence[int], num_nodes: int) -> tuple[int, ...]:
    """Node numbers of the buses, ascending and each once; all nodes if none is given."""
    nodes = tuple(whole("served: node", node, at_least=1) for node in served)
    for before, node in zip((0, *nodes), nodes, strict=False):
        if node > num_nodes:
            raise FeederError(f"served: node is {node}, must be one of 1..{num_nodes}")
        if node <= before:
            raise FeederError(f"served: node {node} follows {before}, must be ascending")
    return nodes or tuple(range(1, num_nodes + 1))


def _parse(row: Mapping[str, str], column: str, at: str) -> float:
    text = row[column]
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise FeederError(f"{column} is {text!r}, must be a number ({at})") from None
    if column.endswith("_bus") and not value.is_integer():
        raise FeederError(f"{column} is {text!r}, must be a whole number ({at})")
    return value


def _check_tree(
    parent: Sequence[int],
    r_ohm: Sequence[float] | Array,
    x_ohm: Sequence[float] | Array,
    where: Callable[[int], str] | None = None,
) -> None:
    """Raise a `FeederError` unless this is a tree below bus 0 with sound impedances."""
    n = len(parent)

    def at(bus: int) -> str:
        return f" ({where(bus)})" if where else ""

    if n == 0:
        raise FeederError("the feeder has no branch, must have at least one")
    for bus, (p, r, x) in enumerate(zip(parent, r_ohm, x_ohm, strict=True), start=1):
        if not 0 <= p <= n:
            raise FeederError(
                f"bus {bus} is fed from bus {p}, which no branch feeds: an island; must be one of "
                f"0..{n}{at(bus)}"
            )
        if not (np.isfinite(r) and r > 0):
            raise FeederError(f"bus {bus}: r_ohm is {r:g}, must be > 0{at(bus)}")
        if not (np.isfinite(x) and x >= 0):
            raise FeederError(f"bus {bus}: x_ohm is {x:g}, must be >= 0{at(bus)}")
    fed = {0}  # buses known to hang on the head
    for bus in range(1, n + 1):
        walk: list[int] = []
        while bus not in fed and bus not in walk:
            walk.append(bus)
            bus = int(parent[bus - 1])
        if bus not in fed:
            loop = ", ".join(str(b) for b in sorted(walk[walk.index(bus) :]))
            raise FeederError(
                f"buses {loop} feed each other: a loop, and an island without the head; "
                f"must be a tree below bus 0{at(bus)}"
            )
        fed.update(walk)


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array
