"""N states in which one joint action after another is held, with all that is not ideal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rllib_grid import Case
from rllib_grid.envs.probed_step import Frame, ProbedStep, rounded_pu
from tuning.judging.actions import Actions, apply
from tuning.judging.samples import Floats

# Streams of their own, one for each purpose, so that runs under different conditions are paired.
_METER_SEED = 0
_DRIFT_SEED, _PROBE_LOSS_SEED, _AGENT_LOSS_SEED, _DEMAND_SEED = (0, 1), (0, 2), (0, 3), (0, 4)


@dataclass(frozen=True)
class Faults:
    """What is broken in every state, beside what the case itself has of errors and losses.

    Attributes:
        agent: Whose meters or actions; "" if nothing is broken.
        meter: What its meters show: "head", the head's voltage, or "first", for ever what they
            read at the first probe of the first state.
        action: What it does: "first" stays with its first action of each time step, "idle" does
            nothing at all.
        demand_error: Standard deviation, relative to it, of what every agent's knowledge of its own
            active and reactive demand is off by: independent, normal, per state and bus.
        demand_step_kw: It knows them in multiples of this, in kW and kvar; 0 rounds nothing.
    """

    agent: str = ""
    meter: Literal["head", "first"] | None = None
    action: Literal["first", "idle"] | None = None
    demand_error: float = 0.0
    demand_step_kw: float = 0.0


NO_FAULTS = Faults()


class HeldStates:
    """A feeder in N states that holds one joint action after another.

    Costs, drift and losses of probes are those of the case (`Case.probe_share`, `drift_kw`,
    `probe_loss`, `agent_loss`), by the rules of `ProbedStep`, as in `JointGridEnv`; all that is
    random comes from fixed streams.

    Args:
        case: The feeder.
        p_base_kw: (N, n), when the time step begins.
        q_base_kvar: (N, n).
        faults: What is broken.

    Attributes:
        results: What was held so far.
    """

    def __init__(
        self, case: Case, p_base_kw: Floats, q_base_kvar: Floats, faults: Faults = NO_FAULTS
    ) -> None:
        self._case, self._base, self._faults = case, (p_base_kw, q_base_kvar), faults
        self._meters = np.random.default_rng(_METER_SEED)
        self._drift = np.random.default_rng(_DRIFT_SEED)
        self._missing = np.random.default_rng(_PROBE_LOSS_SEED)
        self._own = {
            agent: np.array(group, np.intp) - 1
            for agent, group in zip(case.agents, case.groups, strict=True)
        }
        self._step = ProbedStep(case, len(p_base_kw), Frame.physical(case))
        dropping = np.random.default_rng(_AGENT_LOSS_SEED)
        self._step.lose_agents(dropping.random(self._step.lost.shape))
        if faults.action == "first":
            self._step.lost[:, case.agents.index(faults.agent)] = True
        self._stuck_pu: Floats | None = None
        self.results: list[Actions] = []

    def known(self) -> Floats:
        """What the agents know of the demand when the step begins: (N, 2n) in kW, then kvar."""
        base = np.concatenate(self._base, axis=1)
        if self._faults.demand_error > 0.0:
            normal = np.random.default_rng(_DEMAND_SEED).standard_normal(base.shape)
            base *= 1.0 + self._faults.demand_error * normal
        step_kw = self._faults.demand_step_kw
        return np.round(base / step_kw) * step_kw if step_kw > 0.0 else base

    def hold(self, actions: Mapping[str, Floats]) -> dict[str, Floats]:
        """Hold the agents' actions (N, a_i); return the voltages (N, o_i) that each one reads."""
        if self.results:
            self._step.count()
            self._move_demand()
        done = apply(self._case, *self._base, *self._carried_out(actions))
        self._step.began_with(np.concatenate([done.p_ctrl_kw, done.q_ctrl_kvar], axis=1))
        if self._case.probe_share > 0.0:
            cost_kw = done.cost_kw[:, None]
            done = replace(done, step_cost_kw=self._step.whole(cost_kw)[:, 0])
            self._step.charge(cost_kw)
        if self._case.drift_kw > 0.0:
            done = replace(done, base=self._base)
        self.results.append(done)
        read_pu = self._received(self._shown(done.v_pu))
        return {agent: read_pu[:, own] for agent, own in self._own.items()}

    def _move_demand(self) -> None:
        if self._case.drift_kw > 0.0:
            p_kw, q_kvar = self._base
            normal = self._drift.standard_normal(p_kw.shape)
            moved_kw, moved_kvar = self._step.drift(p_kw, q_kvar, normal)
            self._base = (p_kw + moved_kw, q_kvar + moved_kvar)

    def _carried_out(self, actions: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Controls (N, n) of all buses: of agents that are lost, those they began with."""
        # Arrays like the base, in memory too: the last bit of sums depends on it.
        p_ctrl_kw, q_ctrl_kvar = (np.zeros_like(base) for base in self._base)
        for agent, own in self._own.items():
            if self._faults.action != "idle" or agent != self._faults.agent:
                p_ctrl_kw[:, own], q_ctrl_kvar[:, own] = np.split(actions[agent], 2, axis=1)
        held = self._step.held(np.concatenate([p_ctrl_kw, q_ctrl_kvar], axis=1))
        p_ctrl_kw[:], q_ctrl_kvar[:] = np.split(held, 2, axis=1)
        return p_ctrl_kw, q_ctrl_kvar

    def _shown(self, v_pu: Floats) -> Floats:
        """What the meters show of the true voltages (N, n)."""
        error_pu = self._case.meter_error_pu * self._meters.standard_normal(v_pu.shape)
        shown_pu = rounded_pu(v_pu + error_pu, self._case.meter_step_pu)
        if self._faults.meter is not None:
            own = self._own[self._faults.agent]
            if self._stuck_pu is None:
                first = self._faults.meter == "first"
                self._stuck_pu = shown_pu[:1, own] if first else np.array(self._case.v_head_pu)
            shown_pu[:, own] = self._stuck_pu
        return shown_pu

    def _received(self, shown_pu: Floats) -> Floats:
        """What comes through to the agents of the readings (N, n)."""
        if self._case.probe_loss > 0.0:
            chances = self._missing.random((len(self._own), len(shown_pu)))  # agent after agent
            shown_pu[:] = self._step.came_through(shown_pu, chances.T)
        return shown_pu
