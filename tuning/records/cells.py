"""The cells of a campaign: one run folder per case, algorithm and seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from tuning.records.run_folder import RunFolder


@dataclass(frozen=True)
class Cell:
    """One training of a campaign.

    Attributes:
        out: Folder of the campaign.
        case: Name of the case.
        algorithm: As ``--algorithm`` names it; in an ablation, the change.
        seed: Of the training.
    """

    out: Path
    case: str
    algorithm: str
    seed: int

    @property
    def path(self) -> Path:
        """The run folder; what no file system takes in a name is percent-encoded."""
        return self.out / quote(self.case, safe="=") / self.algorithm / f"seed{self.seed}"

    @property
    def run(self) -> RunFolder:
        """The names inside the run folder."""
        return RunFolder(self.path)

    @property
    def error_file(self) -> Path:
        """Traceback of the last failure, beside the run folder; absent if it did not fail."""
        return self.path.with_name(self.path.name + ".error.txt")

    @property
    def begun(self) -> bool:
        """Whether there is a training to go on with."""
        return self.run.config_file.is_file()

    @property
    def finished(self) -> bool:
        """Whether there is a report: written last, it makes a run complete."""
        return self.begun and self.run.report_file.is_file()

    def __str__(self) -> str:
        return f"{self.case} {self.algorithm} seed {self.seed}"


def find_cells(out: Path) -> list[Cell]:
    """Return the cells that a folder holds, begun or not, by case, algorithm and seed."""
    found = []
    for path in out.glob("*/*/seed*"):
        number = re.fullmatch(r"seed(\d+)", path.name)
        if number is not None and path.is_dir():
            algorithm, case = path.parent.name, unquote(path.parent.parent.name)
            found.append(Cell(out, case, algorithm, int(number[1])))
    return sorted(found, key=lambda cell: (cell.case, cell.algorithm, cell.seed))
