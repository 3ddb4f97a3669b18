"""Controllers at work on whole days, as something that decides step after step. Starts no Ray."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from policies.controllers.agent import AgentController
from policies.controllers.team import Team
from rllib_grid.cases.clock import CLOCK, clock
from rllib_grid.cases.day_case import DayCase
from rllib_grid.envs.day_rollout import Situation
from tuning.errors import CommandError
from tuning.judging.samples import Floats


class TeamOfControllers:
    """Exported controllers as something that decides, for `run_days`.

    At each step they take their turns while the situation is held: every stage or round acts,
    each agent measures its own buses, and the next one acts on that; what the last one does is
    done. Recurrent controllers remember from step to step, and begin anew with every day.

    Args:
        case: The case they act on.
        controllers: One per agent of the case.
        num_steps: Steps per day.
        stages: How many of their stages to run; all if None.

    Raises:
        CommandError: The controllers are not those of this case.
        ControllerError: They have fewer stages, or differ in their stages or rounds.
    """

    def __init__(
        self,
        case: DayCase,
        controllers: Mapping[str, AgentController],
        num_steps: int,
        stages: int | None = None,
    ) -> None:
        if set(controllers) != set(case.agents):
            raise CommandError(
                f"the controllers are of {', '.join(sorted(controllers))}, "
                f"but case {case.name} has {', '.join(case.agents)}"
            )
        whole = [e for agent in case.agents for e in case.layout.signature(agent)["state"]]
        for agent, controller in controllers.items():
            own = case.layout.signature(agent)
            if dict(controller.signature) not in (own, {**own, "state": whole}):
                raise CommandError(f"the controller of {agent} was not made for case {case.name}")
        self._case, self._num_steps = case, num_steps
        self._team = Team(controllers, stages)
        self._states = {
            agent: [entry["name"] for entry in controller.signature["state"]]
            for agent, controller in controllers.items()
        }
        self._own = {
            agent: np.array(controller.signature["buses"]) - 1
            for agent, controller in controllers.items()
        }

    def __call__(self, situation: Situation) -> tuple[Floats, ...]:
        """Return p_ctrl_kw, q_ctrl_kvar and any p_heat_kw, (N, n) each."""
        if situation.step == 0:
            self._team.begin()
        known = _by_name(situation, self._num_steps)
        states = {
            agent: np.stack([known[name] for name in names], axis=1)
            for agent, names in self._states.items()
        }

        def measure(actions: Mapping[str, Floats]) -> dict[str, Floats]:
            v_pu = situation.v_pu(*self._controls(actions))
            return {agent: v_pu[:, own] for agent, own in self._own.items()}

        actions = self._team.act(states, measure)
        if self._team.goes_on:
            self._team.measured(measure(actions))
        return tuple(self._controls(actions))

    def _controls(self, actions: Mapping[str, Floats]) -> Floats:
        """What is set at all buses, (kinds of control, N, n), by the agents' actions (N, a_i)."""
        kinds = len(self._case.layout.action.per_bus)
        rows = len(next(iter(actions.values())))
        controls = np.zeros((kinds, rows, self._case.num_buses))
        for agent, own in self._own.items():
            controls[:, :, own] = np.split(actions[agent], kinds, axis=1)
        return controls


def _by_name(situation: Situation, num_steps: int) -> dict[str, Floats]:
    """Everything that a controller may know of N feeders, (N,) by the signature's names."""
    per_bus = {
        "p_base_kw": situation.p_base_kw,
        "q_base_kvar": situation.q_base_kvar,
        "soc_kwh": situation.soc_kwh,
    }
    shared = {"price_eur_per_kwh": situation.price_eur_per_kwh}
    if situation.climate is not None:
        per_bus["t_in_c"] = np.asarray(situation.climate.t_in_c, np.float64)
        shared["outdoor_c"] = np.asarray(situation.climate.outdoor_c, np.float64)
    known = {
        f"{name}[{bus + 1}]": values[:, bus]
        for name, values in per_bus.items()
        for bus in range(values.shape[1])
    }
    count = len(situation.price_eur_per_kwh)
    hands = clock(np.array(situation.step), num_steps)
    known |= {name: np.full(count, hands[k]) for k, name in enumerate(CLOCK)}
    return known | shared
