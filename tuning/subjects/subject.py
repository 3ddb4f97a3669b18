"""What a case offers the commands, whatever it is a case of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuning.commands.answers import EvaluateArgs
from tuning.options.recipe import Recipe
from tuning.records.measures import Measure
from tuning.records.run_folder import RunFolder
from tuning.subjects.progress_row import ProgressRow

if TYPE_CHECKING:
    from policies.controllers.agent import AgentController
    from policies.learning.schedule import StageCounts
    from rllib_grid import Case, DayCase

Team = Mapping[str, "AgentController"]  # by agent
Validate = Callable[[Team], dict[str, float]]  # columns of progress.csv by name


@dataclass(frozen=True)
class Trained:
    """A training that has ended, for its judge.

    Attributes:
        recipe: Of the training.
        team: The controllers of all stages.
        stages: What each stage has taken, the first one first.
        progress: Rows of ``progress.csv``, as text.
        validation_episodes: That selected which actors were frozen.
    """

    recipe: Recipe
    team: Team
    stages: Sequence[StageCounts]
    progress: Sequence[Mapping[str, str]]
    validation_episodes: int


def rate(stages: Sequence[StageCounts], count: str, seconds: str) -> float:
    """Return how much was done per second, over all stages; 0 where no time has passed.

    Args:
        stages: What each has taken.
        count: Name of what was done.
        seconds: Name of the time that it took.
    """
    passed = sum(getattr(work, seconds) for work in stages)
    return sum(getattr(work, count) for work in stages) / passed if passed > 0 else 0.0


def work_entry(work: StageCounts) -> dict[str, Any]:
    """Return what a stage has taken, as its entry in ``report.json`` begins."""
    names = ("stage", "episodes", "probes", "validation_probes", "updates", "wall_s")
    return {name: getattr(work, name) for name in names}


def learning_curve(progress: Sequence[Mapping[str, str]], column: str) -> list[dict[str, Any]]:
    """Return a column of ``progress.csv`` over the episodes of all stages.

    Args:
        progress: Its rows, as text.
        column: What is drawn.
    """
    return [
        {
            "stage": int(row["stage"]),
            "episodes": int(row["episodes_total"]),
            column: float(row[column]),
        }
        for row in progress
    ]


@dataclass(frozen=True)
class Metric:
    """One number of a training, as a Prometheus gauge.

    Attributes:
        name: Without Ray's prefix, the unit last; shares of 1 are ``ratio``.
        column: Of ``progress.csv``.
        meaning: One sentence with the unit.
    """

    name: str
    column: str
    meaning: str


class Subject(ABC):
    """A case, and what the commands ask of it.

    Attributes:
        measure: By what its trainings are compared.
        metrics: What is published of its validation.
        case: The case.
    """

    measure: ClassVar[Measure]
    metrics: ClassVar[tuple[Metric, ...]]
    case: Case | DayCase

    # --- training ---------------------------------------------------------------------------

    @abstractmethod
    def prepare(self) -> None:
        """Refuse now what could not be judged in the end.

        Raises:
            ValueError: Of one of the project's own classes.
        """

    @abstractmethod
    def environment(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the name of the registered environment, and its configuration.

        Args:
            recipe: Of the training.
        """

    @abstractmethod
    def preset(self, recipe: Recipe) -> dict[str, Any]:
        """Return the settings in which a recipe's preset differs from its algorithm's defaults."""

    @abstractmethod
    def validator(self, episodes: int, seed: int) -> Validate:
        """Return what judges a team on the validation set, for display alone.

        Args:
            episodes: In the validation set of the training.
            seed: Of its stream.
        """

    @abstractmethod
    def in_words(self, row: ProgressRow) -> str:
        """Return what a row of progress says of the validation."""

    # --- the report -------------------------------------------------------------------------

    @abstractmethod
    def report(self, trained: Trained) -> dict[str, Any]:
        """Judge every stage on the test set, which nothing has seen until now.

        Returns:
            The content of ``report.json``.
        """

    @abstractmethod
    def show_report(self, content: Mapping[str, Any]) -> None:
        """Print the table of a report.

        Args:
            content: Of ``report.json``.
        """

    @abstractmethod
    def draw_report(self, content: Mapping[str, Any], folder: Path) -> list[Path]:
        """Draw the pictures of a report; return their files.

        Args:
            content: Of ``report.json``.
            folder: Where to.
        """

    # --- other commands ---------------------------------------------------------------------

    @abstractmethod
    def evaluate(self, run: RunFolder, args: EvaluateArgs) -> None:
        """Run the controllers of a run on this case, write what they do, and print figures.

        Args:
            run: Folder of the run.
            args: As returned by `tuning.commands.answers.check_evaluate`.
        """

    @abstractmethod
    def draw(self, run: Path | None, states: int, folder: Callable[[], Path]) -> list[Path]:
        """Draw the case, and what rules do on it; return the files.

        Args:
            run: Whose controllers are shown too; none if None.
            states: Number of test states shown, where there are states.
            folder: Makes the folder that they are written to.
        """
