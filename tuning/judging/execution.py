"""Controllers at work in N states: probe after probe, then the action. Starts no Ray."""

from __future__ import annotations

from collections.abc import Mapping

from policies.controllers.agent import AgentController
from policies.controllers.team import Team
from rllib_grid import Case
from tuning.errors import CommandError
from tuning.judging.actions import Actions
from tuning.judging.held_states import NO_FAULTS, Faults, HeldStates
from tuning.judging.samples import Floats

_STATE_NAMES = ("p_base_kw", "q_base_kvar")


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
    It knows the demand of the beginning of the step. What is not ideal is said by the case and by
    `faults`, see `HeldStates`.

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
    states = HeldStates(case, p_base_kw, q_base_kvar, faults)
    base = states.known()
    known = {agent: base[:, _state_columns(case, c)] for agent, c in controllers.items()}
    states.hold(team.act(known, states.hold))
    return states.results


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
