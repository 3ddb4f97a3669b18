"""A case on an imported feeder: how much its buildings draw and may do, and who controls them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array, number
from rllib_grid.errors import GridError
from rllib_grid.feeders.groups import Grouping, make_groups
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.physics.power_factor import kvar_per_kw
from rllib_grid.sources.demand import UniformDemand

DEMAND_SHARE, LIMIT_SHARE = 1.0, 0.5


def case_of(
    imported: ImportedFeeder,
    name: str | None = None,
    *,
    agents: int | None = None,
    grouping: Grouping = "balanced",
    demand_share: float = DEMAND_SHARE,
    demand_kw: float | None = None,
    limit_share: float = LIMIT_SHARE,
    alpha: float | None = None,
    v_head_pu: float | None = None,
    **fields: Any,
) -> Case:
    """A case whose buildings are as large as the feeder's loads.

    Demand p_base of each building is uniform within plus and minus its peak, so that voltages move
    both ways, and q_base follows with the power factor of the load there.

    Args:
        imported: the feeder and its loads.
        name: of the case; the feeder's if None.
        agents, grouping: see `make_groups`.
        demand_share: largest demand over the larger of a bus's load and generation, > 0.
        demand_kw: largest demand of every building, in place of a share; for feeders without
            loads.
        limit_share: |p_ctrl| and |q_ctrl| at most, over the largest demand of the building (of
            q_ctrl over that of P or Q, whichever is larger), > 0.
        alpha: cost of control, in kW per kW^2 and per kvar^2; `usual_alpha` if None.
        v_head_pu: voltage of the head; the source's if None.
        **fields: other fields of `Case`.

    Raises:
        GridError: on a value out of bounds, or a feeder without loads and no `demand_kw`.
    """
    feeder = imported.feeder
    share = number("demand_share", demand_share, above=0)
    if demand_kw is None:
        limit_kw = share * imported.peak_kw
        if not limit_kw.all():
            raise GridError(
                f"{feeder.name} holds no loads: say demand_kw (--demand-kw), that of each building"
            )
    else:
        limit_kw = np.full(feeder.num_buses, number("demand_kw", demand_kw, above=0))
    limit_share = number("limit_share", limit_share, above=0)
    factor = imported.power_factor
    cost: Any = usual_alpha(imported) if alpha is None else alpha
    return Case(
        name or feeder.name,
        feeder,
        make_groups(feeder, grouping, agents),
        **{
            "p_limit_kw": limit_share * limit_kw,
            "q_limit_kvar": limit_share * limit_kw * np.maximum(kvar_per_kw(factor), 1.0),
            "alpha_p": cost,
            "alpha_q": cost,
            "v_head_pu": imported.v_head_pu if v_head_pu is None else v_head_pu,
            "demand": UniformDemand(
                limit_kw=tuple(limit_kw.tolist()), power_factor=tuple(factor.tolist())
            ),
            **fields,
        },
    )


def usual_alpha(imported: ImportedFeeder) -> float:
    """A cost of control at which it pays to control, but not to cancel all demand.

    The mean over buildings of what one kW^2 loses on its way, to two digits.
    """
    own: Array = np.diag(imported.feeder.loss_p)
    return float(f"{own.mean():.1e}")
