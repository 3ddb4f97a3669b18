"""What ``python -m tuning train`` takes, and the checks made before any long work starts."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from policies.algorithms.registry import ALGORITHMS as REGISTRY
from tuning.errors import CommandError, did_you_mean
from tuning.options.algorithms import ALGORITHMS, Algorithm, AlgorithmName, staged
from tuning.options.arguments import (
    Address,
    Arguments,
    CaseSettings,
    MeterError,
    Option,
    check_meter_error,
    fits,
    flag,
    options,
)
from tuning.options.case_settings import METER_ERROR as _METER_ERROR
from tuning.options.case_settings import read_case_settings, write_case_settings
from tuning.options.cases import check_case
from tuning.options.recipe import Recipe
from tuning.options.settings import read_settings, write_settings
from tuning.records.checkpoints import parse_interval
from tuning.records.files import read_json
from tuning.records.run_folder import check_fresh, load_run

_NOT_CONFIGURATION = (
    "config",
    "out",
    "resume",
    "checkpoint_every",
    "keep",
    "address",
    "dashboard",
    "quiet",
    "physics",  # short for one of the case settings
)

# Options that older run folders do not have, as their trainings had them.
ADDED_LATER: dict[str, Any] = {"case_settings": None}


@dataclass(frozen=True, kw_only=True)
class TrainArgs(Arguments):
    """Options of ``train``. ``None`` stands for the preset's own value."""

    case: Annotated[str, Option("case to train on")] = "ieee13"
    meter_error: MeterError = 0.0
    case_settings: CaseSettings = None
    physics: Annotated[
        Literal["lindistflow", "ac"] | None,
        Option(
            "power flow to train and judge on, short for --case-settings physics=... (default: "
            "the case's)"
        ),
    ] = None
    preset: Annotated[
        Literal["fast", "paper"], Option("networks, learning rates and schedules")
    ] = "fast"
    algorithm: Annotated[
        AlgorithmName | None,
        Option("named algorithm, in place of --stages (default: plain stages)"),
    ] = None
    stages: Annotated[
        int, Option("number of stages K: 1 is MADDPG, 2 is TS-MADDPG", metavar="K")
    ] = 2
    episodes: Annotated[
        tuple[int, ...] | None,
        Option("episodes of each stage: one number for all, or K numbers (default: the preset's)"),
    ] = None
    critic: Annotated[
        Literal["shared", "separate"] | None,
        Option("one critic for all agents, or one for each (default: the preset's)"),
    ] = None
    critic_net: Annotated[
        Literal["paper", "quadratic-residual"] | None,
        Option("network of the critic (default: the preset's)"),
    ] = None
    updates_per_episode: Annotated[
        float | None, Option("gradient updates per episode (default: the preset's)")
    ] = None
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
    dashboard: Annotated[
        bool, Option("start Ray's dashboard and say where it is; takes some seconds")
    ] = False
    quiet: Annotated[bool, Option("print no progress, only the final table")] = False

    def named(self) -> Algorithm:
        """Return what the training runs."""
        if self.algorithm is not None:
            return ALGORITHMS[self.algorithm]
        return staged(self.stages, self.critic)

    def to_json(self) -> dict[str, Any]:
        """Return the configuration for ``config.json``: not where it goes or comes from."""
        values = {name: getattr(self, name) for name in _configuration_names()}
        return {
            k: list(v) if isinstance(v, tuple) else str(v) if isinstance(v, Path) else v
            for k, v in values.items()
        }


def check(args: TrainArgs) -> TrainArgs:
    """Check the options of ``train`` and complete them. Takes milliseconds, writes nothing.

    Args:
        args: As parsed, or made in Python.

    Returns:
        The arguments to run: ``episodes`` has one number per stage (or is still None), and with
        ``resume`` the configuration is that of the run folder.

    Raises:
        CommandError: A value out of its bounds, an unknown case, an ``out`` that holds something,
            a ``resume`` that is no run folder, or an option that conflicts with that folder.
    """
    parse_interval(args.checkpoint_every)
    _at_least(args, "keep", 1)
    args = _with_physics(args)
    if args.resume is not None:
        return _resumed(args)
    if args.config is not None:
        args = _from_file(args, args.config)
    check_case(args.case)
    args = _named(_with_settings(args))
    _check_numbers(args)
    args = with_case_settings(args)
    if args.on_top_of is not None:
        _check_below(args, args.on_top_of)
    if args.out is not None:
        check_fresh(args.out)
    return _stretched(args)


