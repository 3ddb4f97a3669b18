"""The cells of a campaign: one run folder per case, algorithm and seed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tuning.errors import CommandError
from tuning.records.run_folder import RunFolder

_LOCK_POLL_S = 0.2


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
        """The run folder."""
        return self.out / self.case / self.algorithm / f"seed{self.seed}"

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
            algorithm, case = path.parent.name, path.parent.parent.name
            found.append(Cell(out, case, algorithm, int(number[1])))
    return sorted(found, key=lambda cell: (cell.case, cell.algorithm, cell.seed))


def clear_debris(path: Path) -> None:
    """Remove what a killed process left of a file it was writing (see `replacing`)."""
    for part in path.glob(".*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a folder for this process; the system frees it when the process ends, however it does.

    Args:
        path: Folder; made if missing.
        wait_s: How long to wait for another process to let go of it.

    Raises:
        CommandError: Another process holds it, or it cannot be made.
    """
    import fcntl

    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}") from error
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise CommandError(
                        f"another process is at work in {path}; wait for it or name another --out"
                    ) from None
                time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(folder)
