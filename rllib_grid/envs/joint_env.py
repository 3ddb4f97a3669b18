"""Many feeders stepped at once, on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.checks import whole
from rllib_grid.envs.ac_joint_model import AcJointModel
from rllib_grid.envs.lanes import (
    JointStep,
    check_saved,
    checked_action,
    checked_mask,
    generator,
    restore,
)
from rllib_grid.envs.lindistflow_joint_model import LinDistFlowJointModel
from rllib_grid.envs.probed_step import JointProbedStep, rounded_pu
from rllib_grid.errors import GridError

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

_MODELS = {"lindistflow": LinDistFlowJointModel, "ac": AcJointModel}


class JointGridEnv:
    """A batch of B feeders of one case; the joint arrays are those of `case.layout`.

    Every array is float32 (flags are bool), batch first, and the caller's own: no later call
    changes it. States and actions are scaled; actions lie in [-1, 1]. There is no autoreset.

    The case's horizon T rules a trajectory. At T = 1 the state is held, `step` terminates and
    `next_state` is the state itself. At T > 1 demand is drawn anew at each step, independent
    of the past, and the T-th step truncates: its `next_state` is a state like any other.

    Probes are ideal unless the case says otherwise: they cost nothing, everything is held
    meanwhile, and every reading comes through. With `probe_share`, `drift_kw`, `probe_loss` or
    `agent_loss` the probes since the last `reset` or `step` take part in the step: they are
    charged in its reward, and demand moves after each of them, unseen by the agents.

    Args:
        case: what to simulate.
        num_envs: B.
        seed: of the random stream.

    Attributes:
        case: what is simulated.
        num_envs: B.
        agents: names of the m agents, in joint order.
        state_slices, action_slices, obs_slices: each agent's part of the joint arrays.
        action_circles: the inverters' ratings, see `Layout.action_circles`; actions beyond one
            are scaled back to it.
        obs_low, obs_high: (O,) bounds on the joint observation.

    Raises:
        GridError: if `num_envs` or `seed` is out of bounds.
    """

    def __init__(self, case: Case, num_envs: int, seed: int | np.random.SeedSequence) -> None:
        layout = case.layout
        self.case = case
        self.num_envs = whole("num_envs", num_envs, at_least=1)
        self.agents = layout.agents
        self.state_slices = layout.state_slices
        self.action_slices = layout.action_slices
        self.obs_slices = layout.obs_slices
        self.action_circles = layout.action_circles
        self.obs_low, self.obs_high = (
            np.full(case.num_buses, (v_pu - case.v_head_pu) / case.obs_scale_pu, np.float32)
            for v_pu in (case.v_min_pu, case.v_max_pu)
        )
        self._model = _MODELS[case.physics](case)
        self._per_p_scale = (1 / layout.p_scale_kw).astype(np.float32)
        self._per_q_scale = (1 / layout.q_scale_kvar).astype(np.float32)
        self._state = np.zeros((num_envs, 2 * case.num_buses), np.float32)
        self._steps = np.zeros(num_envs, np.int64)  # taken in the current trajectory
        self._over = np.ones(num_envs, np.bool_)  # lanes that `step` refuses until reset
        # Ideal probes leave nothing behind: that is the fast way.
        self._probed = JointProbedStep(case, num_envs) if JointProbedStep.matters(case) else None
        self.reseed(seed)

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Start a new stream of random numbers; the states stay as they are.

        Args:
            seed: whole number >= 0, or a seed sequence.
        """
        self._rng = generator(seed)

    def reset(self, mask: Bool | None = None) -> Float32:
        """Start new trajectories.

        Args:
            mask: (B,) lanes that get a new state; all if None.

        Returns:
            Joint state (B, S) of all lanes.
        """
        if mask is None:
            self._state = self._draw(self.num_envs)
            self._over[:] = False
            self._steps[:] = 0
            if self._probed is not None:
                self._probed.begin()
        else:
            mask = checked_mask(mask, self.num_envs)
            self._state[mask] = self._draw(int(mask.sum()))
            self._over[mask] = False
            self._steps[mask] = 0
            if self._probed is not None:
                self._probed.begin(mask)
        return self._state.copy()

    def probe(self, action: NDArray[Any]) -> Float32:
        """What every agent would measure. The state is held; nothing is counted or changed.

        Only the errors of the meters, where the case has any, are drawn anew at each reading, and
        probes that are not ideal have their part in the current step (see the class).

        Args:
            action: (B, A) in [-1, 1].

        Returns:
            Joint observation (B, O).
        """
        action = self._checked(action)
        if self._probed is None:
            return self._read(self._model.obs(self._state, action))
        action = self._probed.carried_out(action, self._rng)
        state = self._probed.demand(self._state)
        if self.case.probe_share > 0.0:
            outcome = self._model.outcome(state, action)
            self._probed.pay(outcome)
            obs = outcome.obs
        else:
            obs = self._model.obs(state, action)
        self._probed.probed(self._state, self._rng)
        return self._probed.received(self._read(obs), self._rng)

    def step(self, action: NDArray[Any]) -> JointStep:
        """Act for one time step.

        Args:
            action: (B, A) in [-1, 1].

        Raises:
            GridError: on an action of another shape, not finite or out of bounds, in lanes
                whose trajectory is over, and if the probes have left no time for the action.
        """
        if self._over.any():
            lane = int(np.argmax(self._over))
            raise GridError(f"env {lane} has no trajectory to step: call reset() first")
        action = self._checked(action)
        if self._probed is None:
            outcome = self._model.outcome(self._state, action)
        else:
            action = self._probed.carried_out(action, self._rng)
            outcome = self._model.outcome(self._probed.demand(self._state), action)
            outcome = self._probed.settle(outcome)
            self._probed.begin()
        if self.case.agent_reward == "local":
            agent_reward = outcome.local_reward
        else:
            agent_reward = np.repeat(outcome.reward[:, None], len(self.agents), axis=1)
        self._steps += 1
        self._over = self._steps >= self.case.horizon
        none = np.zeros(self.num_envs, np.bool_)
        if self.case.horizon == 1:
            ends = (self._over.copy(), none)
        else:
            self._state = self._draw(self.num_envs)
            ends = (none, self._over.copy())
        obs = self._read(outcome.obs)
        return JointStep(outcome.reward, agent_reward, obs, self._state.copy(), *ends)

    def get_state(self) -> dict[str, Any]:
        """Everything that the future depends on, the generator included; a copy."""
        return {
            "generator": self._rng.bit_generator.state,
            "state": self._state.copy(),
            "steps": self._steps.copy(),
            "over": self._over.copy(),
            **({} if self._probed is None else {"probed": self._probed.get_state()}),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned, of an environment of the same case and size.

        Raises:
            GridError: if it does not fit this environment.
        """
        check_saved(state, {"state": self._state, "steps": self._steps, "over": self._over})
        restore(self._rng, state)
        if self._probed is not None:
            self._probed.set_state(state.get("probed", {}))
        self._state = np.array(state["state"], np.float32)
        self._steps = np.array(state["steps"], np.int64)
        self._over = np.array(state["over"], np.bool_)

    def signature(self, agent: str) -> dict[str, Any]:
        """What the numbers of one agent mean; see `Layout.signature`."""
        return self.case.layout.signature(agent)

    def _read(self, obs: Float32) -> Float32:
        """What the meters show of the true observations (B, O)."""
        if self.case.meter_error_pu > 0.0:
            error = np.float32(self.case.meter_error_pu / self.case.obs_scale_pu)
            obs = obs + error * self._rng.standard_normal(obs.shape, dtype=np.float32)
        if self.case.meter_step_pu > 0.0:
            v_head, scale = self.case.v_head_pu, self.case.obs_scale_pu
            shown_pu = rounded_pu(v_head + scale * obs.astype(np.float64), self.case.meter_step_pu)
            obs = ((shown_pu - v_head) / scale).astype(np.float32)
        return obs

    def _draw(self, size: int) -> Float32:
        """New joint states (size, S)."""
        layout = self.case.layout
        p_kw, q_kvar = self.case.demand.sample(self._rng, size, np.float32)
        state = np.empty((size, self._state.shape[1]), np.float32)
        state[:, layout.p_columns] = p_kw * self._per_p_scale
        state[:, layout.q_columns] = q_kvar * self._per_q_scale
        return state

    def _checked(self, action: NDArray[Any]) -> Float32:
        return self.case.layout.within_ratings(checked_action(action, self._state.shape))
