"""Feeders from pandapower: a net, or the JSON file of one."""

from __future__ import annotations

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

from rllib_grid.errors import FeederError
from rllib_grid.extras import extra_module
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.pandapower_tables import read_tables
from rllib_grid.feeders.radial import radial_feeder

# A file names the Python modules that its objects are made of, and pandapower imports them.
_MODULES = ("pandapower", "pandas", "numpy", "networkx", "shapely", "geojson", "geopandas")
_BUILTINS = {"tuple", "set", "frozenset", "complex", "bool", "int", "float", "str"}


def from_pandapower(net: Any, *, head: str | None = None) -> ImportedFeeder:
    """The radial feeder that a net is.

    Lines, transformers (their series impedance, at the present tap), closed couplers, loads and
    static generators in service make it up. What cannot be part of it is left out with a note, if
    power flow hardly notices, or refused by name.

    Args:
        net: a pandapower net, or the path of its JSON file.
        head: name or index of the bus of the source to keep, where there are several; what it
            does not feed is left out.

    Raises:
        FeederError: naming what is meshed, cut off or of a kind that is not handled.
    """
    if isinstance(net, (str, Path)):
        path = Path(net)
        imported = _imported(load_net(path), head)
        return imported.named(path.stem)
    return _imported(net, head)


def _imported(net: Any, head: str | None) -> ImportedFeeder:
    return radial_feeder(read_tables(net, head))


def load_net(path: Path) -> Any:
    """Read a pandapower net.

    Files that name other modules than those pandapower itself writes are refused, since reading
    them would import these.

    Raises:
        FeederError: if the file cannot be read or holds something else.
        GridError: if pandapower is not installed.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FeederError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # of bytes that are no text, or of text that is no JSON
        raise FeederError(f"{path} is not a JSON file: {error}") from None
    if isinstance(content, dict) and "feeder" in content:
        raise FeederError(f"{path} is a case of this program, not a pandapower net")
    if not isinstance(content, dict) or content.get("_class") != "pandapowerNet":
        raise FeederError(f"{path} is not a pandapower net: it holds no pandapowerNet")
    _check_modules(content, path)
    pandapower = extra_module("pandapower", "feeders")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, which it converts
            return pandapower.from_json(str(path))
    except Exception as error:  # whatever a broken table makes of pandapower
        reason = " ".join(str(error).split())
        raise FeederError(f"pandapower cannot read {path}: {reason}") from error


def _check_modules(content: Any, path: Path) -> None:
    """Look through all objects of a file, those in its strings of JSON too."""
    todo = [content]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            module, kind = str(item.get("_module", "pandapower")), str(item.get("_class", ""))
            allowed = module.split(".")[0] in _MODULES and kind != "function"
            if not allowed and not (module == "builtins" and kind in _BUILTINS):
                raise FeederError(f"{path} holds a {module}.{kind}, which no net needs; remove it")
            todo += item.values()
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, str) and item.lstrip().startswith(("{", "[")):
            with contextlib.suppress(ValueError):  # text that is no JSON holds no objects
                todo.append(json.loads(item))
