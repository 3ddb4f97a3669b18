"""From a frozen dataclass to command-line options, on the standard library's argparse.

A command is a dataclass whose fields are ``Annotated`` with an `Option`: name, type, default and
help stand in one place. argparse reports every mistake here as one `CommandError`.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union

from tuning.errors import CommandError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Option:
    """What stands beside the type of a field that is on the command line.

    Attributes:
        help: One sentence, with the unit; the default is added unless the sentence names it.
        metavar: Placeholder for the value; by type if None.
        positional: Whether it is a required argument without a flag.
        choices: The values that there are; any if empty.
    """

    help: str
    metavar: str | None = None
    positional: bool = False
    choices: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Base of every command's arguments.

    Attributes:
        given: Names of the fields that stood on the command line, whatever their value.
    """

    given: frozenset[str] = dataclasses.field(default=frozenset(), repr=False, compare=False)

    def explicit(self) -> frozenset[str]:
        """Return the names of the options set by the caller: `given`, or unlike the default."""
        changed = {
            field.name
            for field, _, _ in options(type(self))
            if getattr(self, field.name) != field.default
        }
        return self.given | changed


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


def options(cls: type[Arguments]) -> list[tuple[dataclasses.Field[Any], Any, Option]]:
    """Return the fields of ``cls`` that appear on the command line: field, type, `Option`."""
    found = []
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        hint, *extras = typing.get_args(hints[field.name]) or (None,)
        found += [(field, hint, extra) for extra in extras if isinstance(extra, Option)]
    return found


def flag(name: str) -> str:
    """Return the option of a field: ``num_envs`` is ``--num-envs``, and ``from_`` is ``--from``."""
    return "--" + name.rstrip("_").replace("_", "-")


def fits(value: Any, hint: Any, choices: Sequence[str] = ()) -> bool:
    """Whether a value read from JSON is one that an option of this type could have.

    Args:
        value: Read.
        hint: The type.
        choices: What there is to choose from; anything of the type if empty.
    """
    if choices and value is not None:
        return value in choices
    if typing.get_origin(hint) in (Union, types.UnionType):
        return any(fits(value, arm) for arm in typing.get_args(hint))
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        kind = typing.get_args(hint)[0]
        return isinstance(value, list) and all(fits(item, kind) for item in value)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is Path:
        return isinstance(value, str)
    return isinstance(value, (int, float) if hint is float else hint)


def check_at_least(name: str, value: int, bound: int) -> None:
    """Refuse the value of an option that is below its bound.

    Args:
        name: Of the option's field.
        value: Given.
        bound: The least that it may be.

    Raises:
        CommandError: It is less.
    """
    if value < bound:
        raise CommandError(f"{flag(name)}: {value} is out of bounds, must be >= {bound}")


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises `CommandError` where argparse prints usage and exits."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as a `CommandError`."""
        raise CommandError(message)

    def parse_exactly(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse ``argv``; an unknown option is named together with the nearest known one."""
        namespace, unknown = self.parse_known_args(argv)
        if unknown:
            word = unknown[0].split("=")[0]
            kind = "option" if word.startswith("-") else "argument"
            known = getattr(namespace, "known_flags", ())
            raise CommandError(f"unknown {kind} {word}{did_you_mean(word, known)}")
        return namespace


def add_options(parser: argparse.ArgumentParser, cls: type[Arguments]) -> None:
    """Add every option of ``cls`` to ``parser``; absent ones leave no trace in the namespace."""
    flags = []
    for field, hint, option in options(cls):
        keywords = _value_keywords(hint)
        if option.choices:
            del keywords["metavar"]
            keywords["choices"] = option.choices
        if option.metavar is not None:
            keywords["metavar"] = option.metavar
        keywords["default"] = argparse.SUPPRESS
        keywords["help"] = _help_with_default(field, option)
        if option.positional:
            parser.add_argument(field.name, **keywords)
        else:
            keywords["required"] = field.default is dataclasses.MISSING
            parser.add_argument(flag(field.name), dest=field.name, **keywords)
            flags.append(flag(field.name))
    parser.set_defaults(known_flags=tuple(flags))


def from_namespace(cls: type[ArgumentsT], namespace: argparse.Namespace) -> ArgumentsT:
    """Make the dataclass from what was parsed, remembering which options were given."""
    names = {field.name for field, _, _ in options(cls)}
    values = {name: value for name, value in vars(namespace).items() if name in names}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    return cls(**values, given=frozenset(values))


def _value_keywords(hint: Any) -> dict[str, Any]:
    """Return what argparse must know to read a value of the annotated type."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if hint is bool:
        return {"action": "store_true"}
    if typing.get_origin(hint) is Literal:
        return {"choices": typing.get_args(hint)}
    if typing.get_origin(hint) is tuple:
        return {"nargs": "+", "type": typing.get_args(hint)[0], "metavar": "N"}
    if hint in (int, float, str, Path):
        metavar = {int: "N", float: "X", str: "NAME", Path: "PATH"}[hint]
        return {"type": hint, "metavar": metavar}
    raise TypeError(f"no command-line form for {hint!r}")


def _help_with_default(field: dataclasses.Field[Any], option: Option) -> str:
    text = option.help.replace("%", "%%")
    unsaid = field.default is dataclasses.MISSING or field.default is None
    if unsaid or isinstance(field.default, bool) or "default" in text:
        return text
    return f"{text} (default: {field.default})"
