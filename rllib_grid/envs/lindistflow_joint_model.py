"""A case under LinDistFlow as a few matrix products on the joint arrays, in float32."""

from __future__ import annotations

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.envs.joint_model import Float32, JointModel
from rllib_grid.physics import lindistflow


class LinDistFlowJointModel(JointModel):
    """Rewards and voltages of a case under LinDistFlow, from joint states and actions.

    Power flow is linear, so scaling, bus order, path sums and branch weights fold into one
    matrix per input and output:

    - weighted branch flows y = state Fs + action Fa, whose sum of squares is the loss
      (equation 2, by branches: sum over l of r_l (P_l^2 + Q_l^2) / v_head^2);
    - d = state Vs + action Va, the deviation of v_sq from v_head^2 (equation 1).

    `lindistflow.magnitude_deviation_pu` makes v - v_head of d.

    Args:
        case: what to fold.
    """

    def _fold_flow(self, case: Case) -> None:
        """Fold the power flow."""
        feeder, layout = case.feeder, case.layout
        loss_p, loss_q = lindistflow.branch_losses(feeder, case.v_head_pu)
        sides = (
            (layout.p_columns, loss_p, feeder.v_sq_per_kw),
            (layout.q_columns, loss_q, feeder.v_sq_per_kvar),
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
        self._v_head_pu = case.v_head_pu

    def _flow(self, state: Float32, action: Float32) -> tuple[Float32, Float32]:
        """Loss (B,) in kW, and v - v_head (B, O) in p.u."""
        flow = state @ self._state_flows
        flow += action @ self._action_flows
        loss: Float32 = np.einsum("bl,bl->b", flow, flow)
        return loss, self._v_deviation(state, action)

    def _v_deviation(self, state: Float32, action: Float32) -> Float32:
        """v - v_head (B, O) in p.u."""
        deviation_sq = state @ self._state_v_sq
        deviation_sq += action @ self._action_v_sq
        result: Float32 = lindistflow.magnitude_deviation_pu(deviation_sq, self._v_head_pu)
        return result
