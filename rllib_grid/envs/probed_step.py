"""What the probes of a time step leave behind, where they are actions in a real grid.

Between its first and its last action of a step an agent's probes cost what any action costs, for
as long as they last; demand moves on; readings and agents get lost. `Case` says how much of each.
The rules are the same wherever controllers act: in the environments that they are trained in
(`JointProbedStep`: scaled float32, one stream of random numbers) and where they are judged
(physical units in float64, a stream for each purpose). So units and draws are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rllib_grid.cases.case import Case
from rllib_grid.envs.joint_model import Outcome
from rllib_grid.errors import GridError

Float32 = NDArray[np.float32]
Floats = NDArray[Any]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Frame:
    """Columns and units of the arrays of a time step.

    Attributes:
        action_owner: (A,) number of the agent whose each column of an action is.
        obs_owner: (O,) likewise of a reading.
        drift: (n,) or a scalar, how far active demand drifts from one action to the next
            (standard deviation), in units of the demand.
        most: (n,) or a scalar, the largest ratio of reactive to active demand that drift keeps.
        unread: what an agent has of a meter that it has not read yet: the head's voltage.
        dtype: of all numbers.
    """

    action_owner: NDArray[np.intp]
    obs_owner: NDArray[np.intp]
    drift: Floats | float
    most: Floats | float
    unread: float
    dtype: DTypeLike

    @classmethod
    def joint(cls, case: Case) -> Frame:
        """Of the scaled joint arrays of `case.layout`, agent by agent, in float32."""
        buses = [len(group) for group in case.groups]
        agents = np.arange(len(buses))
        return cls(
            action_owner=np.repeat(agents, [2 * n for n in buses]),
            obs_owner=np.repeat(agents, buses),
            drift=(case.drift_kw / case.layout.p_scale_kw).astype(np.float32),
            most=1.0,
            unread=0.0,
            dtype=np.float32,
        )

    @classmethod
    def physical(cls, case: Case) -> Frame:
        """Of [p_ctrl_kw | q_ctrl_kvar] and v_pu, bus by bus, in float64."""
        owner = np.zeros(case.num_buses, np.intp)
        for i, group in enumerate(case.groups):
            owner[np.array(group) - 1] = i
        usual_kw, usual_kvar = case.demand.scale()
        return cls(
            action_owner=np.tile(owner, 2),
            obs_owner=owner,
            drift=case.drift_kw,
            most=usual_kvar / usual_kw,
            unread=case.v_head_pu,
            dtype=np.float64,
        )


class ProbedStep:
    """The current time step of B lanes.

    Args:
        case: says what a probe costs and what happens meanwhile.
        num_envs: B.
        frame: columns and units of actions (B, A) and readings (B, O).
        num_rewards: c, how many rewards (or costs) are counted side by side.

    Attributes:
        lost: (B, m) agents that stay with their first action of the step.
    """

    def __init__(self, case: Case, num_envs: int, frame: Frame, num_rewards: int = 1) -> None:
        self._case, self._frame = case, frame
        self.lost = np.zeros((num_envs, len(case.agents)), np.bool_)
        self._arrays: dict[str, NDArray[Any]] = {
            "probes": np.zeros(num_envs, np.int64),  # since the step began
            "paid": np.zeros((num_envs, num_rewards), frame.dtype),  # for them
            "read": np.full((num_envs, len(frame.obs_owner)), frame.unread, frame.dtype),
            "first": np.zeros((num_envs, len(frame.action_owner)), frame.dtype),  # actions
            "lost": self.lost,
        }

    def begin(self, lanes: Bool | slice = slice(None)) -> None:
        """Begin a new time step: nothing is probed or lost."""
        for array in self._arrays.values():
            array[lanes] = 0
        self._arrays["read"][lanes] = self._frame.unread

    def lose_agents(self, chances: Floats) -> None:
        """Let agents drop out in lanes that begin; (B, m) uniform numbers in [0, 1)."""
        begins = self._arrays["probes"] == 0
        self.lost[begins] = chances[begins] < self._case.agent_loss

    def held(self, action: Floats) -> Floats:
        """What is done of an action (B, A): after the first one, lost agents stay with that."""
        stays = self.lost & (self._arrays["probes"] > 0)[:, None]
        done: Floats = np.where(stays[:, self._frame.action_owner], self._arrays["first"], action)
        return done

    def began_with(self, action: Floats) -> None:
        """Keep what was done (B, A) in lanes that begin."""
        begins = self._arrays["probes"] == 0
        self._arrays["first"][begins] = action[begins]

    def came_through(self, obs: Floats, chances: Floats) -> Floats:
        """What comes through to the agents of the readings (B, O) of a probe.

        An agent misses all its readings or none; it goes on with those it had last.

        Args:
            obs: what the meters show.
            chances: (B, m) uniform numbers in [0, 1).
        """
        missed = (chances < self._case.probe_loss)[:, self._frame.obs_owner]
        read = self._arrays["read"]
        read[:] = np.where(missed, read, obs)
        return read.copy()

    def drift(self, p: Floats, q: Floats, normal: Floats) -> tuple[Floats, Floats]:
        """How far demand moves until the next action.

        Args:
            p, q: (B, n) demand that holds now.
            normal: (B, n) standard normal numbers.

        Returns:
            Active and reactive, (B, n) each; their ratio stays, see `q_moved`.
        """
        moved = self._frame.drift * normal
        return moved, q_moved(moved, p, q, self._frame.most)

    def count(self) -> None:
        """Count a probe of all lanes."""
        self._arrays["probes"] += 1

    def charge(self, rewards: Floats) -> None:
        """Charge a probe's rewards (B, c) for the part of the step that it lasts."""
        self._arrays["paid"] += self._arrays["paid"].dtype.type(self._case.probe_share) * rewards

    def whole(self, rewards: Floats) -> Floats:
        """Rewards (B, c) of the step that ends with an action: each probe's and its, in part.

        Raises:
            GridError: if the probes have left no time for the action.
        """
        probes, paid = self._arrays["probes"], self._arrays["paid"]
        self._case.action_share(int(probes.max()))  # refuses what no lane may have
        left = (1.0 - self._case.probe_share * probes).astype(paid.dtype)
        total: Floats = paid + left[:, None] * rewards
        return total

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


