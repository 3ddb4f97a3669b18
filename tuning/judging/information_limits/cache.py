"""Limits computed earlier, runs/limits/<case>-<hash of it>-<hash of the budget>-seed<seed>/."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rllib_grid import Case
from tuning.errors import CommandError
from tuning.judging.information_limits.budget import Budget
from tuning.records.files import read_json
from tuning.records.run_folder import RUNS

LIMITS_JSON = "limits.json"


def load_limits(case: Case) -> dict[int, float] | None:
    """Return the mean PER (a fraction) of every limit of a case that has been computed.

    Args:
        case: Exactly this case: another meter error is another case.

    Returns:
        By number of stages; the limit of the full state stands at `FULL_STATE` (0). Of several
        budgets the one with the most updates counts, figure by figure. None if there is none.

    Raises:
        CommandError: A file of the cache cannot be read, or holds another case.
    """
    found: dict[int, tuple[int, float]] = {}
    for path in sorted((RUNS / "limits").glob(f"*-{_digest(case.to_dict())}-*/{LIMITS_JSON}")):
        content = read_limits(path, case)
        updates = int(content["budget"]["updates"])
        for entry in content["limits"]:
            stage = int(entry["stage"])
            if entry["per_mean"] is None:  # no state of the case has a feasible dispatch
                continue
            if stage not in found or updates > found[stage][0]:
                found[stage] = (updates, float(entry["per_mean"]))
    return {stage: per for stage, (_, per) in sorted(found.items())} or None


def limits_folder(case: Case, budget: Budget, seed: int) -> Path:
    """Return the folder of the cache that holds limits.json and the actors of each stage."""
    name = re.sub(r"[^\w.]+", "-", case.name)
    work = _digest(dataclasses.asdict(budget))
    return RUNS / "limits" / f"{name}-{_digest(case.to_dict())}-{work}-seed{seed}"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:12]


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)


def read_limits(path: Path, case: Case) -> dict[str, Any]:
    """Read a file of the cache.

    Raises:
        CommandError: It cannot be read, or holds another case.
    """
    content = read_json(path)
    if not {"case", "budget", "limits"} <= set(content):
        raise CommandError(f"{path} is not a file of limits; delete its folder")
    if _canonical(content["case"]) != _canonical(case.to_dict()):
        raise CommandError(f"{path} holds the limits of another case; delete its folder")
    return content
