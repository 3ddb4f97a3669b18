"""Files that are written whole or not at all, and read with one clear line if they cannot be."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tuning.errors import CommandError


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


def clear_debris(path: Path) -> None:
    """Remove what a killed process left of a file it was writing in a folder, see `replacing`."""
    for part in path.glob(".*.part"):
        part.unlink(missing_ok=True)
