"""Controllers at work in N states: probe after probe, then the action. Starts no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from policies.controllers.agent import AgentController
from policies.controllers.team import Team
from rllib_grid import Case
from rllib_grid.cases.branch_loading import highest_loading
from rllib_grid.envs.probed_step import q_moved, rounded_pu
from tuning.errors import CommandError
from tuning.judging.samples import Floats

# Streams of their own, one for each purpose, so that trials under different conditions are paired.
_METER_SEED = 0
_DRIFT_SEED, _PROBE_LOSS_SEED, _AGENT_LOSS_SEED = (0, 1), (0, 2), (0, 3)
_STATE_NAMES = ("p_base_kw", "q_base_kvar")


@dataclass(frozen=True, eq=False)
class Actions:
    """What was done in N states, and what came of it.

    Attributes:
        p_ctrl_kw: (N, n) controlled active power, consumption positive.
        q_ctrl_kvar: (N, n) controlled reactive power.
        v_pu: (N, n) bus voltages under these actions.
        cost_kw: (N,) loss and all building costs while these actions are held, without voltage
            penalty.
        step_cost_kw: (N,) likewise of the whole time step if it ends with these actions: each
            probe before them in its part; None where that is ``cost_kw``.
        base: (N, n) each, the p_base_kw and q_base_kvar that these actions met; None where they
            are those of the states.
        branch_loading: (N,) power of the most loaded branch over its limit; None where the case
            limits none.
    """

    p_ctrl_kw: Floats
    q_ctrl_kvar: Floats
    v_pu: Floats
    cost_kw: Floats
    step_cost_kw: Floats | None = None
    base: tuple[Floats, Floats] | None = None
    branch_loading: Floats | None = None

    @property
    def charged_kw(self) -> Floats:
        """What the time step costs, (N,)."""
        return self.cost_kw if self.step_cost_kw is None else self.step_cost_kw


@dataclass(frozen=True)
class Faults:
    """What is broken in every state, beside what the case itself has of errors and losses.

    Attributes:
        agent: Whose meters or actions; "" if nothing is broken.
        meter: What its meters show: "head", the head's voltage, or "first", for ever what they
            read at the first probe of the first state.
        action: What it does: "first" stays with its first action of each time step, "idle" does
            nothing at all.
    """

    agent: str = ""
    meter: Literal["head", "first"] | None = None
    action: Literal["first", "idle"] | None = None


NO_FAULTS = Faults()


def apply(
    case: Case, p_base_kw: Floats, q_base_kvar: Floats, p_ctrl_kw: Floats, q_ctrl_kvar: Floats
) -> Actions:
    """Return what inverters carry out of the actions, with what follows; all (N, n)."""
    p_ctrl_kw, q_ctrl_kvar = case.within_ratings(p_ctrl_kw, q_ctrl_kvar)
    return Actions(
        p_ctrl_kw=p_ctrl_kw,
        q_ctrl_kvar=q_ctrl_kvar,
        v_pu=case.v_pu(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar),
        cost_kw=case.cost_kw(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar),
        branch_loading=loading(case, p_base_kw + p_ctrl_kw, q_base_kvar + q_ctrl_kvar),
    )


def loading(case: Case, p_kw: Floats, q_kvar: Floats) -> Floats | None:
    """Return `Actions.branch_loading` of (N, n) powers, base plus control."""
    return None if case.branch_limit_kva is None else highest_loading(case, p_kw, q_kvar)


def run_controllers(
    case: Case,
    controllers: Mapping[str, AgentController],
    p_base_kw: Floats,
    q_base_kvar: Floats,
    num_stages: int | None = None,
    meter_error_pu: float | None = None,
    rounds: int | None = None,
    faults: Faults = NO_FAULTS,
) -> list[Actions]:
    """Run every stage: act, let each agent measure its own buses, act again on that.

    Each agent sees what its signature names (its own buses only, but for full-state yardsticks).
    It knows the demand of the beginning of the step. Costs, drift and losses of probes are those
    of the case (`Case.probe_share`, `drift_kw`, `probe_loss`, `agent_loss`), as in `JointGridEnv`;
    all that is random comes from fixed streams.

    Args:
        case: The feeder they act on.
        controllers: One per agent of the case.
        p_base_kw: (N, n).
        q_base_kvar: (N, n).
        num_stages: How many stages to run; all if None.
        meter_error_pu: Standard deviation of what each meter adds to each reading: independent,
            normal; the case's own if None. The voltages returned are true.
        rounds: How often to apply the last stage of all; what the controllers say if None.
        faults: What is broken.

    Returns:
        The actions of stage 1, 2, ..., the last stage as often as there are rounds, or those of
        every round of recurrent controllers; all but the last are what probes do to the feeder.

    Raises:
        CommandError: The controllers are not those of this case, or have fewer stages.
        ControllerError: They differ in their stages or rounds.
        GridError: The probes leave no time for the action.
    """
    _check(case, controllers)
    stages = min(controller.num_stages for controller in controllers.values())
    if num_stages is not None and not 1 <= num_stages <= stages:
        raise CommandError(f"--stage: {num_stages} is out of bounds, the run has 1..{stages}")
    if meter_error_pu is not None:
        case = case.replace(meter_error_pu=meter_error_pu)
    team = Team(controllers, num_stages, rounds)
    trial = _Trial(case, controllers, p_base_kw, q_base_kvar, faults)
    trial.hold(team.act(trial.states, trial.hold))
    return trial.results


class _Trial:
    """A feeder in N states that holds one joint action after another.

    Attributes:
        states: What each agent knows beforehand, (N, s_i).
        results: What was held so far.
    """

    def __init__(
        self,
        case: Case,
        controllers: Mapping[str, AgentController],
        p_base_kw: Floats,
        q_base_kvar: Floats,
        faults: Faults,
    ) -> None:
        self._case, self._base, self._faults = case, (p_base_kw, q_base_kvar), faults
        self._meters = np.random.default_rng(_METER_SEED)
        self._drift = np.random.default_rng(_DRIFT_SEED)
        self._missing = np.random.default_rng(_PROBE_LOSS_SEED)
        self._own = {
            agent: np.asarray(controller.signature["buses"], dtype=np.intp) - 1
            for agent, controller in controllers.items()
        }
        base = np.concatenate(self._base, axis=1)
        self.states = {a: base[:, _state_columns(case, c)] for a, c in controllers.items()}
        self.results: list[Actions] = []
        self._paid_kw = np.zeros(len(p_base_kw))  # for the probes so far
        self._read_pu = np.full(p_base_kw.shape, case.v_head_pu)  # last that came through
        dropped = np.random.default_rng(_AGENT_LOSS_SEED).random((len(p_base_kw), len(case.agents)))
        self._lost = {agent: dropped[:, i] < case.agent_loss for i, agent in enumerate(case.agents)}
        if faults.action == "first":
            self._lost[faults.agent] = np.ones(len(p_base_kw), np.bool_)
        self._stuck_pu: Floats | None = None

    def hold(self, actions: Mapping[str, Floats]) -> dict[str, Floats]:
        """Hold the agents' actions (N, a_i); return the voltages (N, o_i) that each one reads."""
        if self.results and self._case.drift_kw > 0.0:
            self._move_demand()
        done = apply(self._case, *self._base, *self._carried_out(actions))
        if self._case.probe_share > 0.0:
            left = self._case.action_share(len(self.results))
            done = replace(done, step_cost_kw=self._paid_kw + left * done.cost_kw)
            self._paid_kw = self._paid_kw + self._case.probe_share * done.cost_kw
        if self._case.drift_kw > 0.0:
            done = replace(done, base=self._base)
        self.results.append(done)
        read_pu = self._received(self._shown(done.v_pu))
        return {agent: read_pu[:, own] for agent, own in self._own.items()}

    def _move_demand(self) -> None:
        p_kw, q_kvar = self._base
        moved_kw = self._case.drift_kw * self._drift.standard_normal(p_kw.shape)
        usual_kw, usual_kvar = self._case.demand.scale()
        moved_kvar = q_moved(moved_kw, p_kw, q_kvar, usual_kvar / usual_kw)
        self._base = (p_kw + moved_kw, q_kvar + moved_kvar)

    def _carried_out(self, actions: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Controls (N, n) of all buses: of agents that are lost, those they began with."""
        p_ctrl_kw, q_ctrl_kvar = np.zeros_like(self._base[0]), np.zeros_like(self._base[1])
        for agent, own in self._own.items():
            if self._faults.action == "idle" and agent == self._faults.agent:
                continue
            p_ctrl_kw[:, own] = actions[agent][:, : own.size]
            q_ctrl_kvar[:, own] = actions[agent][:, own.size :]
            if self.results and self._lost[agent].any():
                rows = np.ix_(self._lost[agent], own)
                p_ctrl_kw[rows] = self.results[0].p_ctrl_kw[rows]
                q_ctrl_kvar[rows] = self.results[0].q_ctrl_kvar[rows]
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
            for agent in self._case.agents:
                missed = self._missing.random(len(shown_pu)) < self._case.probe_loss
                rows = np.ix_(missed, self._own[agent])
                shown_pu[rows] = self._read_pu[rows]
            self._read_pu = shown_pu
        return shown_pu


def _state_columns(case: Case, controller: AgentController) -> list[int]:
    """Columns of [p_base_kw | q_base_kvar] that a controller's state is made of, in its order."""
    names = [f"{name}[{bus + 1}]" for name in _STATE_NAMES for bus in range(case.num_buses)]
    column = {name: i for i, name in enumerate(names)}
    return [column[entry["name"]] for entry in controller.signature["state"]]


def _check(case: Case, controllers: Mapping[str, AgentController]) -> None:
    if set(controllers) != set(case.agents):
        raise CommandError(
            f"the controllers are of {', '.join(sorted(controllers))}, "
            f"but case {case.name} has {', '.join(case.agents)}"
        )
    signatures = {agent: case.layout.signature(agent) for agent in case.agents}
    whole = [entry for agent in case.agents for entry in signatures[agent]["state"]]
    for agent, controller in controllers.items():
        own = signatures[agent]
        if dict(controller.signature) not in (own, {**own, "state": whole}):
            raise CommandError(f"the controller of {agent} was not made for case {case.name}")