class JointProbedStep(ProbedStep):
    """The current time step of an environment, in the scaled joint arrays of `case.layout`.

    Args:
        case: says what a probe costs and what happens meanwhile.
        num_envs: B.
    """

    def __init__(self, case: Case, num_envs: int) -> None:
        super().__init__(case, num_envs, Frame.joint(case), num_rewards=1 + len(case.agents))
        shape = (num_envs, 2 * case.num_buses)
        self._arrays["moved"] = np.zeros(shape, np.float32)  # of the joint state

    @staticmethod
    def matters(case: Case) -> bool:
        """Whether probes of this case leave anything behind."""
        return any((case.probe_share, case.drift_kw, case.probe_loss, case.agent_loss))

    def demand(self, known: Float32) -> Float32:
        """The joint state (B, S) that holds now, from what was known when the step began."""
        state: Float32 = known + self._arrays["moved"]
        return state

    def carried_out(self, action: Float32, rng: np.random.Generator) -> Float32:
        """What is done of a joint action (B, A): a lost agent stays with its first one."""
        if self._case.agent_loss == 0.0:
            return action
        self.lose_agents(rng.random(self.lost.shape))  # always drawn: lanes keep their places
        self.began_with(action)
        return self.held(action)

    def received(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """What comes through to the agents of the readings (B, O) of a probe."""
        if self._case.probe_loss == 0.0:
            return obs
        return self.came_through(obs, rng.random(self.lost.shape))

    def pay(self, outcome: Outcome) -> None:
        """Charge a probe for the part of the step that it lasts."""
        self.charge(np.column_stack([outcome.reward, outcome.local_reward]))

    def probed(self, known: Float32, rng: np.random.Generator) -> None:
        """Count a probe, and let demand move until the next action."""
        self.count()
        if self._case.drift_kw == 0.0:
            return
        layout, state = self._case.layout, self.demand(known)
        p, q = state[:, layout.p_columns], state[:, layout.q_columns]
        p_moved, q_moved = self.drift(p, q, rng.standard_normal(p.shape, dtype=np.float32))
        self._arrays["moved"][:, layout.p_columns] += p_moved
        self._arrays["moved"][:, layout.q_columns] += q_moved

    def settle(self, outcome: Outcome) -> Outcome:
        """Rewards of the whole step: of its probes and of the action, each for its time.

        Raises:
            GridError: if the probes have left no time for the action.
        """
        if self._case.probe_share == 0.0:
            return outcome
        rewards = self.whole(np.column_stack([outcome.reward, outcome.local_reward]))
        return outcome._replace(
            reward=rewards[:, 0].copy(), local_reward=np.ascontiguousarray(rewards[:, 1:])
        )


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
