"""The algorithm's settings by name: what `train --settings` and files of settings may hold.

Names are those of `MADDPGConfig`'s methods, where each is explained.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuning.errors import CommandError, did_you_mean

if TYPE_CHECKING:
    from policies.staged.config import MADDPGConfig

Value = float | int | bool | str | tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """What a value of a setting may be.

    Attributes:
        kind: float, int, bool or str.
        low: Least number, itself allowed only if ``closed``.
        high: Greatest number, allowed.
        closed: Whether ``low`` is allowed.
        several: How many numbers it takes at most, divided by commas.
        choices: The words allowed, for str.
    """

    kind: type
    low: float = 0.0
    high: float = math.inf
    closed: bool = False
    several: int = 1
    choices: tuple[str, ...] = ()

    def read(self, name: str, text: str) -> Value:
        """Read a value.

        Raises:
            CommandError: It is not of the kind, or out of bounds.
        """
        if self.kind is bool:
            if text not in ("true", "false"):
                raise CommandError(f"--settings: {name}={text} must be true or false")
            return text == "true"
        if self.kind is str:
            if text not in self.choices:
                hint, known = did_you_mean(text, self.choices), ", ".join(self.choices)
                raise CommandError(f"--settings: {name}={text} is unknown{hint} (known: {known})")
            return text
        words = text.split(",")
        if len(words) > self.several:
            raise CommandError(f"--settings: {name}={text} takes at most {self.several} number(s)")
        numbers = tuple(self._number(name, word) for word in words)
        return numbers if len(numbers) > 1 else numbers[0]

    def _number(self, name: str, word: str) -> Any:
        try:
            number = self.kind(word)
        except ValueError:
            kind = "whole number" if self.kind is int else "number"
            raise CommandError(f"--settings: {name}={word} is no {kind}") from None
        inside = self.low <= number if self.closed else self.low < number
        if not (math.isfinite(number) and inside and number <= self.high):
            least = f"{'>=' if self.closed else '>'} {self.low:g}"
            most = "" if self.high == math.inf else f" and <= {self.high:g}"
            raise CommandError(f"--settings: {name}={word} is out of bounds, must be {least}{most}")
        return number


_RATE = Setting(float, several=8)
_TWO = Setting(float, closed=True, several=2)  # of probing stages, of the last
_COUNT = Setting(int)
_SWITCH = Setting(bool)

SETTINGS: dict[str, Setting] = {
    "critic": Setting(str, choices=("shared", "separate")),
    "critic_net": Setting(str, choices=("quadratic-residual", "saddle-residual", "paper")),
    "updates_per_episode": Setting(float),
    "actor_lr": _RATE,
    "critic_lr": _RATE,
    "lr_decay": Setting(str, choices=("cosine", "constant")),
    "tau": Setting(float, high=1.0),
    "critic_tau": Setting(float, high=1.0),
    "minibatch_size": _COUNT,
    "replay_capacity": _COUNT,
    "reward_scale": Setting(float),
    "actor_step": Setting(str, choices=("joint", "own")),
    "actor_net": Setting(str, choices=("plain", "paper")),
    "actor_width": _COUNT,
    "critic_width": _COUNT,
    "critic_rows": _COUNT,
    "carry_critic": _SWITCH,
    "whiten_inputs": _SWITCH,
    "whiten_floor": Setting(float),
    "warmup_episodes": _COUNT,
    "collect_share": Setting(float, high=1.0),
    "noise": Setting(str, choices=("gaussian", "ornstein-uhlenbeck")),
    "sigma": Setting(float, closed=True, several=2),
    "constraint": Setting(str, choices=("lagrangian", "none")),
    "constraint_price": _TWO,
    "constraint_margin": _TWO,
    "constraint_curvature": _TWO,
    "constraint_step": _TWO,
    "memory_width": _COUNT,  # this and the next: of MA-RDPG alone
    "num_rounds": _COUNT,
}
RECURRENT_ONLY = ("memory_width", "num_rounds")
OPTIONS_TOO = ("critic", "critic_net", "updates_per_episode")  # `train` has them by themselves


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


def read_settings(words: Sequence[str]) -> dict[str, Value]:
    """Read settings as the command line has them; a later one wins over an earlier one.

    Args:
        words: ``NAME=VALUE`` each; several numbers of one setting are divided by commas.

    Returns:
        Values by name, in the order of `SETTINGS`.

    Raises:
        CommandError: A word without ``=``, an unknown name, or a value out of bounds.
    """
    found = {}
    for name, text in named_words("--settings", words, SETTINGS):
        found[name] = SETTINGS[name].read(name, text)
    return {name: found[name] for name in SETTINGS if name in found}


def write_settings(settings: Mapping[str, Value]) -> tuple[str, ...]:
    """The inverse of `read_settings`."""
    return tuple(f"{name}={_text(value)}" for name, value in settings.items())


def apply_settings(config: MADDPGConfig, settings: Mapping[str, Value]) -> None:
    """Set them through the configuration's own methods."""
    left: dict[str, Any] = dict(settings)
    for method in ("stages", "exploration", "recurrence"):
        setter = getattr(config, method, None)
        if setter is not None:
            known = inspect.signature(setter).parameters
            setter(**{name: left.pop(name) for name in list(left) if name in known})
    config.training(**left)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(value)