def _named(args: TrainArgs) -> TrainArgs:
    """Take stages and critic from the named algorithm, if one is named."""
    if args.algorithm is None:
        return args
    named = ALGORITHMS[args.algorithm]
    for name in ("stages", "critic"):
        wish = getattr(named, name)
        if wish is not None and name in args.explicit() and getattr(args, name) != wish:
            raise CommandError(
                f"{flag(name)} {getattr(args, name)} conflicts with --algorithm {args.algorithm}, "
                f"which has {wish}"
            )
    return dataclasses.replace(args, stages=named.stages, critic=named.critic or args.critic)


def _with_settings(args: TrainArgs) -> TrainArgs:
    """Check the settings and bring them into one form: none at all is None, and those that are
    options too stand in their options' place."""
    family = "maddpg" if args.algorithm is None else REGISTRY[args.algorithm].family
    settings = read_settings(args.settings or (), family)
    options_too: dict[str, Any] = {}
    for name in ("critic", "critic_net", "updates_per_episode"):
        if name in settings:
            options_too[name] = settings.pop(name)
            if name in args.explicit() and getattr(args, name) != options_too[name]:
                raise CommandError(
                    f"{flag(name)} {getattr(args, name)} conflicts with --settings "
                    f"{name}={options_too[name]}"
                )
    given = args.given | options_too.keys()
    words = write_settings(settings) or None
    return dataclasses.replace(args, **options_too, settings=words, given=given)


def _with_physics(args: TrainArgs) -> TrainArgs:
    """Put ``--physics`` among the case settings."""
    if args.physics is None:
        return args
    settings = (*(args.case_settings or ()), f"physics={args.physics}")
    given = args.given - {"physics"} | {"case_settings"}
    return dataclasses.replace(args, case_settings=settings, physics=None, given=given)


def _from_file(args: TrainArgs, path: Path) -> TrainArgs:
    """Fill in what the command line left open from a file of options."""
    content = read_json(path)
    stored = content.get("arguments", content)
    if not isinstance(stored, dict):
        raise CommandError(f"{path}: its arguments must be a JSON object")
    names = _configuration_names()
    for name in stored:
        if name not in names:
            hint, known = did_you_mean(name, names), ", ".join(names)
            raise CommandError(f"{path}: {name} is unknown{hint} (known: {known})")
    for field, kind, _ in options(TrainArgs):
        if field.name in stored and not fits(stored[field.name], kind):
            raise CommandError(f"{path}: {field.name} cannot be {json.dumps(stored[field.name])}")
    values = _from_json(stored)
    given = args.explicit()
    if "settings" in given:  # by name: those of the command line win
        values["settings"] = (*(values.get("settings") or ()), *(args.settings or ()))
    wanted = {k: v for k, v in values.items() if k == "settings" or k not in given}
    if {"stages", "critic"} & given and "algorithm" not in given:
        wanted.pop("algorithm", None)  # a name for what the command line changes
    return dataclasses.replace(args, **wanted)


def _check_below(args: TrainArgs, path: Path) -> None:
    """Refuse a run that no stage can be built on."""
    run = load_run(path)
    if args.stages < 2 or args.named().recurrent:
        raise CommandError(f"--on-top-of: {args.named().title} has no stage behind the first")
    if not run.checkpoint.is_dir():
        raise CommandError(f"--on-top-of: {path} holds no checkpoint/")
    trained = run.config().get("case_name")
    if trained != args.case:
        raise CommandError(f"--on-top-of: {path} was trained on {trained}, not on {args.case}")


def _check_numbers(args: TrainArgs) -> None:
    _at_least(args, "stages", 1)
    for episodes in args.episodes or ():
        if episodes <= 0:
            raise CommandError(f"--episodes: {episodes} is out of bounds, must be > 0")
    given = len(args.episodes) if args.episodes is not None else 1
    if given not in (1, args.stages):
        raise CommandError(
            f"--episodes: {given} numbers for {args.stages} stage(s), "
            f"must be 1 or {args.stages} (see --stages)"
        )
    updates = args.updates_per_episode
    if updates is not None and not (math.isfinite(updates) and updates > 0):
        raise CommandError(f"--updates-per-episode: {updates} is out of bounds, must be > 0")
    check_meter_error(args.meter_error)
    gpus = args.num_gpus_per_learner
    if not (math.isfinite(gpus) and gpus >= 0):
        raise CommandError(f"--num-gpus-per-learner: {gpus} is out of bounds, must be >= 0")
    _at_least(args, "seed", 0)
    _at_least(args, "num_env_runners", 0)
    _at_least(args, "num_learners", 0)
    if args.num_envs is not None:
        _at_least(args, "num_envs", 1)


