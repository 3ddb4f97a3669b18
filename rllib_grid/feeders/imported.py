"""What an import returns: a feeder, its base loads and ratings, and what was simplified."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.feeder import Feeder


@dataclass(frozen=True, eq=False)
class ImportedFeeder:
    """A feeder from a file, with what the file knows beside its wires.

    Attributes:
        feeder: of L nodes, n of them with a load or a generator: its buses.
        p_load_kw, q_load_kvar: (n,) base load; consumption positive.
        p_gen_kw: (n,) static generation, <= 0.
        s_limit_kva: (L,) thermal rating of each branch, infinite where the source has none.
        v_head_pu: voltage of the head, fixed ratios of transformers included.
        notes: what was simplified or left out, one sentence each.
    """

    feeder: Feeder
    p_load_kw: Array
    q_load_kvar: Array
    p_gen_kw: Array
    s_limit_kva: Array
    v_head_pu: float = 1.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            if isinstance(value := getattr(self, item.name), np.ndarray):
                value.setflags(write=False)

    @property
    def peak_kw(self) -> Array:
        """(n,): the larger of load and generation of each bus, a magnitude."""
        peak: Array = np.maximum(np.abs(self.p_load_kw), np.abs(self.p_gen_kw))
        return peak

    @property
    def power_factor(self) -> Array:
        """(n,) of the load of each bus, in (0, 1]; 1 where it has no active power."""
        p_kw = np.abs(self.p_load_kw)
        apparent = np.hypot(p_kw, self.q_load_kvar)
        factor: Array = np.where(p_kw > 0, p_kw / np.where(p_kw > 0, apparent, 1.0), 1.0)
        return factor

    @property
    def branch_limit_kva(self) -> Array | None:
        """(L,) ratings, as a case takes them: None if the source has none at all.

        Where it has some but not others, the others get ten times the largest.
        """
        rated = np.isfinite(self.s_limit_kva)
        if not rated.any():
            return None
        most = 10 * float(self.s_limit_kva[rated].max())
        return np.where(rated, self.s_limit_kva, most)

    def named(self, name: str) -> ImportedFeeder:
        """The same under another name."""
        return replace(self, feeder=replace(self.feeder, name=name))
