"""What a sweep searches: the words of ``--search``, and the training that a trial stands for.

A word is ``NAME=VALUES``. VALUES is a list divided by ``/``, or a range ``LOW..HIGH``, or one
number or range per stage, divided by commas::

    actor_width=32/64/128  actor_lr=3e-4..1e-2  critic_lr=1e-3..1e-2,3e-4..3e-3

A range is searched on a log scale; from 0 on, on a linear one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from policies.algorithms.registry import ALGORITHMS
from policies.staged.setting import Setting
from tuning.errors import CommandError, did_you_mean
from tuning.options.cases import check_case
from tuning.options.settings import free_settings, read_value

OR = "/"
TO = ".."
STRUCTURE = ("case", "algorithm", "stages")  # searched too, though no settings
SETTINGS = free_settings()
RATES_AND_NOISE = ("actor_lr", "critic_lr", "tau", "sigma")  # what may change during a training

DEFAULT_SPACE = (
    "actor_lr=5e-4..8e-3",
    "critic_lr=1e-3..1e-2,3e-4..3e-3",
    "sigma=0.05..0.8",
    "tau=5e-4..1e-2",
    "actor_width=32/64/128",
    "critic_width=32/64/128",
    "critic_net=quadratic-residual/paper",
    "updates_per_episode=0.5/1/2",
)
DEFAULT_DAY_SPACE = (
    "gamma=0.9/0.95/0.98",
    "actor_lr=3e-4..4e-3",
    "critic_lr=1e-3..1e-2",
    "critic_tau=0.01..0.2",
    "sigma=0.1..0.8",
    "tau=2e-3..5e-2",
    "actor_width=64/128",
    "critic_net=saddle-residual/quadratic-residual",
    "updates_per_episode=0.1/0.2/0.4",
)
DEFAULT_GRID = ("actor_lr=1e-3/2e-3/4e-3", "sigma=0.1/0.3", "actor_width=32/64")

Value = str | float | int


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        name: Of the setting, or one of `STRUCTURE`.
        key: Of a trial's configuration: the name, or ``name.k`` for the k-th of several numbers.
        values: As the command line has them.
    """

    name: str
    key: str
    values: tuple[str, ...]

    @property
    def probes(self) -> tuple[Value, ...]:
        """Values that stand for all others when a space is checked."""
        return self.values

    def domain(self, *, grid: bool) -> Any:
        """Return Tune's form of it."""
        from ray import tune

        return tune.grid_search(list(self.values)) if grid else tune.choice(list(self.values))

    def mutation(self) -> Any:
        """Return what PBT draws from and moves along."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number between two bounds.

    Attributes:
        name: Of the setting.
        key: Of a trial's configuration: the name, or ``name.k`` for the k-th of several numbers.
        low: Least value.
        high: Greatest value.
        whole: Whether only whole numbers are meant.
    """

    name: str
    key: str
    low: float
    high: float
    whole: bool

    @property
    def log(self) -> bool:
        """Whether it is searched on a log scale."""
        return self.low > 0

    @property
    def probes(self) -> tuple[Value, ...]:
        """Values that stand for all others when a space is checked."""
        return self.low, self.high

    def domain(self, *, grid: bool) -> Any:
        """Return Tune's form of it."""
        from ray import tune

        if self.whole:  # Tune leaves out the upper end of whole numbers
            return tune.lograndint(int(self.low), int(self.high) + 1)
        return (tune.loguniform if self.log else tune.uniform)(self.low, self.high)

    def mutation(self) -> Any:
        """Return what PBT draws from; what it moves to is clipped to the bounds."""
        return self.domain(grid=False)


Dimension = Choice | Range


