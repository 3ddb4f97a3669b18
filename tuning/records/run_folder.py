"""What a run folder holds, and how it is written: whole files or nothing.

``report.json``, ``config.json``, ``progress.csv``, ``controllers/``, ``checkpoint/`` and PNGs.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.errors import CommandError
from tuning.records.files import plain, read_json, write_csv, write_json
from tuning.records.provenance import git_commit, versions

if TYPE_CHECKING:
    from rllib_grid import Case, DayCase

RUNS = Path("runs")
CHECKSUM = "sha256"


@dataclass(frozen=True)
class RunFolder:
    """The names inside one run folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """Case, arguments, versions: written first; it makes the folder a run folder."""
        return self.path / "config.json"

    @property
    def report_file(self) -> Path:
        """Everything the printed tables and the pictures show: written last."""
        return self.path / "report.json"

    @property
    def progress_file(self) -> Path:
        """One row per progress line of the training."""
        return self.path / "progress.csv"

    @property
    def controllers(self) -> Path:
        """Folder of the exported controllers."""
        return self.path / "controllers"

    @property
    def checkpoint(self) -> Path:
        """Folder of the last complete checkpoint; absent before the first one."""
        return self.path / "checkpoint"

    def config(self) -> dict[str, Any]:
        """Return ``config.json``."""
        return read_json(self.config_file)

    def report(self) -> dict[str, Any]:
        """Return ``report.json`` without its checksum.

        Raises:
            CommandError: It cannot be read, or is not as it was written.
        """
        content = read_json(self.report_file)
        if content.pop(CHECKSUM, None) != _checksum(content):
            raise CommandError(
                f"{self.report_file} is not as it was written (its {CHECKSUM} differs): bring the "
                "file back or train anew"
            )
        return content

    def case(self) -> Case | DayCase:
        """Return the case that the run was trained on, from ``config.json``.

        Raises:
            CommandError: There is none, or one that cannot be read.
        """
        from rllib_grid import Case, DayCase

        config = self.config()
        content = config.get("case")
        if "day_case" in config:
            name = config.get("day_case_name", "NAME")
            raise CommandError(
                f"{self.path} holds days of an earlier version: train anew with train --case {name}"
            )
        if not isinstance(content, dict):
            raise CommandError(f"{self.config_file}: holds no case")
        try:
            return (DayCase if "profiles" in content else Case).from_dict(content)
        except (KeyError, TypeError) as error:
            raise CommandError(f"{self.config_file}: its case cannot be read: {error!r}") from error

    @property
    def on_days(self) -> bool:
        """Whether the run was trained on days; see `case`."""
        from rllib_grid import DayCase

        return isinstance(self.case(), DayCase)

    def state_case(self, otherwise: str) -> Case:
        """Return the case of a run on states.

        Args:
            otherwise: What to say of a run on days.

        Raises:
            CommandError: It is one on days.
        """
        from rllib_grid import Case

        case = self.case()
        if not isinstance(case, Case):
            raise CommandError(f"{self.path} is a run on days: {otherwise}")
        return case

    def progress(self) -> list[dict[str, str]]:
        """Return the rows of ``progress.csv``, as text; none if there is no such file."""
        if not self.progress_file.is_file():
            return []
        with self.progress_file.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def write_config(self, case: Case | DayCase, **entries: Any) -> None:
        """Write ``config.json``: the whole case, ``entries``, versions and git commit."""
        content = {"case_name": case.name, **entries, "case": case.to_dict()}
        content |= {"versions": versions(), "git_commit": git_commit(), "command": sys.argv}
        write_json(self.config_file, content)

    def write_chosen(self, chosen: Mapping[str, Any]) -> None:
        """Add to ``config.json`` the settings that were left to the case."""
        write_json(self.config_file, {**self.config(), "chosen": chosen})

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write ``report.json``, with a checksum of all the rest."""
        content = plain(report)
        write_json(self.report_file, {**content, CHECKSUM: _checksum(content)})

    def write_progress(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write ``progress.csv`` anew with all ``rows`` so far."""
        write_csv(self.progress_file, rows)


def check_fresh(path: Path) -> None:
    """Refuse an output folder that holds something, or is a file.

    Raises:
        CommandError: ``path`` exists and is not an empty folder.
    """
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise CommandError(f"--out: {path} exists already, nothing is overwritten; name a new one")


def create_run(out: Path | None, name: str) -> RunFolder:
    """Make the folder of a new run.

    Args:
        out: Where; None for a fresh ``runs/<name>-<timestamp>``.
        name: What the run is, e.g. ``ieee13-fast-seed0``.

    Returns:
        The folder, existing and empty.

    Raises:
        CommandError: ``out`` exists and is not an empty folder, or cannot be made.
    """
    if out is None:
        name = re.sub(r"[^\w.=-]+", "-", name).strip("-")  # a case may be a path, or have a colon
        stamped = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = [stamped, *(f"{stamped}-{i}" for i in range(2, 100))]
        out = next(RUNS / name for name in names if not (RUNS / name).exists())
    check_fresh(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--out: {out} cannot be made: {error.strerror}") from error
    return RunFolder(out)


def load_run(path: Path) -> RunFolder:
    """Open the folder of an earlier run.

    Raises:
        CommandError: ``path`` is not a run folder.
    """
    if not path.is_dir():
        raise CommandError(f"{path} is not a run folder: there is no such folder")
    run = RunFolder(path)
    if not run.config_file.is_file():
        raise CommandError(f"{path} is not a run folder: config.json is missing")
    run.config()
    return run


def finished_run(path: Path) -> RunFolder:
    """Open the folder of a run whose controllers are there.

    Raises:
        CommandError: ``path`` is not a run folder, or its training has not come to its end.
    """
    run = load_run(path)
    if not run.controllers.is_dir():
        raise CommandError(f"{path} holds no controllers/ yet; finish its training first")
    return run


def _checksum(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, however it is laid out in a file."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
