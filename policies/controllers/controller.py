"""Exported decentralised controllers: what one agent runs, without Ray, torch or pickle.

An agent has two files: `<agent>.json` says what goes in and out (names, order, offset, scale,
limits) and which networks there are, `<agent>.safetensors` holds their weights. A controller
computes in numpy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from policies.contract.action_circles import scale_back

FORMAT = "policies.controller/1"
KINDS = ("plain", "paper")
LAYER_NORM_EPS = 1e-5

Floats = NDArray[np.floating[Any]]
Weights = dict[str, NDArray[np.float32]]


class ControllerError(ValueError):
    """A controller's files are missing, damaged, or do not belong together."""


class Controller:
    """One agent's actors of all stages, in physical units.

    Args:
        agent: name of the agent.
        signature: `state`, `observation` and `action`, each a list of entries with `name`,
            `offset` and `scale` (physical = offset + scale * scaled); actions also have `low`
            and `high`; `action_circles` may tie two numbers of the action together: [i, j, s]
            stands for |(a_i, a_j)| <= s.
        kinds: "plain" or "paper" per stage, see `networks.TeamActor`.
        weights: per stage, the arrays of `networks.TeamActor.agent_layers`.
        rounds: how often the last stage is to be applied, each time to its own last action and
            what was measured under it.
    """

    def __init__(
        self,
        agent: str,
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
        self._state = _affine(signature["state"])
        self._observation = _affine(signature["observation"])
        self._action = _affine(signature["action"])
        self._low = np.array([entry["low"] for entry in signature["action"]])
        self._high = np.array([entry["high"] for entry in signature["action"]])
        ties = [(i, j, 1 / s, 1 / s) for i, j, s in signature.get("action_circles", ())]
        self._circles = np.array(ties, np.float64).reshape(-1, 4)

    @property
    def num_stages(self) -> int:
        """Number of stages K."""
        return len(self.weights)

    def act(
        self,
        state: Floats,
        prototype: Floats | None = None,
        observation: Floats | None = None,
        stage: int | None = None,
    ) -> NDArray[np.float64]:
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
        scaled = [self._scaled("state", state, self._state)]
        if prototype is not None and observation is not None:
            scaled.append(self._scaled("action", prototype, self._action))
            scaled.append(self._scaled("observation", observation, self._observation))
        if len({part.shape[:-1] for part in scaled}) > 1:
            raise ControllerError(
                f"{self.agent}: state, prototype and observation have batch shapes "
                f"{[part.shape[:-1] for part in scaled]}, must be equal"
            )
        x = np.concatenate(scaled, axis=-1).astype(np.float32)
        residual = scaled[1].astype(np.float32) if stage > 1 else None
        y = _forward(self.kinds[stage - 1], self.weights[stage - 1], x, residual)
        offset, scale = self._action
        action = np.clip(offset + scale * y, self._low, self._high)
        return scale_back(action, self._circles)

    def _scaled(
        self, what: str, values: Floats, affine: tuple[Floats, Floats]
    ) -> NDArray[np.float64]:
        given = np.asarray(values, dtype=np.float64)
        offset, scale = affine
        if given.ndim not in (1, 2) or given.shape[-1] != len(offset):
            raise ControllerError(
                f"{self.agent}: {what} has shape {given.shape}, must be ({len(offset)},) or "
                f"(B, {len(offset)}): {', '.join(e['name'] for e in self.signature[what])}"
            )
        if not np.isfinite(given).all():
            raise ControllerError(f"{self.agent}: {what} has values that are not finite")
        scaled: NDArray[np.float64] = (given - offset) / scale
        return scaled


def _affine(entries: list[dict[str, Any]]) -> tuple[Floats, Floats]:
    offset = np.array([entry["offset"] for entry in entries], dtype=np.float64)
    scale = np.array([entry["scale"] for entry in entries], dtype=np.float64)
    return offset, scale


def _forward(kind: str, w: Weights, x: Floats, residual: Floats | None) -> Floats:
    """`networks.TeamActor.forward` for one agent: (..., inputs) -> (..., actions) in [-1, 1]."""
    x = x @ w["inputs.weight"] + w["inputs.bias"]
    h: Floats = x @ w["first.weight"] + w["first.bias"]
    if kind == "paper":
        h = np.maximum(_layer_norm(h) * w["norm1.weight"] + w["norm1.bias"], 0.0)
        h = h @ w["second.weight"] + w["second.bias"]
        h = np.maximum(_layer_norm(h) * w["norm2.weight"] + w["norm2.bias"], 0.0)
        return np.asarray(np.tanh(h @ w["last.weight"] + w["last.bias"]))
    h = _silu(_silu(h) @ w["second.weight"] + w["second.bias"])
    y = h @ w["last.weight"] + w["last.bias"] + x @ w["skip.weight"]
    if residual is not None:
        y = y + residual
    return np.clip(y, -1.0, 1.0)


def _silu(x: Floats) -> Floats:
    return np.asarray(x * (0.5 + 0.5 * np.tanh(0.5 * x)))  # x sigmoid(x), without overflow


def _layer_norm(x: Floats) -> Floats:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(LAYER_NORM_EPS)))


