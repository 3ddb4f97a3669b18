"""What every exported controller of one agent has in common: its signature, and turns to take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.contract.action_circles import scale_back
from policies.contract.walk import Turns
from policies.controllers.forward import Floats, Weights

AgentID = Any  # text or a whole number, as the environment has it
Float64 = NDArray[np.float64]


class ControllerError(ValueError):
    """A controller's files are missing, damaged, or do not belong together."""


class AgentController(ABC):
    """What one agent runs, in physical units.

    Args:
        agent: name of the agent.
        signature: `state`, `observation` and `action`, each a list of entries with `name`,
            `offset` and `scale` (physical = offset + scale * scaled); actions also have `low`
            and `high`; `action_circles` may tie two numbers of the action together: [i, j, s]
            stands for |(a_i, a_j)| <= s.
        kinds: of each stage's network.
        weights: of each stage's network, arrays by name.
        rounds: how often the last stage is to be applied, each time to its own last action and
            what was measured under it.
    """

    KINDS: ClassVar[tuple[str, ...]]
    """Kinds of networks that controllers of this form have."""

    def __init__(
        self,
        agent: AgentID,
        signature: dict[str, Any],
        kinds: Sequence[str],
        weights: list[Weights],
        rounds: int = 1,
    ) -> None:
        self.agent = agent
        self.signature = signature
        self.kinds = list(kinds)
        self.weights = weights
        self.rounds = rounds
        self._affine = {
            part: (_column(signature[part], "offset"), _column(signature[part], "scale"))
            for part in ("state", "observation", "action")
        }
        self._low = np.array([entry["low"] for entry in signature["action"]])
        self._high = np.array([entry["high"] for entry in signature["action"]])
        ties = [(i, j, 1 / s, 1 / s) for i, j, s in signature.get("action_circles", ())]
        self._circles = np.array(ties, np.float64).reshape(-1, 4)

    @property
    def num_stages(self) -> int:
        """Number of stages K."""
        return len(self.weights)

    # --- a turn in a time step ------------------------------------------------------------

    @abstractmethod
    def turns(self, stages: int | None = None, rounds: int | None = None) -> Turns:
        """The turns of a time step.

        Args:
            stages: how many to run; all if None.
            rounds: how often to apply the last stage of all; as it was trained if None.

        Raises:
            ControllerError: if there are not so many stages.
        """

    @property
    @abstractmethod
    def goes_on(self) -> bool:
        """Whether it goes on from one time step to the next: what it did last, what it measured
        under that and its memory are part of what it sees."""

    @abstractmethod
    def take(
        self,
        turn: int,
        state: Floats,
        last_action: Floats | None = None,
        last_observation: Floats | None = None,
        memory: Any = None,
    ) -> tuple[Float64, Any]:
        """Take a turn.

        Args:
            turn: of the time step, counted from 1, see `turns`.
            state: own state, shape (s,) or (B, s), in the order and units of
                `signature["state"]`.
            last_action: own action of the turn before, (a,) or (B, a); None where there is none.
            last_observation: what the agent measured under it, (o,) or (B, o); None likewise.
            memory: as returned at the turn before; None likewise.

        Returns:
            Actions (a,) or (B, a) within their limits, as in `signature["action"]`, and the
            memory to hand over at the next turn.

        Raises:
            ControllerError: on wrong widths, values that are not finite, or one of the last
                three missing or needless.
        """

    @abstractmethod
    def try_out(self) -> None:
        """Act through all there is, so that parts that do not fit show here, not in service.

        Raises:
            ValueError: saying what does not fit.
        """

    # --- for the forms of controllers ----------------------------------------------------

    def _stages_run(self, stages: int | None) -> int:
        if stages is not None and not 1 <= stages <= self.num_stages:
            raise ControllerError(f"{self.agent}: stage {stages} is not in 1..{self.num_stages}")
        return stages or self.num_stages

    def _check_rounds(self) -> None:
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds!r}, must be a whole number >= 1")

    def _middle(self, part: str) -> Float64:
        """The middle of the range of every number of a part of the signature, to try out with."""
        return self._affine[part][0]

    def _check_tried(self, what: str, action: Float64) -> None:
        if action.shape != self._middle("action").shape or not np.isfinite(action).all():
            raise ValueError(f"its action {what} is {action}")

    def _scaled(self, part: str, values: Floats) -> Float64:
        """Numbers of a part of the signature, checked and scaled."""
        given = np.asarray(values, dtype=np.float64)
        offset, scale = self._affine[part]
        if given.ndim not in (1, 2) or given.shape[-1] != len(offset):
            raise ControllerError(
                f"{self.agent}: {part} has shape {given.shape}, must be ({len(offset)},) or "
                f"(B, {len(offset)}): {', '.join(e['name'] for e in self.signature[part])}"
            )
        if not np.isfinite(given).all():
            raise ControllerError(f"{self.agent}: {part} has values that are not finite")
        scaled: Float64 = (given - offset) / scale
        return scaled

    def _carried_out(self, scaled: Floats) -> Float64:
        """The action in physical units, within all limits, of a network's scaled action."""
        offset, scale = self._affine["action"]
        action: Float64 = np.clip(offset + scale * scaled, self._low, self._high)
        return scale_back(action, self._circles)


def _column(entries: list[dict[str, Any]], key: str) -> Float64:
    return np.array([entry[key] for entry in entries], dtype=np.float64)
