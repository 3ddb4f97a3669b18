"""Controllers that act stage by stage: what one agent of MADDPG runs, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from policies.contract.walk import Turns
from policies.controllers.agent import AgentController, ControllerError, Float64
from policies.controllers.forward import Floats, Weights, layer_norm, silu


class Controller(AgentController):
    """One agent's actors of all stages, in physical units.

    Args:
        agent: name of the agent.
        signature: see `AgentController`.
        kinds: "plain" or "paper" per stage, see `networks.actors.TeamActor`.
        weights: per stage, the arrays of `networks.actors.TeamActor.agent_layers`.
        rounds: how often the last stage is to be applied, each time to its own last action and
            what was measured under it.
    """

    KINDS = ("plain", "paper")

    @property
    def goes_on(self) -> bool:
        """No: every time step begins with the state alone."""
        return False

    def turns(self, stages: int | None = None, rounds: int | None = None) -> Turns:
        """See `AgentController.turns`."""
        run = self._stages_run(stages)
        return Turns(run, (rounds or self.rounds) if run == self.num_stages else 1)

    def take(
        self,
        turn: int,
        state: Floats,
        last_action: Floats | None = None,
        last_observation: Floats | None = None,
        memory: Any = None,
    ) -> tuple[Float64, None]:
        """See `AgentController.take`; there is no memory, so None is what it returns."""
        stage = min(turn, self.num_stages)
        return self.act(state, last_action, last_observation, stage), None

    def act(
        self,
        state: Floats,
        prototype: Floats | None = None,
        observation: Floats | None = None,
        stage: int | None = None,
    ) -> Float64:
        """The agent's action, from what it knows itself.

        Args:
            state: own state, shape (s,) or (B, s), in the order and units of
                `signature["state"]`.
            prototype: for a stage after the first: own action of the stage before, (a,) or
                (B, a).
            observation: for a stage after the first: what the agent measured under the
                prototype actions of all, (o,) or (B, o).
            stage: counted from 1; by default 1 without a prototype, else the last.

        Returns:
            Actions (a,) or (B, a) within their limits, as in `signature["action"]`.

        Raises:
            ControllerError: on a stage that is not there, a missing or needless prototype or
                observation, wrong widths or values that are not finite.
        """
        if stage is None:
            stage = 1 if prototype is None else self.num_stages
        if not 1 <= stage <= self.num_stages:
            raise ControllerError(f"{self.agent}: stage {stage} is not in 1..{self.num_stages}")
        if (stage == 1) != (prototype is None) or (stage == 1) != (observation is None):
            raise ControllerError(
                f"{self.agent}: stage {stage} takes "
                + ("the state alone" if stage == 1 else "state, prototype and observation")
            )
        scaled = [self._scaled("state", state)]
        if prototype is not None and observation is not None:
            scaled.append(self._scaled("action", prototype))
            scaled.append(self._scaled("observation", observation))
        if len({part.shape[:-1] for part in scaled}) > 1:
            raise ControllerError(
                f"{self.agent}: state, prototype and observation have batch shapes "
                f"{[part.shape[:-1] for part in scaled]}, must be equal"
            )
        x = np.concatenate(scaled, axis=-1).astype(np.float32)
        residual = scaled[1].astype(np.float32) if stage > 1 else None
        y = _forward(self.kinds[stage - 1], self.weights[stage - 1], x, residual)
        return self._carried_out(y)

    def try_out(self) -> None:
        """Act once at every stage; see `AgentController.try_out`."""
        self._check_rounds()
        if not self.kinds or set(self.kinds) - set(self.KINDS):
            raise ValueError(f"kinds are {self.kinds}, each must be one of {self.KINDS}")
        state, *later = (self._middle(part) for part in ("state", "action", "observation"))
        for stage in range(1, self.num_stages + 1):
            prototype, observation = (None, None) if stage == 1 else later
            with np.errstate(invalid="ignore", divide="ignore"):
                action = self.act(state, prototype, observation, stage)
            self._check_tried(f"at stage {stage}", action)


def _forward(kind: str, w: Weights, x: Floats, residual: Floats | None) -> Floats:
    """`TeamActor.forward` for one agent: (..., inputs) -> (..., actions) in [-1, 1]."""
    x = x @ w["inputs.weight"] + w["inputs.bias"]
    h: Floats = x @ w["first.weight"] + w["first.bias"]
    if kind == "paper":
        h = np.maximum(layer_norm(h) * w["norm1.weight"] + w["norm1.bias"], 0.0)
        h = h @ w["second.weight"] + w["second.bias"]
        h = np.maximum(layer_norm(h) * w["norm2.weight"] + w["norm2.bias"], 0.0)
        return np.asarray(np.tanh(h @ w["last.weight"] + w["last.bias"]))
    h = silu(silu(h) @ w["second.weight"] + w["second.bias"])
    y = h @ w["last.weight"] + w["last.bias"] + x @ w["skip.weight"]
    if residual is not None:
        y = y + residual
    return np.clip(y, -1.0, 1.0)
