"""Cases in JSON files: a case of one's own, or the `config.json` of a run, which holds one."""

from __future__ import annotations

import json
from pathlib import Path

from rllib_grid.cases.case import Case
from rllib_grid.errors import GridError

SUFFIX = ".json"


def is_case_file(name: str) -> bool:
    """Whether the name of a case is meant as the path of a file."""
    return name.endswith(SUFFIX)


def load_case(path: str | Path) -> Case:
    """Read a case.

    Args:
        path: of a JSON object: `Case.to_dict()`, or one that holds it as "case".

    Raises:
        GridError: naming the file and what is wrong with it.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise GridError(f"cannot read case {path}: {error.strerror}") from None
    except ValueError as error:
        raise GridError(f"cannot read case {path}: not a JSON file: {error}") from None
    if isinstance(content, dict) and content.get("_class") == "pandapowerNet":
        raise GridError(
            f"{path} is a pandapower net, not a case; make one with: python -m tuning case --from "
            f"{path} --agents K --out case.json"
        )
    if isinstance(content, dict) and isinstance(content.get("case"), dict):
        content = content["case"]
    if not isinstance(content, dict):
        raise GridError(f"case {path} must hold a JSON object, not a {type(content).__name__}")
    try:
        return Case.from_dict(content)
    except GridError as error:
        raise GridError(f"case {path}: {error}") from None
    except (TypeError, KeyError, ValueError) as error:  # of lists and words in place of numbers
        reason = " ".join(str(error).split())
        raise GridError(f"case {path} cannot be read: {reason}") from None
