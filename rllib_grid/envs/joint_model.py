"""A case as a few matrix products on the joint arrays, in float32."""

from __future__ import annotations

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


def joint_model(case: Case) -> JointModel:
    """The model of a case, by its physics."""
    if case.physics == "ac":
        from rllib_grid.envs.ac_joint_model import AcJointModel  # it builds on this room

        return AcJointModel(case)
    return JointModel(case)


class JointModel:
    """Rewards and voltages of a case under LinDistFlow, from joint states and actions.

    Power flow is linear, so scaling, bus order, path sums and branch weights fold into one
    matrix per input and output:

    - weighted branch flows y = state Fs + action Fa, whose sum of squares is the loss
      (equation 2, by branches: sum over l of r_l (P_l^2 + Q_l^2) / v^2);
    - d = state Vs + action Va, the deviation of v_sq from v_head^2 (equation 1).

    The voltage signal is small beside 1 p.u., so it is never a difference of two magnitudes:
    v - v_head = d / (sqrt(v_head^2 + d) + v_head).

    Args:
        case: what to fold.
    """

    def __init__(self, case: Case) -> None:
        self._fold_flow(case)
        self._fold_costs(case)

    def _fold_flow(self, case: Case) -> None:
        """Fold the power flow."""
        feeder, layout = case.feeder, case.layout
        sides = (
            (layout.p_columns, feeder.branch_loss_p, feeder.v_sq_per_kw),
            (layout.q_columns, feeder.branch_loss_q, feeder.v_sq_per_kvar),
        )
        scales = (
            (layout.p_scale_kw, layout.q_scale_kvar),
            (layout.p_limit_kw, layout.q_limit_kvar),
        )
        n, num_branches = case.num_buses, feeder.num_nodes
        flows = np.zeros((2, 2 * n, 2 * num_branches))  # of the state, of the action
        drops = np.zeros((2, 2 * n, n))
        for source, scale in enumerate(scales):
            for side, (columns, branch_loss, v_sq_per) in enumerate(sides):
                power = scale[side][:, None]  # of one scaled unit at each bus
                flow = slice(side * num_branches, (side + 1) * num_branches)
                flows[source, columns, flow] = power * feeder.paths * np.sqrt(branch_loss)
                drops[source, columns] = power * v_sq_per[:, layout.obs_buses]
        self._state_flows, self._action_flows = flows.astype(np.float32)
        self._state_v_sq, self._action_v_sq = (-drops).astype(np.float32)
        self._v_head = np.float32(case.v_head_pu)
        self._v_head_sq = np.float32(case.v_head_pu**2)

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

    def _flow(self, state: Float32, action: Float32) -> tuple[Float32, Float32]:
        """Loss (B,) in kW, and v - v_head (B, O) in p.u."""
        flow = state @ self._state_flows
        flow += action @ self._action_flows
        loss: Float32 = np.einsum("bl,bl->b", flow, flow)
        return loss, self._v_deviation(state, action)

    def _v_deviation(self, state: Float32, action: Float32) -> Float32:
        """v - v_head (B, O) in p.u.; -v_head where the linear model has collapsed (v_sq < 0)."""
        d = state @ self._state_v_sq
        d += action @ self._action_v_sq
        np.maximum(d, -self._v_head_sq, out=d)
        root = d + self._v_head_sq
        np.sqrt(root, out=root)
        root += self._v_head
        d /= root
        result: Float32 = d
        return result
