"""One training, all stages: checkpoints as it goes, judged at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.exceptions import RayActorError

from policies.staged.algorithm import StagedAlgorithm
from policies.staged.config import StagedConfig
from policies.staged.crew import RunnersLostError
from tuning.cluster.joining import joined
from tuning.cluster.local_ray import local_ray, quiet_rllib
from tuning.commands.train import Training
from tuning.errors import CommandError
from tuning.options.recipe import Recipe
from tuning.records.checkpoints import describe_checkpoints, find_checkpoint
from tuning.records.files import clear_debris, plain, writing
from tuning.records.run_folder import RunFolder, create_run, load_run
from tuning.subjects.kinds import subject_of
from tuning.subjects.subject import Subject, Trained
from tuning.training.configuration import make_config
from tuning.training.loop import go_on, run_loop


def run_training(training: Training) -> None:
    """Train, judge and report; go on with an earlier run if ``training.resume`` names one.

    Args:
        training: As `tuning.commands.train.check` returns it.

    Raises:
        CommandError: Settings that do not go together.
        KeyboardInterrupt: After Ctrl-C; says how to go on from the last checkpoint.
    """
    quiet_rllib()
    recipe = training.recipe
    subject = subject_of(recipe.make_case())
    config = make_config(recipe, subject)
    try:
        config.validate()
    except ValueError as error:
        raise CommandError(str(error)) from error
    subject.prepare()
    with joined(training.address, _remote(recipe), dashboard=training.dashboard):
        run = _open_run(training, subject)
        try:
            report = _train_and_judge(config, training, subject, run)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(go_on(run)) from None
    run.write_report(report)
    pictures = subject.draw_report(report, run.path)
    subject.show_report(report)
    names = ", ".join(path.name for path in pictures)
    kept = describe_checkpoints(run)
    print(f"{run.path}: report.json, progress.csv, controllers/, {kept}, {names}")


def _remote(recipe: Recipe) -> int:
    """Processes beside this one, a core each."""
    return recipe.num_env_runners + recipe.num_learners


def _train_and_judge(
    config: StagedConfig, training: Training, subject: Subject, run: RunFolder
) -> dict[str, Any]:
    """Train from the last checkpoint on, export, and return the report."""
    checkpoint = find_checkpoint(run)
    with local_ray(1 + _remote(training.recipe), dashboard=training.dashboard):
        algo = config.build_algo()
        try:
            if checkpoint is not None:
                algo.restore_from_path(str(checkpoint.resolve()))
            elif training.recipe.on_top_of is not None:
                _build_on(algo, load_run(training.recipe.on_top_of))
            _say_chosen(algo, training, run)
            run_loop(algo, training, subject, run)
            with writing(run.controllers):
                algo.export_controllers(run.controllers)
            return subject.report(
                Trained(
                    recipe=training.recipe,
                    team=algo.controllers(),
                    stages=algo.ended,
                    progress=run.progress(),
                    validation_episodes=algo.config.validation_episodes,
                )
            )
        except (RayActorError, RunnersLostError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise CommandError(
                f"a process of the training was lost ({reason}); what was saved is kept, "
                f"{go_on(run)}"
            ) from error
        finally:
            algo.stop()


def _say_chosen(algo: StagedAlgorithm, training: Training, run: RunFolder) -> None:
    """Write down what was left to the case; say so unless all is to be quiet."""
    chosen = algo.config.chosen
    if not chosen:
        return
    run.write_chosen(chosen)
    if not training.quiet:
        settings = algo.config.settings
        words = (f"{name}={settings[name].write(value)}" for name, value in _short(chosen).items())
        print("from the case:", *words)


def _short(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers with as many digits as tell something."""

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(item) for item in value]
        return float(f"{value:.3g}") if isinstance(value, float) else value

    return {name: short(value) for name, value in chosen.items()}


def _build_on(algo: StagedAlgorithm, below: RunFolder) -> None:
    """Take over the ended stages of another run.

    Raises:
        CommandError: They do not fit.
    """
    checkpoint = find_checkpoint(below)
    assert checkpoint is not None  # the recipe was checked
    earlier = type(algo).from_checkpoint(str(checkpoint.resolve()))
    try:
        algo.build_on(earlier)
    except ValueError as error:
        raise CommandError(f"--on-top-of: {below.path}: {error}") from error
    finally:
        earlier.stop()


def _open_run(training: Training, subject: Subject) -> RunFolder:
    if training.resume is not None:
        clear_debris(training.resume)
        run = load_run(training.resume)
        if run.config()["case"] != plain(subject.case.to_dict()):
            raise CommandError(
                f"--resume: {run.path} was begun with another case, or with another content of its "
                "file of profiles: bring that back"
            )
        return run
    recipe = training.recipe
    run = create_run(training.out, f"{recipe.case}-{recipe.preset}-seed{recipe.seed}")
    run.write_config(
        subject.case,
        algorithm=recipe.named().title,
        preset=recipe.preset,
        seed=recipe.seed,
        arguments=recipe.to_json(),
    )
    return run
