"""Settings as command lines have them: ``NAME=VALUE``, on top of the one table of settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from policies.algorithms.settings import SETTINGS, settings_of
from policies.staged.setting import Setting, Value
from tuning.errors import CommandError, did_you_mean


def named_words(
    option: str, words: Sequence[str], names: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Take ``NAME=VALUE`` apart, word by word.

    Args:
        option: That the words belong to, for the error.
        words: ``NAME=VALUE`` each.
        names: That there are.

    Yields:
        Name and value of each word.

    Raises:
        CommandError: A word without ``=``, or an unknown name.
    """
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise CommandError(f"{option}: {word} must be NAME=VALUE")
        if name not in names:
            hint, known = did_you_mean(name, names), ", ".join(names)
            raise CommandError(f"{option}: {name} is unknown{hint} (known: {known})")
        yield name, text


def free_settings(family: str | None = None) -> dict[str, Setting]:
    """Return what ``--settings`` may name: all that no other option of ``train`` fixes.

    Args:
        family: Of algorithms; None for all of them together.
    """
    table = SETTINGS if family is None else settings_of(family)
    return {name: setting for name, setting in table.items() if not setting.fixed_by}


def read_settings(words: Sequence[str], family: str | None = None) -> dict[str, Value]:
    """Read settings as the command line has them; a later one wins over an earlier one.

    Args:
        words: ``NAME=VALUE`` each; several numbers of one setting are divided by commas.
        family: Of the algorithm that they are for; None if any algorithm's will do.

    Returns:
        Values by name, in the order of the table.

    Raises:
        CommandError: A word without ``=``, an unknown name, a value out of bounds, or a setting
            that the family does not have.
    """
    known = free_settings()
    found = {}
    for name, text in named_words("--settings", words, [*known, *_fixed(words)]):
        found[name] = read_value(name, text, family)
    return {name: found[name] for name in known if name in found}


def read_value(name: str, text: str, family: str | None = None) -> Value:
    """Read the value of one setting; see `read_settings`."""
    setting = _row(name, family)
    if setting.kind is str and text not in setting.choices:
        hint, known = did_you_mean(text, setting.choices), ", ".join(setting.choices)
        raise CommandError(f"--settings: {name}={text} is unknown{hint} (known: {known})")
    try:
        return setting.read(text)
    except ValueError as error:
        raise CommandError(f"--settings: {error}") from error


def check_settings(settings: Mapping[str, Any], family: str) -> dict[str, Value]:
    """Bring values that were made in Python into the form that `read_settings` gives.

    Raises:
        CommandError: An unknown name, a value out of bounds, or a setting that the family does
            not have.
    """
    known = free_settings()
    for name in settings:
        if name not in SETTINGS:
            raise CommandError(
                f"--settings: {name} is unknown{did_you_mean(name, known)} "
                f"(known: {', '.join(known)})"
            )
        _row(name, family)
    return {
        name: _checked(_row(name, family), settings[name]) for name in known if name in settings
    }


def write_settings(settings: Mapping[str, Value]) -> tuple[str, ...]:
    """The inverse of `read_settings`."""
    return tuple(f"{name}={SETTINGS[name].write(value)}" for name, value in settings.items())


def _fixed(words: Sequence[str]) -> list[str]:
    """The names among words that are settings, but for other options to set."""
    names = (word.partition("=")[0] for word in words)
    return [name for name in names if name in SETTINGS and SETTINGS[name].fixed_by]


def _row(name: str, family: str | None) -> Setting:
    """The row of a setting as the family has it.

    Raises:
        CommandError: Another option sets it, or the family does not have it.
    """
    setting = SETTINGS[name]
    if setting.fixed_by:
        raise CommandError(f"--settings: {name} is what {setting.fixed_by} sets; use that")
    if family is None:
        return setting
    if setting.families and family not in setting.families:
        raise CommandError(
            f"--settings: {name} is a setting of {' and '.join(setting.families)} alone"
        )
    return setting.of(family)


def _checked(setting: Setting, value: Any) -> Value:
    """A value as `Setting.read` gives it: one number is no tuple."""
    try:
        held = setting.checked(value)
    except ValueError as error:
        raise CommandError(f"--settings: {error}") from error
    if isinstance(held, list):
        return tuple(held) if len(held) > 1 else held[0]
    kept: Value = held
    return kept
