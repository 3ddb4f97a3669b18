"""Files of exported controllers, which need neither Ray nor torch nor pickle to be read.

An agent has two files: `<agent>.json` says what goes in and out (names, order, offset, scale,
limits) and which networks there are, `<agent>.safetensors` holds their weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load, save

from policies.controllers.agent import AgentController, AgentID, ControllerError
from policies.controllers.forward import Weights
from policies.controllers.recurrent import RecurrentController
from policies.controllers.staged import Controller

FORMAT = "policies.controller/1"
FORMS: dict[str, type[AgentController]] = {
    kind: form for form in (Controller, RecurrentController) for kind in form.KINDS
}
"""The form of a controller by the kind of its networks."""


def save_controllers(folder: str | Path, controllers: Mapping[AgentID, AgentController]) -> None:
    """Write every agent's pair of files.

    Args:
        folder: where to; made if missing, files of the same agents are overwritten.
        controllers: by agent.

    Raises:
        ControllerError: if two agents' files would have one name (1 and "1").
    """
    folder = Path(folder)
    names = [str(agent) for agent in controllers]
    for name in names:
        if names.count(name) > 1:
            raise ControllerError(f"two agents' files would be {name}.json: rename one of them")
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


def load_controllers(folder: str | Path) -> dict[AgentID, AgentController]:
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


def load_controller(path: str | Path) -> AgentController:
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
        form = _form(text["kinds"])
        controller = form(
            text["agent"], text["signature"], text["kinds"], weights, rounds=text["rounds"]
        )
        controller.try_out()
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ControllerError(f"{path}: the description is damaged ({error!r})") from error
    if str(controller.agent) != path.stem:
        raise ControllerError(
            f"{path} is of agent {controller.agent!r}: give the files their agent's name back"
        )
    return controller


def _form(kinds: Sequence[str]) -> type[AgentController]:
    """The form that controllers with networks of these kinds have.

    Raises:
        ValueError: if there is none.
    """
    forms = {FORMS.get(kind) for kind in kinds}
    form = forms.pop() if len(forms) == 1 else None
    if form is None:
        raise ValueError(f"kinds are {kinds}, each must be one of {', '.join(FORMS)}, of one form")
    return form
