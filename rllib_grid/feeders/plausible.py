"""Whether loads and impedances fit each other: the one sign of wrong units that a file gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rllib_grid.errors import FeederError
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.physics import ac

_LEAST_MOVED_PU = 1e-5


def checked_units(imported: ImportedFeeder) -> ImportedFeeder:
    """The same feeder, with a note where its base load moves next to no voltage.

    Raises:
        FeederError: if the feeder cannot carry its base load, as with kW taken for MW, milliohms
            for ohms or a nominal voltage that is too low.
    """
    p_kw = imported.p_load_kw + imported.p_gen_kw
    q_kvar = imported.q_load_kvar
    if not (p_kw.any() or q_kvar.any()):
        return imported
    feeder = imported.feeder
    remedy = "check the units of loads and impedances, and the nominal voltage"
    flow = ac.solve(feeder, imported.v_head_pu, p_kw[None], q_kvar[None], collapsed="floor")
    if not flow.converged.all():
        raise FeederError(
            f"{feeder.name} cannot carry its base load of {p_kw.sum():,.6g} kW and "
            f"{q_kvar.sum():,.6g} kvar at {feeder.v_base_kv:g} kV, power flow has no solution; "
            f"{remedy}"
        )
    moved_pu = float(np.abs(flow.v_pu - imported.v_head_pu).max())
    if moved_pu >= _LEAST_MOVED_PU:
        return imported
    note = f"the base load moves no voltage by more than {moved_pu:.1g} p.u.; {remedy}"
    return replace(imported, notes=(*imported.notes, note))
