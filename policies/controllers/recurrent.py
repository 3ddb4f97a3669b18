"""Exported recurrent controllers: what one agent of MA-RDPG runs, in numpy (see `controller`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.controllers.controller import (
    Controller,
    ControllerError,
    Floats,
    Weights,
    _layer_norm,
    _silu,
)

PREFIX = "recurrent-"
KINDS = (PREFIX + "plain", PREFIX + "paper")
SLOTTED = ("inputs", "first", "skip")  # maps with a leading axis of places on the clock

Float64 = NDArray[np.float64]


def kind_name(actor_net: str) -> str:
    """The entry in a controller's `kinds` of a `recurrent_networks.RecurrentActor`."""
    return PREFIX + actor_net


@dataclass(frozen=True, eq=False)
class Memory:
    """What an agent carries from one round to the next; None stands for a trajectory's start.

    Attributes:
        round: rounds acted so far, of all time steps.
        hidden: hidden state of its network, (width,) or (B, width).
    """

    round: int
    hidden: Floats


class RecurrentController(Controller):
    """One agent's recurrent actor, in physical units.

    Agents act `num_rounds` times per time step, in step with one another; only the last action
    is meant to stay. What each measures under the others belongs to its next input.

    Args:
        agent: name of the agent.
        signature: see `controller.Controller`.
        kinds: one entry, "recurrent-plain" or "recurrent-paper".
        weights: one entry, the arrays of `recurrent_networks.RecurrentActor.agent_layers`.
        rounds: L, rounds per time step.
    """

    @property
    def num_rounds(self) -> int:
        """Rounds per time step L."""
        return self.rounds

    def act(self, *args: Any, **kwargs: Any) -> Float64:
        """Not offered: a recurrent controller has no stages.

        Raises:
            ControllerError: always.
        """
        raise ControllerError(
            f"{self.agent}: a recurrent controller acts in rounds: use act_round(state, "
            "last_action, last_observation, memory), or run_rounds for a team"
        )

    def act_round(
        self,
        state: Floats,
        last_action: Floats | None = None,
        last_observation: Floats | None = None,
        memory: Memory | None = None,
    ) -> tuple[Float64, Memory]:
        """The agent's action in the next round, from what it has seen itself.

        Args:
            state: own state, shape (s,) or (B, s), in the order and units of
                `signature["state"]`.
            last_action: own action of the round before, (a,) or (B, a); None in the first round
                of a trajectory.
            last_observation: what the agent measured under it, (o,) or (B, o); None likewise.
            memory: as returned in the round before; None likewise.

        Returns:
            Actions (a,) or (B, a) within their limits, as in `signature["action"]`, and the
            memory to hand over in the next round.

        Raises:
            ControllerError: if only some of the three are given, on wrong widths or values that
                are not finite.
        """
        first = memory is None
        if first != (last_action is None) or first != (last_observation is None):
            raise ControllerError(
                f"{self.agent}: the first round takes the state alone, later ones also the last "
                "action, the last observation and the memory"
            )
        scaled = [self._scaled("state", state, self._state)]
        if last_action is None or last_observation is None:
            shape = scaled[0].shape[:-1]
            scaled += [
                np.zeros((*shape, len(part[0]))) for part in (self._action, self._observation)
            ]
        else:
            scaled.append(self._scaled("action", last_action, self._action))
            scaled.append(self._scaled("observation", last_observation, self._observation))
        shapes = [part.shape[:-1] for part in scaled]
        if memory is not None:
            shapes.append(memory.hidden.shape[:-1])
        if len(set(shapes)) > 1:
            raise ControllerError(
                f"{self.agent}: state, last action, last observation and memory have batch "
                f"shapes {shapes}, must be equal"
            )
        x = np.concatenate(scaled, axis=-1).astype(np.float32)
        round_ = 0 if memory is None else memory.round
        before = None if memory is None else memory.hidden
        own = scaled[1].astype(np.float32) if round_ % self.rounds else None
        y, hidden = _forward(self.kinds[0], self._at(round_), x, before, own)
        offset, scale = self._action
        action: Float64 = np.clip(offset + scale * y, self._low, self._high)
        return action, Memory(round_ + 1, hidden)

    @property
    def goes_on(self) -> bool:
        """Whether it was trained to go on from one time step to the next."""
        shared = self.kinds[0] == PREFIX + "paper"
        return shared or len(self.weights[0]["first.weight"]) > self.rounds

    def _at(self, round_: int) -> Weights:
        """The weights for a round, counted from 0, see `recurrent_layers.slot`."""
        if round_ >= self.rounds and not self.goes_on:
            raise ControllerError(
                f"{self.agent}: trained for single time steps of {self.rounds} rounds, which are "
                "over: begin the next one without memory"
            )
        place = round_ if round_ < self.rounds else round_ % self.rounds or self.rounds
        place = 0 if self.kinds[0] == PREFIX + "paper" else place
        return {
            name: array[place] if name.split(".")[0] in SLOTTED else array
            for name, array in self.weights[0].items()
        }


