"""The controllers of all agents at work, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from policies.contract.walk import Turns, walk
from policies.controllers.agent import AgentController, AgentID, ControllerError, Float64
from policies.controllers.forward import Floats

Actions = dict[AgentID, Float64]
Readings = Mapping[AgentID, Floats]


class _Seen(NamedTuple):
    """What the turn before has left behind; of an agent that it has not, there is nothing."""

    actions: Actions
    readings: Readings


class Team:
    """All agents' controllers, time step after time step.

    They take their turns together, each agent with what it knows and has measured itself. From
    one time step to the next they carry what they were trained to carry, and nothing else.

    Args:
        controllers: by agent.
        stages: how many stages to run; all if None.
        rounds: how often to apply the last stage of all; as it was trained if None.

    Attributes:
        turns: of every time step.
        goes_on: whether what was left behind in a time step is seen in the next one.

    Raises:
        ControllerError: if the controllers differ in their turns or have fewer stages.
    """

    def __init__(
        self,
        controllers: Mapping[AgentID, AgentController],
        stages: int | None = None,
        rounds: int | None = None,
    ) -> None:
        self._controllers = controllers
        all_turns = {controller.turns(stages, rounds) for controller in controllers.values()}
        if len(all_turns) != 1:
            differing = sorted((turns.stages, turns.rounds) for turns in all_turns)
            raise ControllerError(f"the controllers differ in (stages, rounds): {differing}")
        self.turns: Turns = all_turns.pop()
        self.goes_on = all(controller.goes_on for controller in controllers.values())
        self.begin()

    def begin(self) -> None:
        """Begin a new trajectory: nothing has been done or measured yet."""
        self._seen = _Seen({}, {})
        self._memories: dict[AgentID, Any] = {}

    def act(
        self, states: Mapping[AgentID, Floats], measure: Callable[[Actions], Readings]
    ) -> Actions:
        """Take all turns of a time step.

        Args:
            states: what each agent knows, (s,) or (B, s).
            measure: what each agent measures while all hold the joint action it is given; asked
                after every turn but the last.

        Returns:
            The actions of the last turn. Say by `measured` what came of them, if the team goes
            on and there is a next time step.

        Raises:
            ControllerError: see `AgentController.take`.
        """
        if not self.goes_on:
            self.begin()

        def take(turn: int, seen: _Seen) -> Actions:
            taken = {
                agent: controller.take(
                    turn,
                    states[agent],
                    seen.actions.get(agent),
                    seen.readings.get(agent),
                    self._memories.get(agent),
                )
                for agent, controller in self._controllers.items()
            }
            self._memories = {agent: memory for agent, (_, memory) in taken.items()}
            return {agent: action for agent, (action, _) in taken.items()}

        def see(turn: int, before: _Seen, actions: Actions, readings: Readings) -> _Seen:
            return _Seen(actions, readings)

        last = walk(self.turns, self._seen, take, measure, see)
        actions = take(self.turns.last, last)
        self._seen = _Seen(actions, {})
        return actions

    def measured(self, readings: Readings) -> None:
        """What each agent measured under the last actions of the time step, (o,) or (B, o)."""
        self._seen = self._seen._replace(readings=readings)
