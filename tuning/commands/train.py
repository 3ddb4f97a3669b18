"""What ``python -m tuning train`` takes, and the checks made before any long work starts."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from policies.algorithms.settings import SETTINGS
from policies.staged.setting import Value
from tuning.errors import CommandError, did_you_mean
from tuning.options.arguments import Arguments, Option, check_at_least, fits, flag, options
from tuning.options.case_settings import METER_ERROR, read_case_settings, write_case_settings
from tuning.options.cases import check_case
from tuning.options.recipe import Recipe
from tuning.options.settings import read_settings, read_value, write_settings
from tuning.options.shared import (
    PRESETS,
    STAGES,
    Address,
    CaseSettings,
    Dashboard,
    Episodes,
    MeterError,
    NamedAlgorithm,
    Preset,
    Profiles,
    Steps,
    TestDays,
)
from tuning.records.checkpoints import parse_interval
from tuning.records.files import read_json
from tuning.records.run_folder import check_fresh, load_run

SETTINGS_TOO = ("critic", "critic_net", "updates_per_episode")  # options that are settings


def _of_the_table(name: str) -> Option:
    """The option of a setting."""
    setting = SETTINGS[name]
    return Option(f"{setting.words} (default: the preset's)", choices=setting.choices)


@dataclass(frozen=True, kw_only=True)
class TrainArgs(Arguments):
    """Options of ``train``. ``None`` stands for the preset's own value."""

    case: Annotated[str, Option("case to train on, of states or of days")] = "ieee13"
    meter_error: MeterError = 0.0
    case_settings: CaseSettings = None
    physics: Annotated[
        Literal["lindistflow", "ac"] | None,
        Option(
            "power flow to train and judge on, short for --case-settings physics=... (default: "
            "the case's)"
        ),
    ] = None
    profiles: Profiles = None
    steps: Steps = None
    test_days: TestDays = None
    preset: Preset = PRESETS[0]
    algorithm: NamedAlgorithm = None
    stages: Annotated[
        int | None,
        Option(
            f"number of stages K: 1 is MADDPG, 2 is TS-MADDPG (default: {STAGES}, or the "
            "algorithm's)",
            metavar="K",
        ),
    ] = None
    episodes: Episodes = None
    critic: Annotated[str | None, _of_the_table("critic")] = None
    critic_net: Annotated[str | None, _of_the_table("critic_net")] = None
    updates_per_episode: Annotated[float | None, _of_the_table("updates_per_episode")] = None
    settings: Annotated[
        tuple[str, ...] | None,
        Option(
            "settings of the algorithm by name, several numbers divided by commas, e.g. "
            "actor_lr=1e-3 sigma=0.3,0.1 (default: the preset's)",
            metavar="NAME=VALUE",
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option(
            "JSON file of options by name, e.g. the config.json of a run or the best.json of a "
            "sweep; options given beside it win",
            metavar="FILE",
        ),
    ] = None
    seed: Annotated[int, Option("seed of networks, exploration and training states")] = 0
    on_top_of: Annotated[
        Path | None,
        Option(
            "take over the ended stages of this run, frozen, and train those that are left of "
            "--stages; its networks must be those of the preset and settings given here",
            metavar="RUN",
        ),
    ] = None
    out: Annotated[
        Path | None,
        Option("run folder, new or empty (default: a fresh one under runs/)", metavar="DIR"),
    ] = None
    resume: Annotated[
        Path | None,
        Option("go on with this run folder, with the configuration it holds", metavar="RUN"),
    ] = None
    checkpoint_every: Annotated[
        str,
        Option("time between checkpoints, such as 30s, or episodes, such as 5000", metavar="EVERY"),
    ] = "8s"
    keep: Annotated[
        int, Option("checkpoints to keep: checkpoint/ and those before it, numbered by iteration")
    ] = 1
    num_env_runners: Annotated[int, Option("extra sampling processes; 0 samples in this one")] = 0
    num_envs: Annotated[
        int | None, Option("feeders stepped at once in each sampler (default: the preset's)")
    ] = None
    num_learners: Annotated[int, Option("extra learner processes; 0 learns in this one")] = 0
    num_gpus_per_learner: Annotated[float, Option("GPUs of each learner")] = 0.0
    address: Address = None
    dashboard: Dashboard = False
    quiet: Annotated[bool, Option("print no progress, only the final table")] = False


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training to run: its recipe, and what no result depends on.

    Attributes:
        recipe: As `Recipe.checked` returns it.
        out: Run folder, new or empty; None for a fresh one under ``runs/``.
        resume: Run folder to go on with; the recipe is the one it holds.
        checkpoint_every: See `parse_interval`.
        keep: Checkpoints to keep.
        address: Of the Ray cluster to join; None for a Ray of this machine's own.
        dashboard: Whether Ray's dashboard is started.
        quiet: Whether no progress is shown.
    """

    recipe: Recipe
    out: Path | None = None
    resume: Path | None = None
    checkpoint_every: str = "8s"
    keep: int = 1
    address: str | None = None
    dashboard: bool = False
    quiet: bool = False


def resumed(folder: Path, **more: Any) -> Training:
    """Return the training that goes on with a run folder.

    Args:
        folder: Of a run that was begun.
        **more: Fields of `Training`.

    Raises:
        CommandError: It is no run folder, cannot be written to, or holds no recipe.
    """
    run = load_run(folder)
    if not os.access(run.path, os.W_OK):
        raise CommandError(f"--resume: {run.path} is read-only")
    run.case()  # refuses what an earlier version left
    return Training(recipe=Recipe.of_run(run), resume=folder, **more)


def check(args: TrainArgs) -> Training:
    """Check the options of ``train``. Takes milliseconds, writes nothing.

    Args:
        args: As parsed, or made in Python.

    Returns:
        The training; with ``resume`` its recipe is that of the run folder.

    Raises:
        CommandError: A value out of its bounds, an unknown case, an ``out`` that holds something,
            a ``resume`` that is no run folder, or an option that conflicts with that folder.
    """
    parse_interval(args.checkpoint_every)
    check_at_least("keep", args.keep, 1)
    names = ("checkpoint_every", "keep", "address", "dashboard", "quiet")
    more = {name: getattr(args, name) for name in names}
    if args.resume is not None:
        return _resumed(args, args.resume, more)
    if args.config is not None:
        args = _from_file(args, args.config)
    recipe = _recipe(args).checked()
    if args.out is not None:
        check_fresh(args.out)
    return Training(recipe=recipe, out=args.out, **more)


def _recipe(args: TrainArgs) -> Recipe:
    """Fill a recipe, not yet checked, with the options that results depend on."""
    check_case(args.case)
    words = args.case_settings or ()
    words += (f"physics={args.physics}",) if args.physics is not None else ()
    case_settings = read_case_settings(args.case, words)
    meter_error = float(case_settings.pop(METER_ERROR, args.meter_error))
    if meter_error != args.meter_error and "meter_error" in args.explicit():
        raise CommandError(
            f"--meter-error {args.meter_error} conflicts with --case-settings "
            f"{METER_ERROR}={meter_error}"
        )
    settings = read_settings(args.settings or ())
    for name, value in _settings_too(args).items():
        if settings.get(name, value) != value:
            raise CommandError(
                f"{flag(name)} {value} conflicts with --settings {name}={settings[name]}"
            )
        settings[name] = value
    found: dict[str, Any] = {
        "case_settings": case_settings,
        "meter_error": meter_error,
        "settings": settings,
    }
    same = [f.name for f in dataclasses.fields(Recipe) if f.name not in found]
    return Recipe(**found, **{name: getattr(args, name) for name in same})


def _settings_too(args: TrainArgs) -> dict[str, Value]:
    """Return the settings that have an option of their own, where it was given."""
    found = {}
    for name in SETTINGS_TOO:
        value = getattr(args, name)
        if value is None:
            continue
        try:
            found[name] = read_value(name, str(value))
        except CommandError as error:
            line = str(error).replace(f"--settings: {name}=", f"{flag(name)}: ")
            raise CommandError(line) from error
    return found


def _from_file(args: TrainArgs, path: Path) -> TrainArgs:
    """Fill in what the command line left open from a file of options."""
    content = read_json(path)
    stored = content.get("arguments", content)
    if not isinstance(stored, dict):
        raise CommandError(f"{path}: its arguments must be a JSON object")
    kinds = {f.name: (kind, option) for f, kind, option in options(TrainArgs)}
    names = [*(f.name for f in dataclasses.fields(Recipe)), *SETTINGS_TOO]
    for name, value in stored.items():
        if name not in names:
            hint, known = did_you_mean(name, names), ", ".join(names)
            raise CommandError(f"{path}: {name} is unknown{hint} (known: {known})")
        kind, option = kinds[name]
        if not fits(value, kind, option.choices):
            raise CommandError(f"{path}: {name} cannot be {json.dumps(value)}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    for name in ("profiles", "on_top_of"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    given = args.explicit()
    by_hand = _settings_by_hand(args)
    words = [w for w in values.get("settings") or () if w.partition("=")[0] not in by_hand]
    values["settings"] = (*words, *(args.settings or ()))
    wanted = {k: v for k, v in values.items() if k == "settings" or k not in given | by_hand}
    if "algorithm" in given:  # which has stages of its own
        wanted.pop("stages", None)
    elif {"stages", "critic"} & given:
        wanted.pop("algorithm", None)  # a name for what the command line changes
    return dataclasses.replace(args, **wanted)


def _settings_by_hand(args: TrainArgs) -> set[str]:
    """Names of the settings that the command line itself says, as an option or a setting."""
    options_too = {name for name in SETTINGS_TOO if getattr(args, name) is not None}
    return options_too | {word.partition("=")[0] for word in args.settings or ()}


def _resumed(args: TrainArgs, folder: Path, more: dict[str, Any]) -> Training:
    """Return the training of the folder; refuse any explicit option that differs from it."""
    training = resumed(folder, **more)
    if args.out is not None and args.out.resolve() != folder.resolve():
        raise CommandError("--out conflicts with --resume, which goes on in its own folder")
    kept, given = training.recipe, args.explicit()
    asked = _recipe(args if "case" in given else dataclasses.replace(args, case=kept.case))
    for name, wish, own in _wishes(args, asked, kept):
        if wish != own:
            raise CommandError(
                f"{flag(name)} {_shown(wish)} conflicts with {_shown(own)} in "
                f"{folder / 'config.json'}; leave the option out to go on with that run"
            )
    return training


def _wishes(args: TrainArgs, asked: Recipe, kept: Recipe) -> Iterator[tuple[str, Any, Any]]:
    """Yield the options that were given: name, what they ask for and what the recipe has."""
    given = args.explicit() | ({"case_settings"} if args.physics is not None else set())
    given |= {"meter_error"} if asked.meter_error != args.meter_error else set()
    for name in (f.name for f in dataclasses.fields(Recipe)):
        if name not in given or name == "settings":
            continue
        wish, own = getattr(asked, name), getattr(kept, name)
        if name == "case_settings":
            wish, own = (write_case_settings(settings) or None for settings in (wish, own))
        if name == "episodes" and wish is not None and len(wish) == 1:
            wish *= kept.num_stages
        yield name, wish, own
    for name in _settings_too(args):
        yield name, asked.settings[name], kept.settings.get(name)
    if args.settings:
        named = read_settings(args.settings)
        held = {name: kept.settings[name] for name in named if name in kept.settings}
        yield "settings", write_settings(named), write_settings(held) or None


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