def _forward(
    kind: str, w: Weights, x: Floats, hidden: Floats | None, own: Floats | None
) -> tuple[Floats, Floats]:
    """`recurrent_networks.RecurrentActor.steps` for one agent and one round.

    Returns:
        Scaled actions (..., a) and the hidden state (..., width).
    """
    x = np.asarray(x @ w["inputs.weight"] + w["inputs.bias"])
    e: Floats = x @ w["first.weight"] + w["first.bias"]
    if kind == PREFIX + "paper":
        e = np.maximum(_layer_norm(e) * w["norm1.weight"] + w["norm1.bias"], 0.0)
        h = _gru(w, e, hidden)
        z: Floats = h @ w["second.weight"] + w["second.bias"]
        z = np.maximum(_layer_norm(z) * w["norm2.weight"] + w["norm2.bias"], 0.0)
        return np.asarray(np.tanh(z @ w["last.weight"] + w["last.bias"])), h
    e = _silu(e)
    h = _gru(w, e, hidden)
    z = _silu(np.concatenate([e, h], axis=-1) @ w["second.weight"] + w["second.bias"])
    y = z @ w["last.weight"] + w["last.bias"] + x @ w["skip.weight"]
    if own is not None:
        y = y + own
    return np.clip(y, -1.0, 1.0), h


def _gru(w: Weights, x: Floats, hidden: Floats | None) -> Floats:
    """One step of a gated recurrent unit, see `recurrent_networks.StackedGRU`."""
    given = x @ w["gru.input.weight"] + w["gru.input.bias"]
    width = given.shape[-1] // 3
    before = np.zeros((*given.shape[:-1], width), np.float32) if hidden is None else hidden
    recalled = before @ w["gru.hidden.weight"] + w["gru.hidden.bias"]
    gates = given[..., : 2 * width] + recalled[..., : 2 * width]
    gates = 0.5 + 0.5 * np.tanh(0.5 * gates)  # the sigmoid, without overflow
    reset, update = gates[..., :width], gates[..., width:]
    new = np.tanh(given[..., 2 * width :] + reset * recalled[..., 2 * width :])
    return np.asarray(new + update * (before - new))


Joint = dict[str, Float64]


def run_rounds(
    controllers: Mapping[str, RecurrentController],
    states: Mapping[str, Floats],
    measure: Callable[[Joint], Mapping[str, Floats]],
    last: tuple[Joint, Mapping[str, Floats], dict[str, Memory]] | None = None,
) -> tuple[list[Joint], dict[str, Memory]]:
    """All rounds of a team in one time step.

    Args:
        controllers: by agent.
        states: own state of each agent, (s,) or (B, s).
        measure: what each agent measures while all hold the joint action it is given; asked
            after every round but the last.
        last: of the time step before, if there was one: its last actions, what was measured
            under them, and the memories that it returned.

    Returns:
        The joint actions of every round, all but the last being probes, and the agents' memories.

    Raises:
        ControllerError: see `RecurrentController.act_round`; if the controllers differ in their
            number of rounds.
    """
    counts = {controller.num_rounds for controller in controllers.values()}
    if len(counts) != 1:
        raise ControllerError(f"the controllers differ in their number of rounds: {sorted(counts)}")
    actions, observations, memories = last if last is not None else ({}, {}, {})
    done: list[Joint] = []
    for round_ in range(1, counts.pop() + 1):
        acted = {
            agent: controller.act_round(
                states[agent], actions.get(agent), observations.get(agent), memories.get(agent)
            )
            for agent, controller in controllers.items()
        }
        actions = {agent: action for agent, (action, _) in acted.items()}
        memories = {agent: memory for agent, (_, memory) in acted.items()}
        done.append(actions)
        if round_ < next(iter(controllers.values())).num_rounds:
            observations = measure(actions)
    return done, memories


def try_out(controller: RecurrentController) -> None:
    """Act through all there is, so that parts that do not fit show here, not in service.

    Raises:
        ValueError: saying what does not fit.
    """
    if not isinstance(controller.rounds, int) or controller.rounds < 1:
        raise ValueError(f"rounds is {controller.rounds!r}, must be a whole number >= 1")
    if len(controller.kinds) != 1 or controller.kinds[0] not in KINDS:
        raise ValueError(f"kinds are {controller.kinds}, must be one of {KINDS}")
    state, action, observation = (
        np.array([entry["offset"] for entry in controller.signature[part]], np.float64)
        for part in ("state", "action", "observation")
    )
    memory = None
    for round_ in range((1 + controller.goes_on) * controller.rounds):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if memory is None:
                tried, memory = controller.act_round(state)
            else:
                tried, memory = controller.act_round(state, action, observation, memory)
        if tried.shape != action.shape or not np.isfinite(tried).all():
            raise ValueError(f"its action in round {round_ + 1} is {tried}")
