"""What ``python -m tuning sweep`` takes, and the training of each of its trials."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from policies.algorithms.registry import ALGORITHMS
from tuning.commands.campaign import check_profiles, recipe_of_case, split_evenly
from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option, check_at_least, flag, options
from tuning.options.cases import is_day_case
from tuning.options.recipe import Recipe
from tuning.options.search_space import (
    DEFAULT_DAY_SPACE,
    DEFAULT_GRID,
    DEFAULT_SPACE,
    RATES_AND_NOISE,
    Choice,
    Range,
    Space,
    Value,
    read_space,
)
from tuning.options.settings import read_settings, read_value
from tuning.options.shared import (
    PRESETS,
    STAGES,
    Address,
    AtATime,
    CaseSettings,
    Dashboard,
    Episodes,
    Jobs,
    MeterError,
    NamedAlgorithm,
    Preset,
    Profiles,
    Steps,
    TestDays,
)
from tuning.records.checkpoints import parse_interval
from tuning.records.files import plain, read_json
from tuning.records.measures import GAP_CLOSED, PER, Measure
from tuning.records.run_folder import check_fresh

SWEEP_FILE = "sweep.json"
FORMAT = 2  # rises when trials, their checkpoints or these arguments are kept in another way
DEFAULT_TRIALS = 16
CASE = "ieee13"
_ANEW = (
    "jobs",
    "out",
    "resume",
    "checkpoint_every",
    "address",
    "dashboard",
    "quiet",
)  # of a command, not of the sweep


@dataclass(frozen=True, kw_only=True)
class SweepArgs(AtATime, Arguments):
    """Options of ``sweep``. ``None`` stands for the preset's own value."""

    search: Annotated[
        tuple[str, ...] | None,
        Option(
            "what is searched: settings as train --settings names them, and case, algorithm, "
            "stages. VALUES is a list A/B/C, or for numbers a range LOW..HIGH (on a log scale; "
            "from 0 on, a linear one), or one of these per stage, divided by commas: "
            "actor_width=32/64 sigma=0.05..0.5 critic_lr=1e-3..1e-2,3e-4..3e-3 (default: rates, "
            "noise, widths, network of the critic and updates per episode; for pbt its rates and "
            "noise; for grid 12 combinations; without what the algorithm has not)",
            metavar="NAME=VALUES",
        ),
    ] = None
    scheduler: Annotated[
        Literal["asha", "pbt", "none"],
        Option(
            "asha stops trials worse than the median of their case at 30 % or 60 % of their "
            "training; pbt copies the best quarter over the worst, four times, and perturbs "
            f"rates and noise ({', '.join(RATES_AND_NOISE)}); none trains all to the end"
        ),
    ] = "none"
    searcher: Annotated[
        Literal["random", "grid", "optuna"],
        Option("how values are chosen: at random, every combination, or by what did well"),
    ] = "random"
    trials: Annotated[
        int | None,
        Option(f"number of trials (default: {DEFAULT_TRIALS}; grid has one for each combination)"),
    ] = None
    case: Annotated[str, Option("case to train on, of states or of days")] = CASE
    meter_error: MeterError = 0.0
    case_settings: CaseSettings = None
    profiles: Profiles = None
    steps: Steps = None
    test_days: TestDays = None
    preset: Preset = PRESETS[0]
    algorithm: NamedAlgorithm = None
    stages: Annotated[
        int, Option("number of stages K: 1 is MADDPG, 2 is TS-MADDPG", metavar="K")
    ] = STAGES
    episodes: Episodes = None
    budget: Annotated[
        int | None,
        Option("episodes in all, split evenly over the stages, in place of --episodes"),
    ] = None
    settings: Annotated[
        tuple[str, ...] | None,
        Option("settings that all trials share, as train takes them", metavar="NAME=VALUE"),
    ] = None
    seed: Annotated[int, Option("seed of the search and of every training")] = 0
    out: Annotated[
        Path | None,
        Option("folder of the sweep, new or empty (default: a fresh one under runs/)", "DIR"),
    ] = None
    resume: Annotated[
        Path | None, Option("go on with this sweep, however it was ended", metavar="DIR")
    ] = None
    checkpoint_every: Annotated[
        str,
        Option("time between checkpoints, such as 30s, or episodes, such as 5000", metavar="EVERY"),
    ] = "8s"
    jobs: Jobs = None
    address: Address = None
    dashboard: Dashboard = False
    quiet: Annotated[bool, Option("print no progress, only the final table")] = False

    @property
    def space(self) -> Space:
        """What is searched."""
        return read_space(self.search or _default_space(self))

    @property
    def measure(self) -> Measure:
        """What trials are compared by."""
        return GAP_CLOSED if any(map(is_day_case, _cases(self))) else PER

    @property
    def wanted(self) -> int:
        """Number of trials."""
        return self.space.size if self.searcher == "grid" else self.trials or DEFAULT_TRIALS

    def arguments(self) -> dict[str, Any]:
        """Return what makes the sweep, by name."""
        names = [field.name for field, _, _ in options(SweepArgs) if field.name not in _ANEW]
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``sweep.json``; see `load_sweep`."""
        return {"format": FORMAT, "arguments": plain(self.arguments())}


def check(args: SweepArgs) -> SweepArgs:
    """Check the options of ``sweep`` and complete them. Takes milliseconds, writes nothing.

    Returns:
        The arguments to run, the search space filled in; with ``resume`` those of that folder.

    Raises:
        CommandError: A value out of its bounds, words that are no search space, a combination that
            ``train`` or the scheduler refuses, an ``out`` that holds something, a ``resume`` that
            is no sweep.
    """
    parse_interval(args.checkpoint_every)
    for name in ("trials", "jobs", "budget"):
        value = getattr(args, name)
        if value is not None:
            check_at_least(name, value, 1)
    if args.profiles is not None:  # the sweep may go on from another folder
        args = dataclasses.replace(args, profiles=args.profiles.resolve())
    if args.resume is not None:
        return _resumed(args, args.resume)
    args = dataclasses.replace(args, search=tuple(args.search or _default_space(args)))
    _check_space(args, args.space)
    _check_together(args)
    found = {recipe.case: recipe for recipe in (training(args, c) for c in args.space.probes())}
    for recipe in found.values():
        check_profiles(recipe)
    if args.out is not None:
        check_fresh(args.out)
    return args


def training(args: SweepArgs, config: Mapping[str, Value]) -> Recipe:
    """Return the recipe of a trial, checked.

    Args:
        args: Of the sweep.
        config: Of the trial, by the keys of the search space.

    Raises:
        CommandError: `train` would refuse it.
    """
    words = args.space.words(config)
    algorithm = words.pop("algorithm", args.algorithm)
    stages = int(words.pop("stages", args.stages))
    if algorithm is not None:
        stages = ALGORITHMS[algorithm].stages
    episodes = args.episodes
    if args.budget is not None:
        if args.budget < stages:
            raise CommandError(
                f"--budget: {args.budget} is out of bounds, must be >= {stages}, the stages"
            )
        episodes = split_evenly(args.budget, stages)
    wanted = dataclasses.replace(
        recipe_of_case(args, words.pop("case", args.case)),
        meter_error=args.meter_error,
        preset=args.preset,
        algorithm=algorithm,
        stages=stages,
        episodes=episodes,
        settings=read_settings(
            (*(args.settings or ()), *(f"{name}={text}" for name, text in words.items()))
        ),
        seed=args.seed,
    )
    return wanted.checked()


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / SWEEP_FILE).is_file()


def load_sweep(folder: Path) -> SweepArgs:
    """Return the arguments that made a sweep.

    Raises:
        CommandError: The folder is none of a sweep, or one of another version.
    """
    if not is_sweep(folder):
        raise CommandError(f"{folder} is not the folder of a sweep: {SWEEP_FILE} is missing")
    content = read_json(folder / SWEEP_FILE)
    if content.get("format") != FORMAT:
        raise CommandError(
            f"{folder} is a sweep of another version, whose trials cannot go on: sweep anew with "
            "the same command and another --out"
        )
    stored = content.get("arguments")
    names = SweepArgs().arguments()
    if not isinstance(stored, dict) or set(stored) != set(names):
        raise CommandError(f"{folder / SWEEP_FILE}: names no arguments of a sweep")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    if values["profiles"] is not None:
        values["profiles"] = Path(values["profiles"])
    return SweepArgs(**values)


def _cases(args: SweepArgs) -> tuple[str, ...]:
    """The cases of all trials."""
    words = [word for word in args.search or () if word.startswith("case=")]
    searched = [d.values for d in read_space(words).dimensions if isinstance(d, Choice)]
    return searched[0] if searched else (args.case,)


def _default_space(args: SweepArgs) -> tuple[str, ...]:
    """What is searched if nothing is named, without what ``--settings`` fixes."""
    space: tuple[str, ...] = DEFAULT_SPACE
    if args.searcher == "grid":
        space = DEFAULT_GRID
    elif is_day_case(args.case):
        space = DEFAULT_DAY_SPACE
    fixed = read_settings(args.settings or ())
    words = [(word.partition("=")[0], word) for word in space]
    if args.scheduler == "pbt":
        words = [(name, word) for name, word in words if name in RATES_AND_NOISE]
    family = None if args.algorithm is None else ALGORITHMS[args.algorithm].family
    return tuple(word for name, word in words if name not in fixed and _is_taken(word, family))


def _is_taken(word: str, family: str | None) -> bool:
    """Whether a family has a setting, with all the values that a word of the space has."""
    space = read_space([word])
    try:
        for config in space.probes():
            for name, text in space.words(config).items():
                read_value(name, text, family)
    except CommandError:
        return False
    return True


def _check_space(args: SweepArgs, space: Space) -> None:
    if not space.dimensions:
        raise CommandError("--search: nothing is left to search beside --settings")
    fixed = read_settings(args.settings or ())
    given = {"case": args.case != CASE, "stages": args.stages != STAGES}
    given["algorithm"] = args.algorithm is not None
    for name in space.names:
        if name in fixed:
            raise CommandError(f"--search: {name} is fixed by --settings; leave it out of one")
        if name in args.given or given.get(name, False):
            raise CommandError(f"--search: {name} is fixed by {flag(name)}; leave it out of one")
        if args.scheduler == "pbt" and name not in RATES_AND_NOISE:
            raise CommandError(
                f"--scheduler pbt changes rates and noise alone ({', '.join(RATES_AND_NOISE)}); "
                f"{name} needs asha or none"
            )
    named = "algorithm" in space.names or args.algorithm is not None
    for name in ("stages", "critic"):
        if name in space.names and named:
            raise CommandError(f"--search: {name} is part of a named algorithm; search one of them")


def _check_together(args: SweepArgs) -> None:
    on_days = {case: is_day_case(case) for case in _cases(args)}
    if len(set(on_days.values())) > 1:
        day = next(case for case, days in on_days.items() if days)
        state = next(case for case, days in on_days.items() if not days)
        raise CommandError(
            f"--search: {day} has days and {state} has states, which no figure compares; search "
            "them one after the other"
        )
    if args.searcher == "grid":
        for dimension in args.space.dimensions:
            if isinstance(dimension, Range):
                low, high = dimension.low, dimension.high
                raise CommandError(
                    f"--searcher grid: {dimension.name} is a range; list its values, e.g. "
                    f"{dimension.name}={low:g}/{high:g}"
                )
        if args.trials is not None:
            raise CommandError(
                f"--trials: a grid has one trial for each combination, here {args.space.size}"
            )
    if args.scheduler == "pbt":
        if args.searcher != "random":
            raise CommandError(
                f"--scheduler pbt chooses values itself; --searcher {args.searcher} needs asha or "
                "none"
            )
        if args.wanted < 2:
            raise CommandError("--trials: 1 is out of bounds, pbt needs >= 2")
        if all(isinstance(d, Choice) for d in args.space.dimensions) and args.space.size < 2:
            raise CommandError("--scheduler pbt has nothing to perturb")
    if args.budget is not None and args.episodes is not None:
        raise CommandError("--budget conflicts with --episodes; give one of them")


def _resumed(args: SweepArgs, folder: Path) -> SweepArgs:
    """Return the arguments of the folder; refuse any option that would change them."""
    kept = load_sweep(folder)
    if args.out is not None and args.out.resolve() != folder.resolve():
        raise CommandError("--out conflicts with --resume, which goes on in its own folder")
    for name, value in kept.arguments().items():
        wish = getattr(args, name)
        if name in args.explicit() and wish != value:
            raise CommandError(
                f"{flag(name)} {_shown(wish)} conflicts with {_shown(value)} in "
                f"{folder / SWEEP_FILE}; leave the option out to go on with that sweep"
            )
    anew = {name: getattr(args, name) for name in _ANEW}
    return dataclasses.replace(kept, **anew, given=args.given)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
