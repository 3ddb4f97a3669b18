"""What a run folder holds, and how it is written: whole files or nothing.

``report.json``, ``config.json``, ``progress.csv``, ``controllers/``, ``checkpoint/`` and PNGs.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tuning.errors import CommandError

if TYPE_CHECKING:
    from rllib_grid import Case, DayCase

RUNS = Path("runs")
CHECKSUM = "sha256"
_PACKAGES = (
    "ray",
    "torch",
    "numpy",
    "scipy",
    "cvxpy",
    "gymnasium",
    "safetensors",
    "matplotlib",
    "optuna",
)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of ``path`` once it is complete and on disk.

    Args:
        path: File to write; its folder is made if need be.

    Yields:
        A binary file. If the block raises, it is removed and ``path`` stays as it was.

    Raises:
        CommandError: The folder or file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make one clear line of a full disk, a read-only folder and the like.

    Args:
        path: What the block writes.

    Raises:
        CommandError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise CommandError(f"{path} cannot be written: {reason}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as JSON, atomically. Numbers of a list stand on one line.

    NaN and infinity become null; numpy arrays and numbers are accepted.
    """
    text = json.dumps(plain(content), indent=2, allow_nan=False) + "\n"
    text = re.sub(r"\[\n[^][{}\"]*\]", lambda match: " ".join(match[0].split()), text)
    with replacing(path) as file:
        file.write(text.encode())


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows`` under one header, atomically; columns in order of first appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CommandError: The file is missing, is no JSON, or holds something else than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CommandError(f"{path} must hold a JSON object, not a {type(content).__name__}")
    return content


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

    def state_case(self, command: str) -> Case:
        """Return the case of a run on states.

        Args:
            command: That takes no other, for the error.

        Raises:
            CommandError: The run is one on days.
        """
        from rllib_grid import Case

        case = self.case()
        if not isinstance(case, Case):
            raise CommandError(
                f"{self.path} is a run on days, of which {command} has nothing to say"
            )
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


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages a result depends on."""
    found = {"python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """Return the commit of this code, with ``+changes`` if files differ from it; None if none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _checksum(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, however it is laid out in a file."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return a value in JSON's own types: NaN and infinity as null, arrays as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # a numpy array or number
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
