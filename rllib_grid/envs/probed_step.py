"""What the probes of a time step leave behind, where they are actions in a real grid.

Between its first and its last action of a step an agent's probes cost what any action costs, for
as long as they last; demand moves on; readings and agents get lost. `Case` says how much of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.case import Case
from rllib_grid.envs.joint_model import Outcome
from rllib_grid.errors import GridError

Float32 = NDArray[np.float32]
Floats = NDArray[Any]
Bool = NDArray[np.bool_]


class ProbedStep:
    """The current time step of B lanes, in the scaled joint arrays of `case.layout`.

    Args:
        case: says what a probe costs and what happens meanwhile.
        num_envs: B.
    """

    def __init__(self, case: Case, num_envs: int) -> None:
        layout, m, n = case.layout, len(case.agents), case.num_buses
        self._case = case
        self._drift = (case.drift_kw / layout.p_scale_kw).astype(np.float32)
        self._obs_owner = np.repeat(np.arange(m), [len(group) for group in case.groups])
        self._action_owner = np.repeat(np.arange(m), [2 * len(group) for group in case.groups])
        self._arrays: dict[str, NDArray[Any]] = {
            "probes": np.zeros(num_envs, np.int64),  # since the step began
            "paid": np.zeros(num_envs, np.float32),  # for them, as reward
            "local_paid": np.zeros((num_envs, m), np.float32),
            "moved": np.zeros((num_envs, 2 * n), np.float32),  # of the joint state
            "read": np.zeros((num_envs, n), np.float32),  # last readings that came through
            "first": np.zeros((num_envs, 2 * n), np.float32),  # actions of the step
            "lost": np.zeros((num_envs, m), np.bool_),  # agents that stay with them
        }

    @staticmethod
    def matters(case: Case) -> bool:
        """Whether probes of this case leave anything behind."""
        return any((case.probe_share, case.drift_kw, case.probe_loss, case.agent_loss))

    def begin(self, lanes: Bool | slice = slice(None)) -> None:
        """Begin a new time step: nothing is probed, and demand is what the agents know."""
        for array in self._arrays.values():
            array[lanes] = 0

    def demand(self, known: Float32) -> Float32:
        """The joint state (B, S) that holds now, from what was known when the step began."""
        state: Float32 = known + self._arrays["moved"]
        return state

    def carried_out(self, action: Float32, rng: np.random.Generator) -> Float32:
        """What is done of a joint action (B, A): a lost agent stays with its first one."""
        if self._case.agent_loss == 0.0:
            return action
        first, lost = self._arrays["first"], self._arrays["lost"]
        begins = self._arrays["probes"] == 0
        chances = rng.random(lost.shape)  # always drawn, so that lanes keep their places
        lost[begins] = chances[begins] < self._case.agent_loss
        first[begins] = action[begins]
        done: Float32 = np.where(lost[:, self._action_owner], first, action)
        return done

    def received(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """What comes through to the agents of the readings (B, O) of a probe."""
        if self._case.probe_loss == 0.0:
            return obs
        read = self._arrays["read"]
        chances = rng.random((len(obs), len(self._case.agents)))
        missed = chances < self._case.probe_loss
        read[:] = np.where(missed[:, self._obs_owner], read, obs)
        return read.copy()

    def pay(self, outcome: Outcome) -> None:
        """Charge a probe for the part of the step that it lasts."""
        share = np.float32(self._case.probe_share)
        self._arrays["paid"] += share * outcome.reward
        self._arrays["local_paid"] += share * outcome.local_reward

    def probed(self, known: Float32, rng: np.random.Generator) -> None:
        """Count a probe, and let demand move until the next action."""
        self._arrays["probes"] += 1
        if self._case.drift_kw == 0.0:
            return
        layout, state = self._case.layout, self.demand(known)
        p, q = state[:, layout.p_columns], state[:, layout.q_columns]
        step = self._drift * rng.standard_normal(p.shape, dtype=np.float32)
        self._arrays["moved"][:, layout.p_columns] += step
        self._arrays["moved"][:, layout.q_columns] += q_moved(step, p, q, 1.0)

    def settle(self, outcome: Outcome) -> Outcome:
        """Rewards of the whole step: of its probes and of the action, each for its time.

        Raises:
            GridError: if the probes have left no time for the action.
        """
        if self._case.probe_share == 0.0:
            return outcome
        probes = self._arrays["probes"]
        self._case.action_share(int(probes.max()))  # refuses what no lane may have
        left = (1.0 - self._case.probe_share * probes).astype(np.float32)
        return outcome._replace(
            reward=self._arrays["paid"] + left * outcome.reward,
            local_reward=self._arrays["local_paid"] + left[:, None] * outcome.local_reward,
        )

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that the rest of the step depends on; a copy."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `get_state` returned.

        Raises:
            GridError: if it does not fit.
        """
        for name, own in self._arrays.items():
            shape = np.shape(state[name]) if name in state else None
            if shape != own.shape:
                raise GridError(
                    f"{name!r} of the saved state has shape {shape}, must be {own.shape}"
                )
        for name, own in self._arrays.items():
            own[:] = state[name]


def rounded_pu(v_pu: Floats, step_pu: float) -> Floats:
    """What meters show that count in steps: the nearest multiple of `step_pu`; all if it is 0."""
    shown: Floats = v_pu if step_pu == 0.0 else np.round(v_pu / step_pu) * step_pu
    return shown


def q_moved(p_moved: Floats, p: Floats, q: Floats, most: Floats | float) -> Floats:
    """How far reactive demand moves with active demand: in the ratio that the two have.

    Args:
        p_moved, p, q: of one shape; q of 0 stays there, and so does q where p is 0.
        most: largest ratio of |q| to |p| that is followed, such as that of the usual magnitudes.
    """
    ratio = np.divide(q, p, out=np.zeros_like(p), where=p != 0)
    moved: Floats = p_moved * np.clip(ratio, -most, most)
    return moved
