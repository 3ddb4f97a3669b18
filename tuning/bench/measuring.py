"""Ways to do a thing measured in turns: machines differ and are noisy, so quote the ratios.

Sides of a comparison live at the same time and take turns, several times over, so a ratio does not
hang on what else the machine did.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.table import Table

from tuning.records.files import write_json
from tuning.records.provenance import versions

ROUNDS = 5  # turns of each side of a comparison
LANES = 4096  # feeders stepped at once

Sides = dict[str, Callable[[], int]]
Rates = dict[str, dict[str, float]]  # by what is measured, then by side


def rates_of(sides: Sides, seconds: float) -> dict[str, float]:
    """Rates of several ways to do a thing, measured in turns.

    Args:
        sides: Each does some work when called and returns how much it did.
        seconds: For each side, over all rounds.

    Returns:
        Median over the rounds of work per second, by side.
    """
    for side in sides.values():
        side()  # what is made at first use
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            done, started = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - started) < seconds / ROUNDS:
                done += side()
            rates[name].append(done / elapsed)
    return {name: statistics.median(values) for name, values in rates.items()}


def rate_table(title: str, results: Rates) -> Table:
    """Rates and ratios, to be printed."""
    table = Table("measured", "how", "rate", "ratio to it", box=box.SIMPLE, title=title)
    for column in table.columns[2:]:
        column.justify = "right"
    for name, rates in results.items():
        first = next(iter(rates.values()))
        for i, (how, rate) in enumerate(rates.items()):
            ratio = "" if i == 0 else f"{first / rate:,.2f}"
            digits = 0 if rate >= 100 else 1
            table.add_row(name if i == 0 else "", how, f"{rate:,.{digits}f}", ratio)
    table.caption = "ratio: the first way's rate over this way's"
    return table


def write_rates(path: Path, case: str, results: Rates) -> None:
    """Write rates with what they were measured on, atomically."""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    content = {"case": case, "machine": machine, "versions": versions(), "rates": results}
    write_json(path, content)
