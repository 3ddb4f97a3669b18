"""What ``python -m tuning day`` takes, and the checks made before any long work starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tuning.errors import CommandError
from tuning.options.arguments import Arguments, Option, flag, options
from tuning.options.settings import read_settings, write_settings
from tuning.records.checkpoints import parse_interval
from tuning.records.run_folder import check_fresh, load_run

if TYPE_CHECKING:
    from rllib_grid.cases.day_case import DayCase


_OF_THIS_START = {"out", "resume", "checkpoint_every", "quiet"}  # no result depends on them


@dataclass(frozen=True, kw_only=True)
class DayArgs(Arguments):
    """Options of ``day``. ``None`` stands for the preset's own value."""

    case: Annotated[str, Option("day case to train on")] = "ieee13-day"
    profiles: Annotated[
        Path | None,
        Option(
            "CSV file of days in place of the case's own: time, p_base_kw_1..n, q_base_kvar_1..n, "
            "price_eur_per_kwh, outdoor_c; a row per 15 minutes or hour",
            metavar="FILE",
        ),
    ] = None
    steps: Annotated[int, Option("steps per day, 24 or 96")] = 24
    stages: Annotated[
        int, Option("number of stages K: 1 is MADDPG, 2 is TS-MADDPG", metavar="K")
    ] = 2
    episodes: Annotated[
        tuple[int, ...] | None,
        Option("days of each stage: one number for all, or K numbers (default: the preset's)"),
    ] = None
    settings: Annotated[
        tuple[str, ...] | None,
        Option(
            "settings of the algorithm by name, as those of train (default: the preset's)",
            metavar="NAME=VALUE",
        ),
    ] = None
    gamma: Annotated[
        float | None, Option("discount per step, >= 0 and < 1 (default: the preset's)")
    ] = None
    test_days: Annotated[int, Option("test days to judge on, at most")] = 60
    seed: Annotated[int, Option("seed of networks, exploration and training days")] = 0
    out: Annotated[
        Path | None,
        Option("run folder, new or empty (default: a fresh one under runs/)", metavar="DIR"),
    ] = None
    resume: Annotated[
        Path | None, Option("go on with this run folder, as it was begun", metavar="RUN")
    ] = None
    checkpoint_every: Annotated[
        str,
        Option("time between checkpoints, such as 30s, or days, such as 5000", metavar="EVERY"),
    ] = "60s"
    quiet: Annotated[bool, Option("print no progress, only the final table")] = False

    def to_json(self) -> dict[str, Any]:
        """Return the arguments for ``config.json``: those that the result depends on."""
        names = {field.name for field, _, _ in options(DayArgs)} - _OF_THIS_START
        return {name: getattr(self, name) for name in sorted(names)}

    def make_case(self) -> DayCase:
        """Return the day case.

        Raises:
            GridError: An unknown case, or a file of profiles that cannot be used.
        """
        from rllib_grid.cases.day_presets import make_day_case
        from rllib_grid.sources.profile_file import FileProfiles

        case = make_day_case(self.case)
        source: Any = case.profiles
        if self.profiles is not None:
            source = FileProfiles(path=str(self.profiles.resolve()), num_steps=self.steps)
        else:
            source = dataclasses.replace(source, num_steps=self.steps)
        # How rewards are told to the learner; no cost depends on it.
        return case.replace(profiles=source, settle="stepwise", agent_reward="local")


def check(args: DayArgs) -> DayArgs:
    """Check the options of ``day``. Writes nothing.

    Returns:
        The arguments to run: ``episodes`` has one number per stage, or is None; with ``resume``
        they are those of the run folder.

    Raises:
        CommandError: A value out of its bounds, an ``out`` that holds something, a ``resume`` that
            is no run of days, or an option beside it.
    """
    parse_interval(args.checkpoint_every)
    if args.resume is not None:
        return _resumed(args, args.resume)
    for name in ("stages", "test_days"):
        if getattr(args, name) < 1:
            raise CommandError(
                f"{flag(name)}: {getattr(args, name)} is out of bounds, must be >= 1"
            )
    if args.steps not in (24, 96):
        raise CommandError(f"--steps: {args.steps} is out of bounds, must be 24 or 96")
    if args.gamma is not None and not 0 <= args.gamma < 1:
        raise CommandError(f"--gamma: {args.gamma} is out of bounds, must be >= 0 and < 1")
    if args.seed < 0:
        raise CommandError(f"--seed: {args.seed} is out of bounds, must be >= 0")
    for episodes in args.episodes or ():
        if episodes <= 0:
            raise CommandError(f"--episodes: {episodes} is out of bounds, must be > 0")
    given = len(args.episodes) if args.episodes is not None else args.stages
    if given not in (1, args.stages):
        raise CommandError(
            f"--episodes: {given} numbers for {args.stages} stage(s), must be 1 or {args.stages}"
        )
    if args.out is not None:
        check_fresh(args.out)
    episodes_ = args.episodes
    if episodes_ is not None and len(episodes_) == 1:
        episodes_ = episodes_ * args.stages
    settings = write_settings(read_settings(args.settings or ())) or None
    return dataclasses.replace(args, episodes=episodes_, settings=settings)


def _resumed(args: DayArgs, folder: Path) -> DayArgs:
    """Return the arguments that a run was begun with."""
    for name in sorted(args.explicit() - (_OF_THIS_START - {"out"})):
        raise CommandError(f"{flag(name)} does not go with --resume: {folder} has settled it")
    run = load_run(folder)
    if "day_case_name" not in run.config():
        raise CommandError(f"--resume: {folder} is no run of day")
    values = dict(run.config()["arguments"])
    for name in ("episodes", "settings"):
        values[name] = None if values[name] is None else tuple(values[name])
    if values["profiles"] is not None:
        values["profiles"] = Path(values["profiles"])
    return dataclasses.replace(args, **values)
