"""Controllers judged against the optimal dispatch. Starts no Ray, trains nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.controllers.agent import AgentController
from rllib_grid import Case, make_dispatch, team_optimal
from tuning.judging.actions import Actions, apply
from tuning.judging.execution import run_controllers
from tuning.judging.held_states import NO_FAULTS, Faults
from tuning.judging.samples import Floats, cdf, histogram, mean_ci95, reward_error

TEST_STATES = 10_000
VIOLATION_TOLERANCE_PU = 1e-5
OVERLOAD_TOLERANCE = 1e-5  # of the limit
REPORTED_METER_ERRORS_PU = (1e-6, 1e-5, 1e-4, 1e-3)  # standard deviations that reports try

# A stream of its own: a fixed key of 128 bits that no --seed can reach.
_TEST_KEY = 0x5E1F0B6C2A9D47839C04E7F1A2B8D365


@dataclass(frozen=True)
class Judgement:
    """Figures of a set of actions; fractions, not per cent. Names as in ``report.json``.

    PER and regret are of the time step that ends with these actions, its probes charged in their
    part (`Case.probe_share`), against the optimum of the demand that the actions met, which needs
    no probe. The other figures are of the actions themselves.

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
        branch_overload_rate: Share of states with a branch beyond its limit by more than 1e-5 of
            it; None where the case limits none, which then is no entry of ``report.json`` either.
        branch_loading_max: Highest loading of any branch in any state, 1 at its limit; likewise.
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
    branch_overload_rate: float | None = None
    branch_loading_max: float | None = None

    def entry(self, **more: Any) -> dict[str, Any]:
        """Return the entry of ``report.json``, with ``more`` (stage, episodes, ...) in front."""
        held = {name: x for name, x in dataclasses.asdict(self).items() if x is not None}
        return {**more, **held}


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
        optimal_cost_kw: (N,) cost of (4) at the demand they met, NaN where it is infeasible.
    """
    per = reward_error(actions.charged_kw, optimal_cost_kw)
    mean, low, high = mean_ci95(per)
    feasible = ~np.isnan(optimal_cost_kw)
    optimal = optimal_cost_kw[feasible]
    regret_kw = actions.charged_kw[feasible] - optimal
    total = float(np.abs(optimal).sum())
    excess = violation_pu(actions.v_pu, case.v_min_pu, case.v_max_pu)
    loading = actions.branch_loading
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
        branch_overload_rate=(
            None if loading is None else float(np.mean(loading > 1 + OVERLOAD_TOLERANCE))
        ),
        branch_loading_max=None if loading is None else float(loading.max()),
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
        self.optimal_cost_kw: Floats = make_dispatch(case).solve(p_base_kw, q_base_kvar).cost_kw

    def per(self, p_ctrl_kw: Floats, q_ctrl_kvar: Floats) -> Floats:
        """Return the (N,) PER of (N, n) actions, NaN where no dispatch is feasible."""
        cost_kw = self.case.cost_kw(self.p_base_kw, self.q_base_kvar, p_ctrl_kw, q_ctrl_kvar)
        return reward_error(cost_kw, self.optimal_cost_kw)

    def judge(self, p_ctrl_kw: Floats, q_ctrl_kvar: Floats) -> Judgement:
        """Return the figures of (N, n) actions in these states."""
        actions = apply(self.case, self.p_base_kw, self.q_base_kvar, p_ctrl_kw, q_ctrl_kvar)
        return judge(self.case, actions, self.optimal_cost_kw)

    def optimal_kw(self, actions: Actions) -> Floats:
        """Return the (N,) optimal cost at the demand that the actions met."""
        if actions.base is None:
            return self.optimal_cost_kw
        return make_dispatch(self.case).solve(*actions.base).cost_kw

    def stages(
        self,
        controllers: Mapping[str, AgentController],
        meter_error_pu: float | None = None,
        case: Case | None = None,
        faults: Faults = NO_FAULTS,
    ) -> list[Judgement]:
        """Return the figures of every stage, the first one first; see `run_controllers`.

        Args:
            controllers: One per agent.
            meter_error_pu: That of the case if None.
            case: This one with other meters, probes or losses; None for the case as it is.
            faults: What is broken.
        """
        done = run_controllers(
            self.case if case is None else case,
            controllers,
            self.p_base_kw,
            self.q_base_kvar,
            meter_error_pu=meter_error_pu,
            faults=faults,
        )
        stages = next(iter(controllers.values())).num_stages
        return [self._judged(actions) for actions in (*done[: stages - 1], done[-1])]

    def rounds(self, controllers: Mapping[str, AgentController], rounds: int) -> list[Judgement]:
        """Return the figures of the last stage applied once, twice, ... ``rounds`` times.

        Recurrent controllers take the rounds that they were made for, whatever ``rounds`` says.
        Where probes are charged, there are no more rounds than leave time for the action.
        """
        if self.case.probe_share > 0.0:
            probes = next(iter(controllers.values())).num_stages - 1
            rounds = min(rounds, math.ceil(1.0 / self.case.probe_share - 1e-9) - probes)
        done = run_controllers(
            self.case, controllers, self.p_base_kw, self.q_base_kvar, rounds=rounds
        )
        return [self._judged(actions) for actions in done[-rounds:]]

    def _judged(self, actions: Actions) -> Judgement:
        return judge(self.case, actions, self.optimal_kw(actions))

    def meter_errors(self, controllers: Mapping[str, AgentController]) -> dict[str, list[float]]:
        """Return what errors of the meters do to the mean PER of the last stage.

        Returns:
            ``meter_error_pu`` (standard deviations) and ``per_mean``, of equal length.
        """
        judged = [self.stages(controllers, error)[-1] for error in REPORTED_METER_ERRORS_PU]
        return {
            "meter_error_pu": list(REPORTED_METER_ERRORS_PU),
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
