"""Controllers judged against the optimal dispatch. Starts no Ray, trains nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from policies.recurrent_controller import RecurrentController, run_rounds
from rllib_grid import Case, OptimalDispatch, team_optimal
from tuning.errors import CommandError
from tuning.statistics import Floats, cdf, histogram, mean_ci95, reward_error

TEST_STATES = 10_000
VIOLATION_TOLERANCE_PU = 1e-5
METER_ERRORS_PU = (1e-6, 1e-5, 1e-4, 1e-3)  # standard deviations that reports try

# A stream of its own: a fixed key of 128 bits that no --seed can reach.
_METER_SEED = 0
_STATE_NAMES = ("p_base_kw", "q_base_kvar")
_TEST_KEY = 0x5E1F0B6C2A9D47839C04E7F1A2B8D365


class Controller(Protocol):
    """What the evaluation needs of an exported controller (physical units, batch first)."""

    @property
    def signature(self) -> Mapping[str, Any]:
        """Buses, inputs, outputs, scaling and limits."""

    @property
    def num_stages(self) -> int:
        """Number of stages."""

    @property
    def rounds(self) -> int:
        """How often the last stage is to be applied."""

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
    rounds: int | None = None,
) -> list[Actions]:
    """Run every stage: act, let each agent measure its own buses, act again on that.

    Each agent sees what its signature names (its own buses only, but for full-state yardsticks).
    The state is held, so probes happen at the same demand.

    Args:
        case: The feeder they act on.
        controllers: One per agent of the case.
        p_base_kw: (N, n).
        q_base_kvar: (N, n).
        num_stages: How many stages to run; all if None.
        meter_error_pu: Standard deviation of what each meter adds to each reading: independent,
            normal, of a fixed stream; the case's own if None. The voltages returned are true.
        rounds: How often to apply the last stage of all; what the controllers say if None.

    Returns:
        The actions of stage 1, 2, ..., the last stage as often as there are rounds, or those of
        every round of recurrent controllers; all but the last are what probes do to the feeder.

    Raises:
        CommandError: The controllers are not those of this case, or have fewer stages.
    """
    stages, usual_rounds = _common_stages(case, controllers)
    if num_stages is not None and not 1 <= num_stages <= stages:
        raise CommandError(f"--stage: {num_stages} is out of bounds, the run has 1..{stages}")
    if meter_error_pu is None:
        meter_error_pu = case.meter_error_pu
    trial = _Trial(case, controllers, p_base_kw, q_base_kvar, meter_error_pu)
    if _recurrent(controllers):
        recurrent = cast(Mapping[str, RecurrentController], controllers)
        acted, _ = run_rounds(recurrent, trial.states, trial.hold)
        trial.hold(acted[-1])
        return trial.results
    turns = list(range(1, (num_stages or stages) + 1))
    if turns[-1] == stages:
        turns += [stages] * ((rounds or usual_rounds) - 1)
    actions: dict[str, Floats] = {}
    seen: dict[str, Floats] = {}
    for stage in turns:
        actions = {
            agent: controller.act(
                trial.states[agent], actions.get(agent), seen.get(agent), stage=stage
            )
            for agent, controller in controllers.items()
        }
        seen = trial.hold(actions)
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
        controllers: Mapping[str, Controller],
        p_base_kw: Floats,
        q_base_kvar: Floats,
        meter_error_pu: float,
    ) -> None:
        self._case, self._base = case, (p_base_kw, q_base_kvar)
        self._meter_error_pu, self._meters = meter_error_pu, np.random.default_rng(_METER_SEED)
        self._own = {
            agent: np.asarray(controller.signature["buses"], dtype=np.intp) - 1
            for agent, controller in controllers.items()
        }
        base = np.concatenate(self._base, axis=1)
        self.states = {a: base[:, _state_columns(case, c)] for a, c in controllers.items()}
        self.results: list[Actions] = []

    def hold(self, actions: Mapping[str, Floats]) -> dict[str, Floats]:
        """Hold the agents' actions (N, a_i); return the voltages (N, o_i) that each one reads."""
        p_ctrl_kw, q_ctrl_kvar = np.zeros_like(self._base[0]), np.zeros_like(self._base[1])
        for agent, own in self._own.items():
            p_ctrl_kw[:, own] = actions[agent][:, : own.size]
            q_ctrl_kvar[:, own] = actions[agent][:, own.size :]
        done = apply(self._case, *self._base, p_ctrl_kw, q_ctrl_kvar)
        self.results.append(done)
        error_pu = self._meter_error_pu * self._meters.standard_normal(done.v_pu.shape)
        read_pu = done.v_pu + error_pu
        return {agent: read_pu[:, own] for agent, own in self._own.items()}


def _recurrent(controllers: Mapping[str, Controller]) -> bool:
    return all(isinstance(controller, RecurrentController) for controller in controllers.values())


def _state_columns(case: Case, controller: Controller) -> list[int]:
    """Columns of [p_base_kw | q_base_kvar] that a controller's state is made of, in its order."""
    names = [f"{name}[{bus + 1}]" for name in _STATE_NAMES for bus in range(case.num_buses)]
    column = {name: i for i, name in enumerate(names)}
    return [column[entry["name"]] for entry in controller.signature["state"]]


def _common_stages(case: Case, controllers: Mapping[str, Controller]) -> tuple[int, int]:
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
    kinds = {(controller.num_stages, controller.rounds) for controller in controllers.values()}
    if len(kinds) != 1:
        raise CommandError(f"the controllers differ in (stages, rounds): {sorted(kinds)}")
    return kinds.pop()


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
        stages = next(iter(controllers.values())).num_stages
        last_of_each = [*done[: stages - 1], done[-1]]
        return [judge(self.case, actions, self.optimal_cost_kw) for actions in last_of_each]

    def rounds(self, controllers: Mapping[str, Controller], rounds: int) -> list[Judgement]:
        """Return the figures of the last stage applied once, twice, ... ``rounds`` times.

        Recurrent controllers take the rounds that they were made for, whatever ``rounds`` says.
        """
        done = run_controllers(
            self.case, controllers, self.p_base_kw, self.q_base_kvar, rounds=rounds
        )
        return [judge(self.case, actions, self.optimal_cost_kw) for actions in done[-rounds:]]

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
