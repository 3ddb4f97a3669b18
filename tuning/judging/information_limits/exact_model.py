"""A case with exact gradients, which no learner has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from policies.networks.action_limits import ActionCircles
from rllib_grid import Case
from rllib_grid.physics import lindistflow
from tuning.judging.samples import Floats

_COLLAPSED_V_SQ = 1e-12  # the square root has no slope at 0


class ExactModel:
    """A case as differentiable functions of its joint arrays (see `Layout`), batch first.

    - weighted power y = state Ys + action Ya with loss matrix C C' and Y = power C, so that |y|^2
      is the loss (paper, equation 2);
    - d = state Vs + action Va, the deviation of v_sq from v_head^2 (equation 1). The voltage
      signal is small beside 1 p.u., so it is no difference of two magnitudes:
      v - v_head = d / (sqrt(v_head^2 + d) + v_head).

    It is LinDistFlow's, whatever the physics of the case.

    Args:
        case: what to fold.
        dtype: of all numbers.
    """

    def __init__(self, case: Case, dtype: torch.dtype = torch.float32) -> None:
        feeder, layout, n = case.feeder, case.layout, case.num_buses
        loss_p, loss_q = lindistflow.losses(feeder, case.v_head_pu)
        sides = (
            (layout.p_columns, loss_p, feeder.v_sq_per_kw),
            (layout.q_columns, loss_q, feeder.v_sq_per_kvar),
        )
        scales = (
            (layout.p_scale_kw, layout.q_scale_kvar),
            (layout.p_limit_kw, layout.q_limit_kvar),
        )
        powers = np.zeros((2, 2 * n, 2 * n))  # of the state, of the action
        drops = np.zeros((2, 2 * n, n))
        for source, scale in enumerate(scales):
            for side, (columns, loss, v_sq_per) in enumerate(sides):
                unit = scale[side][:, None]
                part = slice(side * n, (side + 1) * n)
                powers[source, columns, part] = unit * _factor(loss)
                drops[source, columns] = unit * v_sq_per[:, layout.obs_buses]
        costs = np.empty((2, 2 * n))  # quadratic and linear, per scaled action
        for columns, limit, alpha, beta in (
            (layout.p_columns, case.p_limit_kw, case.alpha_p, case.beta_p),
            (layout.q_columns, case.q_limit_kvar, case.alpha_q, case.beta_q),
        ):
            costs[:, columns] = alpha * limit**2, beta * limit
        self._state_power, self._action_power = torch.as_tensor(powers, dtype=dtype)
        self._state_v_sq, self._action_v_sq = torch.as_tensor(-drops, dtype=dtype)
        self._quadratic, self._linear = torch.as_tensor(costs, dtype=dtype)
        self._fixed = float((case.gamma_p + case.gamma_q).sum())
        self._v_head = case.v_head_pu
        self._low, self._high = case.v_min_pu - case.v_head_pu, case.v_max_pu - case.v_head_pu
        self._penalty = case.penalty_kw_per_pu
        self._obs_scale = case.obs_scale_pu
        self._within = ActionCircles(layout.action_circles)

    def cost_kw(self, state: Tensor, action: Tensor) -> Tensor:
        """Loss, building costs and voltage penalty in kW: minus the shared reward.

        Args:
            state: (B, S).
            action: (B, A) in [-1, 1].

        Returns:
            (B,), differentiable in both.
        """
        action = self._within(action)
        power = state @ self._state_power + action @ self._action_power
        buildings = (self._quadratic * action + self._linear) * action
        deviation = self._v_deviation(state, action)
        excess = (deviation - self._high).clamp(min=0) + (self._low - deviation).clamp(min=0)
        penalty = self._penalty * excess.sum(1)
        cost: Tensor = power.square().sum(1) + buildings.sum(1) + self._fixed + penalty
        return cost

    def obs(self, state: Tensor, action: Tensor) -> Tensor:
        """Joint observation (B, O) behind ideal meters."""
        return self._v_deviation(state, self._within(action)) / self._obs_scale

    def _v_deviation(self, state: Tensor, action: Tensor) -> Tensor:
        """v - v_head (B, O) in p.u.; -v_head where the linear model has collapsed (v_sq < 0)."""
        d = state @ self._state_v_sq + action @ self._action_v_sq
        root = (d + self._v_head**2).clamp(min=_COLLAPSED_V_SQ).sqrt()
        deviation: Tensor = d.clamp(min=-(self._v_head**2)) / (root + self._v_head)
        return deviation


def _factor(loss: Floats) -> Floats:
    """C with C C' = loss, for a symmetric matrix that may be singular (x = 0 loses no Q)."""
    values, vectors = np.linalg.eigh(loss)
    factor: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return factor