def _at_least(args: TrainArgs, name: str, bound: int) -> None:
    value = getattr(args, name)
    if value < bound:
        raise CommandError(f"{flag(name)}: {value} is out of bounds, must be >= {bound}")


def _stretched(args: TrainArgs) -> TrainArgs:
    """Repeat a single number of episodes for every stage."""
    if args.episodes is None or len(args.episodes) == args.stages:
        return args
    return dataclasses.replace(args, episodes=args.episodes * args.stages)


def _resumed(args: TrainArgs) -> TrainArgs:
    """Return the configuration of the folder; refuse any explicit option that differs from it."""
    assert args.resume is not None
    run = load_run(args.resume)
    if not os.access(run.path, os.W_OK):
        raise CommandError(f"--resume: {run.path} is read-only")
    stored = run.config().get("arguments")
    names = _configuration_names()
    if isinstance(stored, dict):
        stored = {**ADDED_LATER, **stored}
    if not isinstance(stored, dict) or not set(names) <= set(stored):
        raise CommandError(f"{run.config_file}: names no training arguments, cannot be resumed")
    values = _from_json({name: value for name, value in stored.items() if name in names})
    kept = dataclasses.replace(args, **values, out=None)
    explicit = args.explicit()
    if args.out is not None and args.out.resolve() != args.resume.resolve():
        raise CommandError("--out conflicts with --resume, which goes on in its own folder")
    asked = _stretched(_with_settings(dataclasses.replace(args, stages=kept.stages)))
    named = with_case_settings(dataclasses.replace(asked, case=kept.case))
    asked = dataclasses.replace(
        asked, meter_error=named.meter_error, case_settings=named.case_settings
    )
    explicit |= named.given & {"meter_error"}
    for name in names:
        wish = args.stages if name == "stages" else getattr(asked, name)
        shown = wish if name == "meter_error" else getattr(args, name)
        if name in explicit and wish != values[name]:
            raise CommandError(
                f"{flag(name)} {_shown(shown)} conflicts with {_shown(values[name])} "
                f"in {run.config_file}; leave the option out to go on with that run"
            )
    return kept


def _from_json(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `TrainArgs.to_json`."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    if values.get("on_top_of") is not None:
        values["on_top_of"] = Path(values["on_top_of"])
    return values


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _configuration_names() -> list[str]:
    names = [field.name for field, _, _ in options(TrainArgs)]
    return [name for name in names if name not in _NOT_CONFIGURATION]


def with_case_settings(args: TrainArgs) -> TrainArgs:
    """Check the changes to the case and bring them into one form; an error of meters goes to its
    own option.

    Raises:
        CommandError: Changes that are refused, or conflict with ``--meter-error`` or the stages.
    """
    settings = read_case_settings(args.case, args.case_settings or ())
    if _METER_ERROR in settings:
        error = float(settings.pop(_METER_ERROR))
        if "meter_error" in args.explicit() and args.meter_error != error:
            raise CommandError(
                f"--meter-error {args.meter_error} conflicts with --case-settings "
                f"{_METER_ERROR}={error}"
            )
        args = dataclasses.replace(args, meter_error=error, given=args.given | {"meter_error"})
    args = dataclasses.replace(args, case_settings=write_case_settings(settings) or None)
    _check_time(args, settings)
    return args


def case_changes(args: TrainArgs) -> dict[str, Any]:
    """Return all fields in which the case of a training differs from the one it names."""
    settings = read_case_settings(args.case, args.case_settings or ())
    return {_METER_ERROR: args.meter_error, **settings}


def _check_time(args: TrainArgs, settings: Mapping[str, Any]) -> None:
    """Refuse probes that leave no time for the action, before anything is trained."""
    algorithm = args.named()
    actions = args.stages + algorithm.rounds - 1 + algorithm.recurrent
    share = float(settings.get("probe_share", 0.0))
    if not math.isclose((actions - 1) * share, 1.0) and (actions - 1) * share < 1.0:
        return
    raise CommandError(
        f"--case-settings: {actions - 1} probes of probe_share={share:g} leave no time for the "
        "action: lower it, or train fewer stages"
    )


def as_recipe(args: TrainArgs) -> Recipe:
    """The recipe of checked arguments."""
    values = args.to_json()
    words = list(values.pop("settings") or ())
    for name in ("critic", "critic_net", "updates_per_episode"):
        value = values.pop(name)
        if value is not None and (name != "critic" or args.algorithm is None):
            words.append(f"{name}={value}")
    return Recipe.from_json({**values, "settings": words}).checked()
