"""The team-optimal rule: the best that agents can do without any word of the others."""

from __future__ import annotations

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.checks import Array, batch
from rllib_grid.dispatch.batch_cone_qp import BatchConeQP
from rllib_grid.dispatch.batch_qp import BatchQP
from rllib_grid.physics import lindistflow


def team_optimal(case: Case, p_base_kw: Array, q_base_kvar: Array) -> tuple[Array, Array]:
    """Controls by which each agent minimises the cost as if all other buses injected nothing.

    Agent i solves, over the controls of its own buses g and within their limits,

        minimise  (p_base + p)_g' loss_p_gg (p_base + p)_g + the same for q + its own costs.

    This is the best decentralised one-stage policy (in the sense of Radner, Team decision
    problems, 1962) where base demand is symmetric around 0 and independent between agents,
    beta is 0, and no voltage bound is active. Voltage bounds and ratings of branches are ignored,
    those of inverters are kept. The rule needs the
    feeder model, so it is a yardstick and not a rival of a learner. Its model is LinDistFlow,
    whatever the physics of the case.

    Args:
        case: feeder, groups, limits and costs.
        p_base_kw, q_base_kvar: (N, n) base demand.

    Returns:
        p_ctrl_kw (N, n) and q_ctrl_kvar (N, n).

    Raises:
        GridError: on bad input.
    """
    p_base = batch("p_base_kw", p_base_kw, case.num_buses)
    q_base = batch("q_base_kvar", q_base_kvar, case.num_buses)
    if case.s_max_kva is not None:
        return _within_circles(case, case.s_max_kva, p_base, q_base)
    p_ctrl, q_ctrl = np.empty_like(p_base), np.empty_like(q_base)
    loss_p, loss_q = lindistflow.losses(case.feeder, case.v_head_pu)
    sides = (
        (p_base, p_ctrl, loss_p, case.alpha_p, case.beta_p, case.p_limit_kw),
        (q_base, q_ctrl, loss_q, case.alpha_q, case.beta_q, case.q_limit_kvar),
    )
    for group in case.groups:
        own = np.array(group) - 1
        for base, ctrl, loss, alpha, beta, limit in sides:
            block = loss[np.ix_(own, own)]
            program = BatchQP(2 * (block + np.diag(alpha[own])), limit[own])
            ctrl[:, own] = program.solve(2 * base[:, own] @ block + beta[own]).x
    return p_ctrl, q_ctrl


def _within_circles(
    case: Case, s_max_kva: Array, p_base: Array, q_base: Array
) -> tuple[Array, Array]:
    """The rule where inverters' ratings tie p and q of a building together."""
    loss_p, loss_q = lindistflow.losses(case.feeder, case.v_head_pu)
    p_ctrl, q_ctrl = np.empty_like(p_base), np.empty_like(q_base)
    for group in case.groups:
        own = np.array(group) - 1
        size, block = len(own), np.ix_(own, own)
        loss = np.zeros((2 * size, 2 * size))
        loss[:size, :size], loss[size:, size:] = loss_p[block], loss_q[block]
        circles = np.zeros((size, 2, 2 * size))
        circles[:, 0, :size] = circles[:, 1, size:] = np.eye(size)
        program = BatchConeQP(
            2 * (loss + np.diag(np.concatenate([case.alpha_p[own], case.alpha_q[own]]))),
            np.concatenate([case.p_limit_kw[own], case.q_limit_kvar[own]]),
            np.zeros((0, 2 * size)),
            circles,
            s_max_kva[own],
        )
        base = np.hstack([p_base[:, own], q_base[:, own]])
        beta = np.concatenate([case.beta_p[own], case.beta_q[own]])
        no_rows = np.zeros((len(base), 0))
        answer = program.solve(2 * base @ loss + beta, no_rows, no_rows)
        p_ctrl[:, own], q_ctrl[:, own] = np.hsplit(answer.x, 2)
    return p_ctrl, q_ctrl
