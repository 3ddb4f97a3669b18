"""What an action does to a state of a case, on the joint arrays, in float32."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case

Float32 = NDArray[np.float32]


class Outcome(NamedTuple):
    """What an action does to a state, batch first."""

    reward: Float32  # (B,) in kW: -(loss + costs of all buildings + penalty of all buses)
    local_reward: Float32  # (B, m) in kW: -(loss + costs and penalty of the agent's own buses)
    obs: Float32  # (B, O)


class JointModel(ABC):
    """Rewards and voltages of a case, from joint states and actions; one subclass per physics.

    Costs of the buildings and penalties are folded here, in scaled units and summed by agent.

    Args:
        case: what to fold.
    """

    def __init__(self, case: Case) -> None:
        self._fold_flow(case)
        self._fold_costs(case)

    def _fold_costs(self, case: Case) -> None:
        """Fold building costs, in scaled units, and penalties; owners add up by agent."""
        layout, n = case.layout, case.num_buses
        unit = np.empty(2 * n)
        unit[layout.p_columns], unit[layout.q_columns] = case.p_limit_kw, case.q_limit_kvar
        alpha, beta, owner = np.empty(2 * n), np.empty(2 * n), np.zeros((2 * n, len(case.agents)))
        alpha[layout.p_columns], alpha[layout.q_columns] = case.alpha_p, case.alpha_q
        beta[layout.p_columns], beta[layout.q_columns] = case.beta_p, case.beta_q
        bus_owner = np.zeros((n, len(case.agents)))
        fixed = np.zeros(len(case.agents))
        for i, (agent, group) in enumerate(zip(case.agents, case.groups, strict=True)):
            owner[layout.action_slices[agent], i] = 1.0
            bus_owner[layout.obs_slices[agent], i] = 1.0
            own = np.array(group) - 1
            fixed[i] = (case.gamma_p + case.gamma_q)[own].sum()
        self._quadratic = (alpha * unit**2).astype(np.float32)
        self._linear = (beta * unit).astype(np.float32)
        self._fixed = fixed.astype(np.float32)
        self._owner = owner.astype(np.float32)
        self._bus_owner = (case.penalty_kw_per_pu * bus_owner).astype(np.float32)
        self._band = tuple(np.float32(v - case.v_head_pu) for v in (case.v_min_pu, case.v_max_pu))
        self._per_obs_scale = np.float32(1 / case.obs_scale_pu)

    def obs(self, state: Float32, action: Float32) -> Float32:
        """Joint observation (B, O) under an action (B, A) in a state (B, S)."""
        obs = self._v_deviation(state, action)
        obs *= self._per_obs_scale
        return obs

    def outcome(self, state: Float32, action: Float32) -> Outcome:
        """Rewards and joint observation of an action (B, A) in a state (B, S)."""
        loss, deviation = self._flow(state, action)
        cost = action * self._quadratic
        cost += self._linear
        cost *= action
        own = cost @ self._owner  # (B, m)
        own += self._fixed

        low, high = self._band
        excess = np.clip(deviation, low, high)
        excess -= deviation
        np.abs(excess, out=excess)
        own += excess @ self._bus_owner  # (B, m)

        reward = -(loss + own.sum(axis=1))
        own += loss[:, None]
        deviation *= self._per_obs_scale
        return Outcome(reward, np.negative(own, out=own), deviation)

    @abstractmethod
    def _fold_flow(self, case: Case) -> None:
        """Fold the power flow."""

    @abstractmethod
    def _flow(self, state: Float32, action: Float32) -> tuple[Float32, Float32]:
        """Loss (B,) in kW, and v - v_head (B, O) in p.u.; the caller's own arrays."""

    @abstractmethod
    def _v_deviation(self, state: Float32, action: Float32) -> Float32:
        """v - v_head (B, O) in p.u.; the caller's own array."""
