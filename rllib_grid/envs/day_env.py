"""Many days at once, on arrays: the joint interface over days with storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rllib_grid.cases.clock import CLOCK, clock
from rllib_grid.cases.day_case import DayCase
from rllib_grid.checks import whole
from rllib_grid.devices.thermal_model import Climate
from rllib_grid.envs.day_model import DayModel
from rllib_grid.envs.lanes import (
    JointStep,
    check_saved,
    checked_action,
    checked_mask,
    generator,
    restore,
)
from rllib_grid.envs.settling import Reserves, paid_eur
from rllib_grid.errors import GridError
from rllib_grid.sources.profiles import Split

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


class JointDayEnv:
    """B feeders, each on a day of its own; the joint arrays are those of `case.layout`.

    A trajectory is one day: T steps from midnight to midnight. Its date is drawn from the days of
    one split, the charge of each battery at midnight from `case.soc_start`, the temperature of each
    building that has a heat pump from its `t_start_c`. The T-th step pays for what is left and
    terminates: the end of the day is part of the problem, and the time of day stands in every
    agent's state. `next_state` of the T-th step repeats its demand.

    Every array is float32 (flags are bool), batch first, and the caller's own. States and actions
    are scaled; actions lie in [-1, 1]. There is no autoreset. Rewards are minus costs in EUR.

    Args:
        case: what to simulate.
        num_envs: B.
        seed: of the random stream.
        split: which days to draw from.

    Attributes:
        case: what is simulated.
        num_envs: B.
        agents: names of the m agents, in joint order.
        state_slices, action_slices, obs_slices: each agent's part of the joint arrays.
        obs_low, obs_high: (O,) bounds on the joint observation.

    Raises:
        GridError: if `num_envs`, `seed` or `split` is out of bounds.
    """

    def __init__(
        self,
        case: DayCase,
        num_envs: int,
        seed: int | np.random.SeedSequence,
        split: Split = "train",
    ) -> None:
        layout = case.layout
        self.case = case
        self.num_envs = whole("num_envs", num_envs, at_least=1)
        self.agents = layout.agents
        self.state_slices = layout.slices(layout.state)
        self.action_slices = layout.slices(layout.action)
        self.obs_slices = layout.slices(layout.observation)
        self.obs_low, self.obs_high = (
            np.full(case.num_buses, (v_pu - case.v_head_pu) / case.obs_scale_pu, np.float32)
            for v_pu in (case.v_min_pu, case.v_max_pu)
        )
        self.draw_from(split)
        self._model = DayModel(case, self._days.step_h, np.float32)
        n = case.num_buses
        self._day = np.zeros(num_envs, np.int64)
        self._step = np.zeros(num_envs, np.int64)  # taken in the current trajectory
        self._soc = np.zeros((num_envs, n), np.float32)
        self._soc_start = np.zeros((num_envs, n), np.float32)
        self._t_in = np.zeros((num_envs, n), np.float32)  # of no account without heat pumps
        self._t_start = np.zeros((num_envs, n), np.float32)
        self._over = np.ones(num_envs, np.bool_)  # lanes that `step` refuses until reset
        self.reseed(seed)

    def draw_from(self, split: Split) -> None:
        """Draw the days of all later resets from another part of the year.

        Args:
            split: "train", "validation" or "test".
        """
        self.split = split
        self._days = days = self.case.days(split)
        self._p, self._q = days.p_base_kw.astype(np.float32), days.q_base_kvar.astype(np.float32)
        self._price = days.price_eur_per_kwh.astype(np.float32)
        self._outdoor = days.outdoor_c.astype(np.float32)
        self._over = np.ones(self.num_envs, np.bool_)

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Start a new stream of random numbers; the states stay as they are.

        Args:
            seed: whole number >= 0, or a seed sequence.
        """
        self._rng = generator(seed)

    def reset(self, mask: Bool | None = None) -> Float32:
        """Start new days.

        Args:
            mask: (B,) lanes that get a new day; all if None.

        Returns:
            Joint state (B, S) of all lanes.
        """
        every = np.ones(self.num_envs, np.bool_)
        mask = every if mask is None else checked_mask(mask, self.num_envs)
        count, (low, high) = int(mask.sum()), self.case.soc_start
        self._day[mask] = self._rng.integers(self._days.num_days, size=count)
        shares = self._rng.random((count, self.case.num_buses), np.float32)
        start = (low + (high - low) * shares) * self.case.capacity_kwh
        self._soc[mask] = self._soc_start[mask] = start.astype(np.float32)
        if self.case.heat is not None:
            low, high = self.case.heat.t_start_c
            shares = self._rng.random((count, self.case.num_buses), np.float32)
            warm = (low + (high - low) * shares).astype(np.float32)
            self._t_in[mask] = self._t_start[mask] = warm
        self._step[mask] = 0
        self._over[mask] = False
        return self._state()

    def start(
        self,
        day: NDArray[np.int64],
        soc_kwh: NDArray[Any],
        t_in_c: NDArray[Any] | None = None,
    ) -> Float32:
        """Start chosen days in all lanes.

        Args:
            day: (B,) places in the split's days.
            soc_kwh: (B, n) charge at midnight.
            t_in_c: (B, n) indoor temperature at midnight, where the case has heat pumps.

        Returns:
            Joint state (B, S).

        Raises:
            GridError: if temperatures are missing, or the case has no heat pumps.
        """
        if (t_in_c is None) != (self.case.heat is None):
            raise GridError(
                f"case {self.case.name}: t_in_c must be given where a case has heat pumps, and "
                "only there"
            )
        if t_in_c is not None:
            self._t_in = np.array(t_in_c, np.float32)
            self._t_start = self._t_in.copy()
        self._day = np.array(day, np.int64)
        self._soc = np.array(soc_kwh, np.float32)
        self._soc_start = self._soc.copy()
        self._step[:] = 0
        self._over[:] = False
        return self._state()

    def probe(self, action: NDArray[Any]) -> Float32:
        """What every agent would measure. The state is held; nothing is counted or changed.

        Args:
            action: (B, A) in [-1, 1]; batteries do of it what their charge allows.

        Returns:
            Joint observation (B, O).
        """
        p_ctrl, q_ctrl, *heating = self._controls(action)
        p, q, _ = self._now()
        p_total: NDArray[Any] = p + self._model.possible_kw(p_ctrl, self._soc)
        for p_heat in heating:  # one or none
            p_total = p_total + p_heat
        return self._obs(self._model.deviation_pu(p_total, q + q_ctrl))

    def step(self, action: NDArray[Any]) -> JointStep:
        """Act for one time step.

        Args:
            action: (B, A) in [-1, 1].

        Raises:
            GridError: on an action of another shape, not finite or out of bounds, and in
                lanes whose day is over.
        """
        if self._over.any():
            lane = int(np.argmax(self._over))
            raise GridError(f"env {lane} has no day to step: call reset() first")
        p, q, *heating = self._controls(action)
        start, before = Reserves(self._soc_start, self._t_start), Reserves(self._soc, self._t_in)
        done = self._model.outcome(*self._now(), self._soc, p, q, self._climate(), *heating)
        self._soc = done.soc_kwh
        if done.heat is not None:
            self._t_in = done.heat.t_in_c
        self._step += 1
        self._over = self._step >= self._days.num_steps
        paid = paid_eur(self._model, start, before, Reserves(self._soc, self._t_in), self._over)
        reward = paid.sum(axis=1) - done.cost_eur
        if self.case.agent_reward == "local":
            agent_reward = self._model.by_agent(paid) - done.agent_cost_eur
        else:
            agent_reward = np.repeat(reward[:, None], len(self.agents), axis=1)
        rewards = reward.astype(np.float32), agent_reward.astype(np.float32)
        ends = (self._over.copy(), np.zeros(self.num_envs, np.bool_))
        return JointStep(*rewards, self._obs(done.deviation_pu), self._state(), *ends)

    def get_state(self) -> dict[str, Any]:
        """Everything that the future depends on, the generator included; a copy."""
        state: dict[str, Any] = {
            "generator": self._rng.bit_generator.state,
            "day": self._day.copy(),
            "step": self._step.copy(),
            "soc_kwh": self._soc.copy(),
            "soc_start_kwh": self._soc_start.copy(),
            "over": self._over.copy(),
        }
        if self.case.heat is not None:
            state |= {"t_in_c": self._t_in.copy(), "t_start_c": self._t_start.copy()}
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned, of an environment of the same case, size and split.

        Raises:
            GridError: if it does not fit this environment.
        """
        own = self.get_state()
        own.pop("generator")
        check_saved(state, own)
        restore(self._rng, state)
        self._day, self._step = np.array(state["day"]), np.array(state["step"])
        self._soc = np.array(state["soc_kwh"], np.float32)
        self._soc_start = np.array(state["soc_start_kwh"], np.float32)
        self._over = np.array(state["over"], np.bool_)
        if self.case.heat is not None:
            self._t_in = np.array(state["t_in_c"], np.float32)
            self._t_start = np.array(state["t_start_c"], np.float32)

    def signature(self, agent: str) -> dict[str, Any]:
        """What the numbers of one agent mean; see `DayLayout.signature`."""
        return self.case.layout.signature(agent)

    def _now(self) -> tuple[Float32, Float32, Float32]:
        """Base demand (B, n) twice, and price (B,), of the step that comes."""
        at = (self._day, np.minimum(self._step, self._days.num_steps - 1))
        return self._p[at], self._q[at], self._price[at]

    def _climate(self) -> Climate | None:
        if self.case.heat is None:
            return None
        at = (self._day, np.minimum(self._step, self._days.num_steps - 1))
        return Climate(self._t_in, self._outdoor[at])

    def _state(self) -> Float32:
        p, q, price = self._now()
        hands = clock(self._step, self._days.num_steps)
        values: dict[str, NDArray[Any]] = {
            "p_base_kw": p,
            "q_base_kvar": q,
            "soc_kwh": self._soc,
            "price_eur_per_kwh": price,
        }
        climate = self._climate()
        if climate is not None:
            values |= climate._asdict()
        values |= {name: hands[:, k] for k, name in enumerate(CLOCK)}
        return self.case.layout.state.join(values)

    def _obs(self, deviation_pu: NDArray[Any]) -> Float32:
        """Joint observation (B, O); the deviation is scaled as it is, without rounding at 1 p.u."""
        obs = np.empty(deviation_pu.shape, np.float32)
        obs[:, self.case.layout.observation.columns["v_pu"]] = deviation_pu
        obs /= np.float32(self.case.obs_scale_pu)
        return obs

    def _controls(self, action: NDArray[Any]) -> tuple[Float32, ...]:
        """Scaled action (B, A) as p_ctrl_kw, q_ctrl_kvar and any p_heat_kw (B, n) in float32."""
        part = self.case.layout.action
        action = checked_action(action, (self.num_envs, part.width))
        return tuple(values.astype(np.float32) for values in part.split(action).values())
