"""What was done in N states, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from rllib_grid import Case
from rllib_grid.cases.branch_loading import highest_loading
from tuning.judging.samples import Floats


@dataclass(frozen=True, eq=False)
class Actions:
    """What was done in N states, and what came of it.

    Attributes:
        p_ctrl_kw: (N, n) controlled active power, consumption positive.
        q_ctrl_kvar: (N, n) controlled reactive power.
        v_pu: (N, n) bus voltages under these actions.
        cost_kw: (N,) loss and all building costs while these actions are held, without voltage
            penalty.
        step_cost_kw: (N,) likewise of the whole time step if it ends with these actions: each
            probe before them in its part; None where that is ``cost_kw``.
        base: (N, n) each, the p_base_kw and q_base_kvar that these actions met; None where they
            are those of the states.
        branch_loading: (N,) power of the most loaded branch over its limit; None where the case
            limits none.
    """

    p_ctrl_kw: Floats
    q_ctrl_kvar: Floats
    v_pu: Floats
    cost_kw: Floats
    step_cost_kw: Floats | None = None
    base: tuple[Floats, Floats] | None = None
    branch_loading: Floats | None = None

    @property
    def charged_kw(self) -> Floats:
        """What the time step costs, (N,)."""
        return self.cost_kw if self.step_cost_kw is None else self.step_cost_kw


def apply(
    case: Case, p_base_kw: Floats, q_base_kvar: Floats, p_ctrl_kw: Floats, q_ctrl_kvar: Floats
) -> Actions:
    """Return what inverters carry out of the actions, with what follows; all (N, n)."""
    p_ctrl_kw, q_ctrl_kvar = case.within_ratings(p_ctrl_kw, q_ctrl_kvar)
    return Actions(
        p_ctrl_kw=p_ctrl_kw,
        q_ctrl_kvar=q_ctrl_kvar,
        v_pu=case.v_pu(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar),
        cost_kw=case.cost_kw(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar),
        branch_loading=loading(case, p_base_kw + p_ctrl_kw, q_base_kvar + q_ctrl_kvar),
    )


def loading(case: Case, p_kw: Floats, q_kvar: Floats) -> Floats | None:
    """Return `Actions.branch_loading` of (N, n) powers, base plus control."""
    return None if case.branch_limit_kva is None else highest_loading(case, p_kw, q_kvar)
