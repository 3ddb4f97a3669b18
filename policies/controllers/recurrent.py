"""Controllers that act in rounds and remember: what one agent of MA-RDPG runs, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.contract.walk import Turns
from policies.controllers.agent import AgentController, ControllerError, Float64
from policies.controllers.forward import Floats, Weights, gru, layer_norm, silu

PREFIX = "recurrent-"
SLOTTED = ("inputs", "first", "skip")  # maps with a leading axis of places on the clock


def kind_name(actor_net: str) -> str:
    """The entry in a controller's `kinds` of a `networks.recurrent_actors.RecurrentActor`."""
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


class RecurrentController(AgentController):
    """One agent's recurrent actor, in physical units.

    Agents act `num_rounds` times per time step, in step with one another; only the last action
    is meant to stay. What each measures under the others belongs to its next input.

    Args:
        agent: name of the agent.
        signature: see `AgentController`.
        kinds: one entry, "recurrent-plain" or "recurrent-paper".
        weights: one entry, the arrays of `networks.recurrent_actors.RecurrentActor.agent_layers`.
        rounds: L, rounds per time step.
    """

    KINDS = (PREFIX + "plain", PREFIX + "paper")

    @property
    def num_rounds(self) -> int:
        """Rounds per time step L."""
        return self.rounds

    @property
    def goes_on(self) -> bool:
        """Whether it was trained to go on from one time step to the next."""
        shared = self.kinds[0] == PREFIX + "paper"
        return shared or len(self.weights[0]["first.weight"]) > self.rounds

    def turns(self, stages: int | None = None, rounds: int | None = None) -> Turns:
        """See `AgentController.turns`; it takes the rounds it was trained for, whatever `rounds`
        says."""
        return Turns(self._stages_run(stages), self.rounds)

    def take(
        self,
        turn: int,
        state: Floats,
        last_action: Floats | None = None,
        last_observation: Floats | None = None,
        memory: Memory | None = None,
    ) -> tuple[Float64, Memory]:
        """See `AgentController.take`; the memory knows the turn."""
        return self.act_round(state, last_action, last_observation, memory)

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
        scaled = [self._scaled("state", state)]
        if last_action is None or last_observation is None:
            shape = scaled[0].shape[:-1]
            scaled += [
                np.zeros((*shape, len(self._middle(part)))) for part in ("action", "observation")
            ]
        else:
            scaled.append(self._scaled("action", last_action))
            scaled.append(self._scaled("observation", last_observation))
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
        return self._carried_out(y), Memory(round_ + 1, hidden)

    def try_out(self) -> None:
        """Act through all rounds of a time step, and the next one; see
        `AgentController.try_out`."""
        self._check_rounds()
        if len(self.kinds) != 1 or self.kinds[0] not in self.KINDS:
            raise ValueError(f"kinds are {self.kinds}, must be one of {self.KINDS}")
        state, own, seen = (self._middle(part) for part in ("state", "action", "observation"))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            action, memory = self.act_round(state)
            self._check_tried("in round 1", action)
            for round_ in range(2, (1 + self.goes_on) * self.rounds + 1):
                action, memory = self.act_round(state, own, seen, memory)
                self._check_tried(f"in round {round_}", action)

    def _at(self, round_: int) -> Weights:
        """The weights for a round, counted from 0, see `networks.recurrent_layers.slot`."""
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
    """`networks.recurrent_actors.RecurrentActor.steps` for one agent and one round.

    Returns:
        Scaled actions (..., a) and the hidden state (..., width).
    """
    x = np.asarray(x @ w["inputs.weight"] + w["inputs.bias"])
    e: Floats = x @ w["first.weight"] + w["first.bias"]
    if kind == PREFIX + "paper":
        e = np.maximum(layer_norm(e) * w["norm1.weight"] + w["norm1.bias"], 0.0)
        h = gru(w, e, hidden)
        z: Floats = h @ w["second.weight"] + w["second.bias"]
        z = np.maximum(layer_norm(z) * w["norm2.weight"] + w["norm2.bias"], 0.0)
        return np.asarray(np.tanh(z @ w["last.weight"] + w["last.bias"])), h
    e = silu(e)
    h = gru(w, e, hidden)
    z = silu(np.concatenate([e, h], axis=-1) @ w["second.weight"] + w["second.bias"])
    y = z @ w["last.weight"] + w["last.bias"] + x @ w["skip.weight"]
    if own is not None:
        y = y + own
    return np.clip(y, -1.0, 1.0), h
