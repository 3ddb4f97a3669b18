"""What ``python -m tuning bench`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tuning.arguments import Arguments, Option


@dataclass(frozen=True, kw_only=True)
class BenchArgs(Arguments):
    """Options of ``bench``."""

    case: Annotated[str, Option("case to measure on")] = "ieee13"
    seconds: Annotated[float, Option("time for each measurement, in seconds", metavar="S")] = 3.0
    seed: Annotated[int, Option("seed of states and networks")] = 0
    out: Annotated[
        Path | None,
        Option("folder of bench.json, new or empty (default: a fresh one under runs/)", "DIR"),
    ] = None
