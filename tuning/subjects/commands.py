"""The commands that ask a case itself: ``evaluate``, ``show``, and ``report`` of one run."""

from __future__ import annotations

from pathlib import Path

from tuning.commands.answers import EvaluateArgs
from tuning.commands.show import ShowArgs
from tuning.errors import CommandError
from tuning.options.case_settings import read_case_settings
from tuning.options.recipe import Recipe
from tuning.records.run_folder import create_run, load_run
from tuning.subjects.kinds import subject_of


def run_evaluate(args: EvaluateArgs) -> None:
    """Run the controllers of a run over a file of states, or over days.

    Args:
        args: As returned by `tuning.commands.answers.check_evaluate`.

    Raises:
        ValueError: Bad input, of one of the project's own classes.
    """
    run = load_run(args.run)
    subject_of(run.case()).evaluate(run, args)


def run_show(args: ShowArgs) -> None:
    """Draw a case, and what rules and a run do on it.

    Args:
        args: As returned by `tuning.commands.show.check`.

    Raises:
        CommandError: A folder cannot be read or written, or no state has a feasible dispatch.
    """
    if args.run is not None:
        case = load_run(args.run).case()
    else:
        settings = read_case_settings(args.case, args.case_settings or ())
        case = Recipe(case=args.case, case_settings=settings).make_case()

    def folder() -> Path:
        return create_run(args.out, f"show-{case.name}").path

    files = subject_of(case).draw(args.run, args.states, folder)
    print(f"{files[0].parent}: {', '.join(file.name for file in files)}")


def report_run(folder: Path) -> list[Path]:
    """Remake the pictures of a run and print its table.

    Returns:
        The files.

    Raises:
        CommandError: The run is not finished.
    """
    run = load_run(folder)
    subject = subject_of(run.case())
    if not run.report_file.is_file():
        raise CommandError(f"{folder} holds no finished run: go on with train --resume {folder}")
    content = run.report()
    files = subject.draw_report(content, run.path)
    subject.show_report(content)
    return files
