"""Controllers of stages that stand in for exported ones: a test says what they do."""

from __future__ import annotations

from policies.controllers.staged import Controller


class StandIn:
    """Takes its turns as an exported controller does; `act` is the test's own.

    A subclass has `signature`, and `act(state, prototype, observation, stage)` that returns the
    (B, a) action.
    """

    agent = "stand-in"
    num_stages = 2
    rounds = 1
    goes_on = False
    turns, take, _stages_run = Controller.turns, Controller.take, Controller._stages_run