def save_controllers(folder: str | Path, controllers: Mapping[str, Controller]) -> None:
    """Write every agent's pair of files.

    Args:
        folder: where to; made if missing, files of the same agents are overwritten.
        controllers: by agent.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for agent, controller in controllers.items():
        arrays = {
            f"stage{stage}.{name}": array
            for stage, weights in enumerate(controller.weights, start=1)
            for name, array in weights.items()
        }
        data = save(arrays)
        text = {
            "format": FORMAT,
            "agent": agent,
            "signature": controller.signature,
            "kinds": controller.kinds,
            "rounds": controller.rounds,
            "weights_sha256": hashlib.sha256(data).hexdigest(),
        }
        _write(folder / f"{agent}.safetensors", data)
        _write(folder / f"{agent}.json", (json.dumps(text, indent=2) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def load_controllers(folder: str | Path) -> dict[str, Controller]:
    """Read the controllers of all agents in a folder.

    Args:
        folder: as written by `save_controllers`.

    Returns:
        Controllers by agent, in the order of their names' numbers.

    Raises:
        ControllerError: if there are none, or a file is missing, damaged, of another format, or
            not the one its description was written with.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.json"), key=lambda path: (len(path.stem), path.stem))
    if not paths:
        raise ControllerError(f"{folder} holds no controllers (no <agent>.json)")
    controllers = [load_controller(path) for path in paths]
    return {controller.agent: controller for controller in controllers}


def load_controller(path: str | Path) -> Controller:
    """Read one agent's controller from its `<agent>.json` and the weights beside it.

    Raises:
        ControllerError: see `load_controllers`.
    """
    path = Path(path)
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        data = path.with_suffix(".safetensors").read_bytes()
    except FileNotFoundError as error:
        raise ControllerError(f"{error.filename} is missing") from error
    except ValueError as error:
        raise ControllerError(f"{path} is not JSON: {error}") from error
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise ControllerError(f"{path} is not a controller of format {FORMAT}")
    if hashlib.sha256(data).hexdigest() != text.get("weights_sha256"):
        raise ControllerError(
            f"{path.with_suffix('.safetensors')} is not the file that {path.name} was written "
            "with (its checksum differs): export the controllers anew"
        )
    try:
        arrays = load(data)
        weights: list[Weights] = [{} for _ in text["kinds"]]
        for key, array in arrays.items():
            stage, name = key.split(".", 1)
            weights[int(stage.removeprefix("stage")) - 1][name] = array
        make, try_out = _form(text["kinds"])
        controller = make(
            text["agent"], text["signature"], text["kinds"], weights, rounds=text["rounds"]
        )
        try_out(controller)
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ControllerError(f"{path}: the description is damaged ({error!r})") from error
    if controller.agent != path.stem:
        raise ControllerError(
            f"{path} is of agent {controller.agent!r}: give the files their agent's name back"
        )
    return controller


def _form(kinds: Sequence[str]) -> tuple[type[Controller], Callable[[Any], None]]:
    """The class of a controller of these kinds, and what tries it out."""
    if any(str(kind).startswith("recurrent") for kind in kinds):
        from policies.controllers import recurrent as recurrent_controller  # it builds on this room

        return recurrent_controller.RecurrentController, recurrent_controller.try_out
    return Controller, _try_out


def _try_out(controller: Controller) -> None:
    """Act once at every stage, so that parts that do not fit show here, not in service."""
    if not isinstance(controller.rounds, int) or controller.rounds < 1:
        raise ValueError(f"rounds is {controller.rounds!r}, must be a whole number >= 1")
    if not controller.kinds or set(controller.kinds) - set(KINDS):
        raise ValueError(f"kinds are {controller.kinds}, each must be one of {KINDS}")
    middle = {
        part: np.array([entry["offset"] for entry in controller.signature[part]], np.float64)
        for part in ("state", "action", "observation")
    }
    for stage in range(1, controller.num_stages + 1):
        prototype, observation = (
            (None, None) if stage == 1 else (middle["action"], middle["observation"])
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            action = controller.act(middle["state"], prototype, observation, stage)
        if action.shape != middle["action"].shape or not np.isfinite(action).all():
            raise ValueError(f"its action at stage {stage} is {action}")
