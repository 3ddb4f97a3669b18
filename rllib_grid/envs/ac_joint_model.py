"""A case under AC power flow as a model of the joint arrays, in float32."""

from __future__ import annotations

import numpy as np

from rllib_grid.cases.case import Case
from rllib_grid.envs.joint_model import Float32, JointModel
from rllib_grid.physics import ac as power_flow
from rllib_grid.physics.zbus import Settled, ZBus


class AcJointModel(JointModel):
    """Rewards and voltages of a case under AC power flow, from joint states and actions.

    Scaling and order fold into one matrix per input: power = state Ps + action Pa, with the buses
    in the order of the observation. The rest is the fixed point of `ZBus`. What a collapsed feeder
    is given is said at `power_flow.solve`: voltages of half the head's, so a penalty at all buses,
    and more than the largest loss that the feeder can carry.

    Args:
        case: what to model.
    """

    def _fold_flow(self, case: Case) -> None:
        layout, n = case.layout, case.num_buses
        self._feeder, self._v_head_pu = case.feeder, case.v_head_pu
        self._buses = layout.obs_buses
        sides = (
            (layout.p_columns, layout.p_scale_kw, layout.p_limit_kw),
            (layout.q_columns, layout.q_scale_kvar, layout.q_limit_kvar),
        )
        powers = np.zeros((2, 2 * n, 2 * n))  # of the state, of the action
        for side, (columns, *scales) in enumerate(sides):
            for power, scale in zip(powers, scales, strict=True):
                rows = side * n + np.arange(n)
                power[rows, columns[self._buses]] = scale[self._buses]
        self._state_power, self._action_power = powers.astype(np.float32)
        self._zbus = ZBus(case.feeder, case.v_head_pu, np.float32, self._buses)

    def _flow(self, state: Float32, action: Float32) -> tuple[Float32, Float32]:
        power, settled, deviation = self._settled(state, action)
        loss = power_flow.losses_kw(settled)
        lost = ~settled.converged
        if lost.any():
            p_kw, q_kvar = np.empty((2, int(lost.sum()), len(self._buses)))
            p_kw[:, self._buses], q_kvar[:, self._buses] = np.split(power[:, lost].T, 2, axis=1)
            loss[lost] = power_flow.floor_loss_kw(self._feeder, self._v_head_pu, p_kw, q_kvar)
        return loss, deviation

    def _v_deviation(self, state: Float32, action: Float32) -> Float32:
        """v - v_head (B, O) in p.u."""
        return self._settled(state, action)[2]

    def _settled(self, state: Float32, action: Float32) -> tuple[Float32, Settled, Float32]:
        """Power (2n, B), the power flow, and v - v_head (B, O) in p.u."""
        power = self._state_power @ state.T
        power += self._action_power @ action.T
        settled = self._zbus.settle(power)
        deviation = power_flow.magnitude_deviation_pu(settled.deviation, self._v_head_pu)
        if not settled.converged.all():
            deviation[:, ~settled.converged] = (power_flow.FLOOR_SHARE - 1) * self._v_head_pu
        return power, settled, np.ascontiguousarray(deviation.T)
