"""Controllers judged against the optimal dispatch. Starts no Ray, trains nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rllib_grid import Case, OptimalDispatch, team_optimal
from tuning.errors import CommandError
from tuning.statistics import Floats, cdf, histogram, mean_ci95, reward_error

TEST_STATES = 10_000
VIOLATION_TOLERANCE_PU = 1e-5
METER_ERRORS_PU = (1e-6, 1e-5, 1e-4, 1e-3)  # standard deviations that reports try

# A stream of its own: a fixed key of 128 bits that no --seed can reach.
_METER_SEED = 0
_TEST_KEY = 0x5E1F0B6C2A9D47839C04E7F1A2B8D365


class Controller(Protocol):
    """What the evaluation needs of an exported controller (physical units, batch first)."""

    @property
    def signature(self) -> Mapping[str, Any]:
        """Buses, inputs, outputs, scaling and limits."""

    @property
    def num_stages(self) -> int:
        """Number of stages."""

    def act(
        self,
        state: Floats,
        prototype: Floats | None = None,
        observation: Floats | None = None,
        stage: int | None = None,
    ) -> np.ndarray[Any, Any]:
        """Return the (B, a_i) action of one stage."""


@dataclass(frozen=True, eq=False)
class Actions:
    """What was done in N states, and what came of it.

    Attributes:
        p_ctrl_kw: (N, n) controlled active power, consumption positive.
        q_ctrl_kvar: (N, n) controlled reactive power.
        v_pu: (N, n) bus voltages under these actions.
        cost_kw: (N,) loss and all building costs, without voltage penalty.
    """

    p_ctrl_kw: Floats
    q_ctrl_kvar: Floats
    v_pu: Floats
    cost_kw: Floats


@dataclass(frozen=True)
class Judgement:
    """Figures of a set of actions; fractions, not per cent. Names as in ``report.json``.

    Attributes:
        states: Number of states judged.
        infeasible_states: How many of them have no feasible dispatch; they enter no PER or regret.
        per_mean: Mean PER.
        per_ci95: Its 95 % interval, low and high.
        per_cdf: Pr(PER < x) for x of "5" .. "30" per cent.
        regret_kw_mean: Mean of cost minus optimal cost.
        regret_ratio: Sum of regret over sum of |optimal cost|.
        cost_kw_mean: Mean cost over all states.
        voltage_violation_rate: Share of states with a bus more than 1e-5 p.u. out of bounds.
        voltage_violation_max_pu: Largest distance of any bus out of bounds.
        per_histogram: Counts over fixed edges.
    """

    states: int
    infeasible_states: int
    per_mean: float
    per_ci95: tuple[float, float]
    per_cdf: dict[str, float]
    regret_kw_mean: float
    regret_ratio: float
    cost_kw_mean: float
    voltage_violation_rate: float
    voltage_violation_max_pu: float
    per_histogram: dict[str, Any]

    def entry(self, **more: Any) -> dict[str, Any]:
        """Return the entry of ``report.json``, with ``more`` (stage, episodes, ...) in front."""
        return {**more, **dataclasses.asdict(self)}


def test_states(case: Case, n: int = TEST_STATES) -> tuple[Floats, Floats]:
    """Draw the test states: one fixed stream, whatever the seed of the training.

    Args:
        case: Whose demand law is drawn from.
        n: Number of states.

    Returns:
        ``p_base_kw``, ``q_base_kvar``, each (n, buses).
    """
    rng = np.random.default_rng(np.random.SeedSequence(_TEST_KEY))
    p_base_kw, q_base_kvar = case.demand.sample(rng, n)
    return p_base_kw.astype(np.float64), q_base_kvar.astype(np.float64)


def apply(
    case: Case, p_base_kw: Floats, q_base_kvar: Floats, p_ctrl_kw: Floats, q_ctrl_kvar: Floats
) -> Actions:
    """Return the actions with the voltages and costs that follow from them; all (N, n)."""
    return Actions(
        p_ctrl_kw=p_ctrl_kw,
        q_ctrl_kvar=q_ctrl_kvar,
        v_pu=case.v_pu(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar),
        cost_kw=case.cost_kw(p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar),
    )


def run_controllers(
    case: Case,
    controllers: Mapping[str, Controller],
    p_base_kw: Floats,
    q_base_kvar: Floats,
    num_stages: int | None = None,
    meter_error_pu: float | None = None,
) -> list[Actions]:
    """Run every stage: act, let each agent measure its own buses, act again on that.

    Each agent sees its own buses only. The state is held, so probes happen at the same demand.

    Args:
        case: The feeder they act on.
        controllers: One per agent of the case.
        p_base_kw: (N, n).
        q_base_kvar: (N, n).
        num_stages: How many stages to run; all if None.
        meter_error_pu: Standard deviation of what each meter adds to each reading: independent,
            normal, of a fixed stream; the case's own if None. The voltages returned are true.

    Returns:
        The actions of stage 1, 2, ...; all but the last are what the probes do to the feeder.

    Raises:
        CommandError: The controllers are not those of this case, or have fewer stages.
    """
    stages = _common_stages(case, controllers)
    if num_stages is not None and not 1 <= num_stages <= stages:
        raise CommandError(f"--stage: {num_stages} is out of bounds, the run has 1..{stages}")
    if meter_error_pu is None:
        meter_error_pu = case.meter_error_pu
    results: list[Actions] = []
    meters = np.random.default_rng(_METER_SEED)
    for stage in range(1, (num_stages or stages) + 1):
        p_ctrl_kw = np.zeros_like(p_base_kw)
        q_ctrl_kvar = np.zeros_like(q_base_kvar)
        if results:
            error_pu = meter_error_pu * meters.standard_normal(p_base_kw.shape)
            measured_pu = results[-1].v_pu + error_pu
        for controller in controllers.values():
            own = np.asarray(controller.signature["buses"], dtype=np.intp) - 1
            state = np.concatenate([p_base_kw[:, own], q_base_kvar[:, own]], axis=1)
            if stage == 1:
                action = controller.act(state, stage=1)
            else:
                last = results[-1]
                prototype = np.concatenate([last.p_ctrl_kw[:, own], last.q_ctrl_kvar[:, own]], 1)
                action = controller.act(state, prototype, measured_pu[:, own], stage=stage)
            p_ctrl_kw[:, own] = action[:, : own.size]
            q_ctrl_kvar[:, own] = action[:, own.size :]
        results.append(apply(case, p_base_kw, q_base_kvar, p_ctrl_kw, q_ctrl_kvar))
    return results


def _common_stages(case: Case, controllers: Mapping[str, Controller]) -> int:
    if set(controllers) != set(case.agents):
        raise CommandError(
            f"the controllers are of {', '.join(sorted(controllers))}, "
            f"but case {case.name} has {', '.join(case.agents)}"
        )
    for agent, controller in controllers.items():
        if dict(controller.signature) != case.layout.signature(agent):
            raise CommandError(f"the controller of {agent} was not made for case {case.name}")
    stages = {controller.num_stages for controller in controllers.values()}
    if len(stages) != 1:
        raise CommandError(f"the controllers differ in their number of stages: {sorted(stages)}")
    return stages.pop()


def violation_pu(v_pu: Floats, v_min_pu: float, v_max_pu: float) -> Floats:
    """Return how far the worst bus is out of bounds.

    Args:
        v_pu: (N, n) bus voltages.
        v_min_pu: Lower bound.
        v_max_pu: Upper bound.

    Returns:
        (N,) p.u., 0 where all buses are within.
    """
    excess: Floats = np.maximum(v_min_pu - v_pu, v_pu - v_max_pu).max(axis=1)
    return np.maximum(excess, 0.0)


def judge(case: Case, actions: Actions, optimal_cost_kw: Floats) -> Judgement:
    """Compare actions with the optimal dispatch of the same states.

    Args:
        case: Gives the voltage bounds.
        actions: What was done in N states.
        optimal_cost_kw: (N,) cost of (4), NaN where it is infeasible.
    """
    per = reward_error(actions.cost_kw, optimal_cost_kw)
    mean, low, high = mean_ci95(per)
    feasible = ~np.isnan(optimal_cost_kw)
    optimal = optimal_cost_kw[feasible]
    regret_kw = actions.cost_kw[feasible] - optimal
    total = float(np.abs(optimal).sum())
    excess = violation_pu(actions.v_pu, case.v_min_pu, case.v_max_pu)
    return Judgement(
        states=len(per),
        infeasible_states=int(np.sum(~feasible)),
        per_mean=mean,
        per_ci95=(low, high),
        per_cdf=cdf(per),
        regret_kw_mean=float(regret_kw.mean()) if regret_kw.size else float("nan"),
        regret_ratio=float(regret_kw.sum()) / total if total > 0 else float("nan"),
        cost_kw_mean=float(actions.cost_kw.mean()),
        voltage_violation_rate=float(np.mean(excess > VIOLATION_TOLERANCE_PU)),
        voltage_violation_max_pu=float(excess.max()),
        per_histogram=histogram(per),
    )


class Judge:
    """A fixed set of states with their optimal costs, computed once.

    Args:
        case: The case.
        p_base_kw: (N, n).
        q_base_kvar: (N, n).
    """

    def __init__(self, case: Case, p_base_kw: Floats, q_base_kvar: Floats) -> None:
        self.case = case
        self.p_base_kw = p_base_kw
        self.q_base_kvar = q_base_kvar
        self.optimal_cost_kw: Floats = OptimalDispatch(case).solve(p_base_kw, q_base_kvar).cost_kw

    def per(self, p_ctrl_kw: Floats, q_ctrl_kvar: Floats) -> Floats:
        """Return the (N,) PER of (N, n) actions, NaN where no dispatch is feasible."""
        cost_kw = self.case.cost_kw(self.p_base_kw, self.q_base_kvar, p_ctrl_kw, q_ctrl_kvar)
        return reward_error(cost_kw, self.optimal_cost_kw)

    def judge(self, p_ctrl_kw: Floats, q_ctrl_kvar: Floats) -> Judgement:
        """Return the figures of (N, n) actions in these states."""
        actions = apply(self.case, self.p_base_kw, self.q_base_kvar, p_ctrl_kw, q_ctrl_kvar)
        return judge(self.case, actions, self.optimal_cost_kw)

    def stages(
        self, controllers: Mapping[str, Controller], meter_error_pu: float | None = None
    ) -> list[Judgement]:
        """Return the figures of every stage, the first one first; see `run_controllers`."""
        done = run_controllers(
            self.case,
            controllers,
            self.p_base_kw,
            self.q_base_kvar,
            meter_error_pu=meter_error_pu,
        )
        return [judge(self.case, actions, self.optimal_cost_kw) for actions in done]

    def meter_errors(self, controllers: Mapping[str, Controller]) -> dict[str, list[float]]:
        """Return what errors of the meters do to the mean PER of the last stage.

        Returns:
            ``meter_error_pu`` (standard deviations) and ``per_mean``, of equal length.
        """
        judged = [self.stages(controllers, error)[-1] for error in METER_ERRORS_PU]
        return {
            "meter_error_pu": list(METER_ERRORS_PU),
            "per_mean": [judgement.per_mean for judgement in judged],
        }

    def team_rule(self) -> Judgement:
        """Return the figures of the team-optimal rule, the exact one-stage limit."""
        return self.judge(*team_optimal(self.case, self.p_base_kw, self.q_base_kvar))

    def zero_action(self) -> Judgement:
        """Return the figures of doing nothing."""
        return self.judge(np.zeros_like(self.p_base_kw), np.zeros_like(self.q_base_kvar))

    def yardsticks(self) -> dict[str, Any]:
        """Return the entries of ``report.json`` that no learner enters."""
        rule, zero = self.team_rule(), self.zero_action()
        return {
            "test_states": len(self.optimal_cost_kw),
            "team_rule_per_mean": rule.per_mean,
            "zero_action_per_mean": zero.per_mean,
            "team_rule": rule.entry(),
            "zero_action": zero.entry(),
        }
