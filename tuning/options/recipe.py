"""The recipe of a training: everything that its result depends on, and nothing else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from policies.algorithms.registry import ALGORITHMS, Algorithm, staged
from policies.staged.setting import Value
from tuning.errors import CommandError, did_you_mean
from tuning.options.arguments import check_at_least
from tuning.options.case_settings import (
    METER_ERROR,
    check_case_settings,
    read_case_settings,
    write_case_settings,
)
from tuning.options.cases import check_case, first_difference, is_day_case
from tuning.options.settings import check_settings, read_settings, write_settings
from tuning.options.shared import DAY_STEPS, PRESETS, STAGES, TEST_DAYS, check_meter_error
from tuning.records.checkpoints import find_checkpoint
from tuning.records.run_folder import RunFolder, load_run

if TYPE_CHECKING:
    from rllib_grid import Case, DayCase


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained, on what, and how. None, or no entry, stands for the preset's own value.

    Attributes:
        case: Name or file of the case.
        case_settings: Fields of the case that differ from it, by name.
        meter_error: Standard deviation of the error of each voltage reading, in p.u.
        profiles: File of days in place of the case's own; of cases of days alone, as the next two.
        steps: Steps per day; 24 if None.
        test_days: Test days to judge on, at most; 60 if None.
        preset: One of `PRESETS`.
        algorithm: Name in `ALGORITHMS`; None for plain stages.
        stages: Number of stages K; None for the algorithm's, or 2.
        episodes: Of each stage, one number for all of them or K.
        settings: Of the algorithm, by name; see `policies.algorithms.settings`.
        seed: Of networks, exploration and training states.
        on_top_of: Run whose ended stages are taken over.
        num_env_runners: Extra sampling processes.
        num_envs: Feeders stepped at once in each sampler.
        num_learners: Extra learner processes.
        num_gpus_per_learner: GPUs of each learner.
    """

    case: str = "ieee13"
    case_settings: Mapping[str, Any] = field(default_factory=dict)
    meter_error: float = 0.0
    profiles: Path | None = None
    steps: int | None = None
    test_days: int | None = None
    preset: str = "fast"
    algorithm: str | None = None
    stages: int | None = None
    episodes: tuple[int, ...] | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0
    on_top_of: Path | None = None
    num_env_runners: int = 0
    num_envs: int | None = None
    num_learners: int = 0
    num_gpus_per_learner: float = 0.0

    @property
    def on_days(self) -> bool:
        """Whether the case is one of days."""
        return is_day_case(self.case)

    @property
    def num_stages(self) -> int:
        """Number of stages K."""
        return self.named().stages if self.stages is None else self.stages

    def named(self) -> Algorithm:
        """Return what is trained."""
        if self.algorithm is not None:
            return ALGORITHMS[self.algorithm]
        critic = self.settings.get("critic")
        return staged(
            STAGES if self.stages is None else self.stages,
            critic if isinstance(critic, str) else None,
        )

    def case_changes(self) -> dict[str, Any]:
        """Return all fields in which the case differs from the one that is named."""
        meters = {} if self.on_days else {METER_ERROR: self.meter_error}
        return {**meters, **self.case_settings}

    def make_case(self) -> Case | DayCase:
        """Return the case, with all its changes.

        Raises:
            GridError: A file of profiles that cannot be used.
        """
        if self.on_days:
            return self._make_day_case()
        from rllib_grid import make_case

        return make_case(self.case, **self.case_changes())

    def _make_day_case(self) -> DayCase:
        from rllib_grid import make_day_case
        from rllib_grid.sources.profile_file import FileProfiles

        case = make_day_case(self.case, **self.case_changes())
        steps = DAY_STEPS[0] if self.steps is None else self.steps
        source: Any = case.profiles
        if self.profiles is not None:
            source = FileProfiles(path=str(self.profiles.resolve()), num_steps=steps)
        else:
            source = dataclasses.replace(source, num_steps=steps)
        return case.replace(profiles=source)

    def checked(self) -> Recipe:
        """Check everything and bring it into one form. Takes milliseconds, writes nothing.

        Returns:
            The recipe with its stages, one number of episodes per stage (or still None), and of
            days their steps and test days; recipes of one training are equal.

        Raises:
            CommandError: A value out of its bounds, an unknown name, or things that do not go
                together, in the words of the command line.
        """
        check_case(self.case)
        check_meter_error(self.meter_error)
        check_name("--preset", self.preset, PRESETS)
        if self.algorithm is not None:
            check_name("--algorithm", self.algorithm, ALGORITHMS)
        recipe = self._of_days() if self.on_days else self._of_states()
        recipe = recipe._with_algorithm()._with_meter_error()
        recipe._check_numbers()
        recipe._check_time()
        if recipe.on_top_of is not None:
            recipe._check_below(recipe.on_top_of)
        return recipe._stretched()

    def _of_states(self) -> Recipe:
        for name in ("profiles", "steps", "test_days"):
            if getattr(self, name) is not None:
                option = "--" + name.replace("_", "-")
                raise CommandError(
                    f"{option}: {self.case} is a case of states; {option} goes with days, such as "
                    "ieee13-day"
                )
        return self

    def _of_days(self) -> Recipe:
        if self.meter_error or METER_ERROR in self.case_settings:
            raise CommandError(f"--meter-error: meters of {self.case} do not err; leave it out")
        if self.preset == "paper":
            raise CommandError(f"--preset: the paper has no days such as {self.case}; use fast")
        steps = DAY_STEPS[0] if self.steps is None else self.steps
        if steps not in DAY_STEPS:
            raise CommandError(f"--steps: {steps} is out of bounds, must be 24 or 96")
        test_days = TEST_DAYS if self.test_days is None else self.test_days
        check_at_least("test_days", test_days, 1)
        return dataclasses.replace(self, steps=steps, test_days=test_days)

    def _with_algorithm(self) -> Recipe:
        """Take stages from the named algorithm, if one is named, and check the settings for it."""
        named = self.named()
        if self.algorithm is not None:
            for name, wish in (("stages", self.stages), ("critic", self.settings.get("critic"))):
                own = getattr(named, name)
                if None not in (wish, own) and wish != own:
                    raise CommandError(
                        f"--{name} {wish} conflicts with --algorithm {self.algorithm}, "
                        f"which has {own}"
                    )
        settings = check_settings(self.settings, named.family)
        return dataclasses.replace(self, stages=named.stages, settings=settings)

    def _with_meter_error(self) -> Recipe:
        """Check the changes to the case; an error of meters goes to its own place."""
        settings = check_case_settings(self.case, self.case_settings)
        if METER_ERROR in settings:
            error = float(settings.pop(METER_ERROR))
            if self.meter_error not in (0.0, error):
                raise CommandError(
                    f"--meter-error {self.meter_error} conflicts with --case-settings "
                    f"{METER_ERROR}={error}"
                )
            return dataclasses.replace(self, meter_error=error, case_settings=settings)
        return dataclasses.replace(self, case_settings=settings)

    def _check_numbers(self) -> None:
        check_at_least("stages", self.num_stages, 1)
        for episodes in self.episodes or ():
            if episodes <= 0:
                raise CommandError(f"--episodes: {episodes} is out of bounds, must be > 0")
        given = len(self.episodes) if self.episodes is not None else 1
        if given not in (1, self.num_stages):
            raise CommandError(
                f"--episodes: {given} numbers for {self.num_stages} stage(s), "
                f"must be 1 or {self.num_stages} (see --stages)"
            )
        gpus = self.num_gpus_per_learner
        if not (math.isfinite(gpus) and gpus >= 0):
            raise CommandError(f"--num-gpus-per-learner: {gpus} is out of bounds, must be >= 0")
        for name in ("seed", "num_env_runners", "num_learners"):
            check_at_least(name, getattr(self, name), 0)
        if self.seed >= 2**32:
            raise CommandError(f"--seed: {self.seed} is out of bounds, must be < 2^32")
        if self.num_envs is not None:
            check_at_least("num_envs", self.num_envs, 1)

    def _check_time(self) -> None:
        """Refuse probes that leave no time for the action, before anything is trained."""
        algorithm = self.named()
        rounds = algorithm.rounds
        if algorithm.recurrent:
            default = algorithm.settings["num_rounds"].default
            rounds = cast(int, self.settings.get("num_rounds", default))
        actions = self.num_stages + rounds - 1
        share = float(self.case_settings.get("probe_share", 0.0))
        if not math.isclose((actions - 1) * share, 1.0) and (actions - 1) * share < 1.0:
            return
        raise CommandError(
            f"--case-settings: {actions - 1} probes of probe_share={share:g} leave no time for the "
            f"action: lower it, or train fewer {'rounds' if algorithm.recurrent else 'stages'}"
        )

    def _check_below(self, path: Path) -> None:
        """Refuse a run that no stage can be built on."""
        run = load_run(path)
        if self.num_stages < 2 or self.named().recurrent:
            raise CommandError(f"--on-top-of: {self.named().title} has no stage behind the first")
        if find_checkpoint(run) is None:
            raise CommandError(f"--on-top-of: {path} holds no checkpoint/")
        trained, asked = run.case(), self.make_case()
        name = first_difference(trained, asked, aside=(METER_ERROR,))
        if name == "name":
            raise CommandError(
                f"--on-top-of: {path} was trained on {trained.name}, not on {asked.name}"
            )
        if name is not None:
            values = [getattr(case, name) for case in (trained, asked)]
            short = all(isinstance(value, (str, int, float)) for value in values)
            raise CommandError(
                f"--on-top-of: {path} was trained on {trained.name} with "
                + ("{}={}, not {}".format(name, *values) if short else f"other {name}")
            )

    def _stretched(self) -> Recipe:
        """Repeat a single number of episodes for every stage."""
        if self.episodes is None or len(self.episodes) == self.num_stages:
            return self
        return dataclasses.replace(self, episodes=self.episodes * self.num_stages)

    def to_json(self) -> dict[str, Any]:
        """Return the ``arguments`` of ``config.json``, by the names of `train`'s options.

        Settings and changes to the case are ``NAME=VALUE``, as the command line has them.
        """
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["settings"] = list(write_settings(self.settings)) or None
        values["case_settings"] = list(write_case_settings(self.case_settings)) or None
        values["episodes"] = None if self.episodes is None else list(self.episodes)
        for name in ("profiles", "on_top_of"):
            values[name] = None if values[name] is None else str(values[name])
        return values

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_json`; what is missing has its default.

        Raises:
            CommandError: An unknown name, or settings that cannot be read.
        """
        names = [f.name for f in dataclasses.fields(cls)]
        for name in stored:
            if name not in names:
                hint, known = did_you_mean(name, names), ", ".join(names)
                raise CommandError(f"{name} is unknown{hint} (known: {known})")
        values = dict(stored)
        values["settings"] = read_settings(values.get("settings") or ())
        words = values.get("case_settings") or ()
        values["case_settings"] = read_case_settings(values.get("case", cls.case), words)
        if values.get("episodes") is not None:
            values["episodes"] = tuple(values["episodes"])
        for name in ("profiles", "on_top_of"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        return cls(**values)

    @classmethod
    def of_run(cls, run: RunFolder) -> Recipe:
        """Return the recipe of a training by its folder.

        Raises:
            CommandError: Its ``config.json`` holds none.
        """
        stored = run.config().get("arguments")
        if not isinstance(stored, dict) or "case" not in stored:
            raise CommandError(f"{run.config_file}: names no training arguments, cannot be resumed")
        try:
            return cls.from_json(stored)
        except CommandError as error:
            raise CommandError(
                f"{run.config_file} holds arguments of another version ({error}); train anew with "
                "the same command"
            ) from error


def check_name(option: str, name: str, known: Mapping[str, Any] | tuple[str, ...]) -> None:
    """Refuse a name that is none of those known.

    Raises:
        CommandError: With the nearest of them.
    """
    if name not in known:
        raise CommandError(
            f"{option}: {name} is unknown{did_you_mean(name, known)} (known: {', '.join(known)})"
        )