@dataclass(frozen=True)
class Space:
    """All that is searched, in the order of the command line.

    Attributes:
        dimensions: One per key of a trial's configuration.
    """

    dimensions: tuple[Dimension, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names on the command line, each once."""
        return tuple(dict.fromkeys(dimension.name for dimension in self.dimensions))

    @property
    def searched(self) -> tuple[Dimension, ...]:
        """All but the fixed numbers beside a range."""
        return tuple(d for d in self.dimensions if isinstance(d, Range) or len(d.values) > 1)

    @property
    def size(self) -> int:
        """Number of combinations of a space without ranges."""
        return prod(len(d.values) for d in self.dimensions if isinstance(d, Choice))

    def words(self, config: Mapping[str, Value]) -> dict[str, str]:
        """Return the values of a trial by name, as the command line would have them."""
        parts: dict[str, list[str]] = {}
        for dimension in self.dimensions:
            parts.setdefault(dimension.name, []).append(str(config[dimension.key]))
        return {name: ",".join(values) for name, values in parts.items()}

    def probes(self) -> Iterator[dict[str, Value]]:
        """Configurations that between them hold every value to check.

        Each value of a dimension stands once in every structure, beside the first values of all
        others.
        """
        structure = [d for d in self.dimensions if d.name in STRUCTURE]
        others = [d for d in self.dimensions if d.name not in STRUCTURE]
        first = {d.key: d.probes[0] for d in others}
        for values in product(*(d.probes for d in structure)):
            base = first | {d.key: value for d, value in zip(structure, values, strict=True)}
            yield base
            for dimension in others:
                for value in dimension.probes[1:]:
                    yield base | {dimension.key: value}

    def domains(self, *, grid: bool) -> dict[str, Any]:
        """Return the space as Tune takes it."""
        return {d.key: d.domain(grid=grid) for d in self.dimensions}

    def mutations(self) -> dict[str, Any]:
        """Return what PBT perturbs."""
        return {d.key: d.mutation() for d in self.searched}

    def clipped(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return a perturbed configuration within its bounds."""
        bounds = {d.key: d for d in self.dimensions if isinstance(d, Range)}
        return {
            key: min(max(value, bounds[key].low), bounds[key].high) if key in bounds else value
            for key, value in config.items()
        }


def read_space(words: Sequence[str]) -> Space:
    """Read the words of ``--search``.

    Raises:
        CommandError: A word that is no ``NAME=VALUES``, an unknown or repeated name, a value out of
            its bounds, or a range where there can be none.
    """
    found: dict[str, tuple[Dimension, ...]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not text:
            raise CommandError(f"--search: {word} must be NAME=VALUES, e.g. sigma=0.1/0.3")
        if name not in (*SETTINGS, *STRUCTURE):
            known = (*STRUCTURE, *SETTINGS)
            hint = did_you_mean(name, known)
            raise CommandError(f"--search: {name} is unknown{hint} (known: {', '.join(known)})")
        if name in found:
            raise CommandError(f"--search: {name} stands twice; list all its values in one word")
        if "|" in text:
            raise CommandError(f"--search: {word}: values of a list are divided by {OR}, not by |")
        found[name] = _dimensions(name, text)
    return Space(tuple(dimension for some in found.values() for dimension in some))


def _dimensions(name: str, text: str) -> tuple[Dimension, ...]:
    if TO not in text:
        values = tuple(text.split(OR))
        for value in values:
            _check_value(name, value)
        if len(values) == 1:
            how = f"--{name} {text}" if name in STRUCTURE else f"--settings {name}={text}"
            raise CommandError(f"--search: {name}={text} leaves nothing to search; fix it: {how}")
        if len(set(values)) < len(values):
            raise CommandError(f"--search: {name}={text} names a value twice")
        return (Choice(name, name, values),)
    setting = SETTINGS.get(name)
    if OR in text or setting is None or setting.kind not in (int, float):
        raise CommandError(f"--search: {name}={text}: a range is of numbers and not in a list")
    parts = text.split(",")
    if len(parts) > setting.several:
        raise CommandError(f"--search: {name}={text} takes at most {setting.several} number(s)")
    if len(parts) == 1:
        return (_range(name, name, text, setting),)
    return tuple(_part(name, f"{name}.{k}", part, setting) for k, part in enumerate(parts, start=1))


def _part(name: str, key: str, text: str, setting: Setting) -> Dimension:
    if TO in text:
        return _range(name, key, text, setting)
    _check_value(name, text)
    return Choice(name, key, (text,))


def _range(name: str, key: str, text: str, setting: Setting) -> Range:
    ends = text.split(TO)
    if len(ends) != 2:
        raise CommandError(f"--search: {name}={text} must be LOW{TO}HIGH")
    low, high = (_check_value(name, end) for end in ends)
    if not low < high:
        raise CommandError(f"--search: {name}={text} is empty, LOW must be below HIGH")
    return Range(name, key, low, high, setting.kind is int)


def _check_value(name: str, text: str) -> Any:
    """Return a value as it is read.

    Raises:
        CommandError: `train` would not take it.
    """
    try:
        if name in SETTINGS:
            return read_value(name, text)
        if name == "case":
            check_case(text)
        elif name == "algorithm" and text not in ALGORITHMS:
            hint, known = did_you_mean(text, ALGORITHMS), ", ".join(ALGORITHMS)
            raise CommandError(f"--search: algorithm={text} is unknown{hint} (known: {known})")
        elif name == "stages" and not (text.isdecimal() and int(text) >= 1):
            raise CommandError(f"--search: stages={text} must be a whole number >= 1")
    except CommandError as error:
        line = str(error).replace("--settings:", "--search:").replace("--case:", "--search: case")
        raise CommandError(line) from None
    return text
