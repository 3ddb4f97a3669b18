"""``python -m tuning limits``: the information limits of a case, in a table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from rllib_grid import make_case
from tuning.commands.limits import LimitsArgs
from tuning.drawing.live import LiveBars, console_for
from tuning.judging.information_limits.budget import FULL_STATE, Budget
from tuning.judging.information_limits.cache import LIMITS_JSON, limits_folder
from tuning.judging.information_limits.search import find_limits
from tuning.judging.information_limits.stage_fit import Watch
from tuning.judging.samples import CDF_AT_PER_CENT

_FILE_WIDTH = 120  # columns, where the output is no terminal
_ROWS: tuple[tuple[str, str, float, int], ...] = (  # name, figure, factor, decimals
    ("mean PER, %", "per_mean", 100, 3),
    ("  95 % interval, +-", "half", 100, 3),
    *((f"Pr(PER < {x} %), %", f"cdf_{x}", 100, 1) for x in CDF_AT_PER_CENT),
    ("mean regret, kW", "regret_kw_mean", 1, 5),
    ("regret / optimum, %", "regret_ratio", 100, 3),
    ("voltage violated, %", "voltage_violation_rate", 100, 2),
    ("  at most, p.u.", "voltage_violation_max_pu", 1, 4),
    ("seconds", "wall_s", 1, 0),
)


def run_limits(args: LimitsArgs) -> None:
    """Compute the limits of a case, or take them from the cache, and print their table.

    Args:
        args: As returned by `tuning.commands.limits.check`.

    Raises:
        CommandError: The cache cannot be read or written.
        KeyboardInterrupt: After Ctrl-C; stages that are done are kept.
    """
    case = make_case(args.case, meter_error_pu=args.meter_error)
    budget = Budget(updates=args.updates)
    console = console_for()
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these products are too small to share; and results stay the same
    try:
        with _Shown(console, args.stages, budget) as shown:
            content = find_limits(
                case, args.stages, budget, args.seed, out=args.out, watch=shown.watch
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stages that are done are kept; the same command goes on") from None
    finally:
        torch.set_num_threads(threads)
    console.print(_title(content), soft_wrap=True)
    console.print(limits_table(content, args.stages))
    for folder in filter(None, (limits_folder(case, budget, args.seed), args.out)):
        console.print(f"{folder / LIMITS_JSON}", soft_wrap=True)


def _title(content: Mapping[str, Any]) -> str:
    budget = content["budget"]
    title: str = (
        f"{content['case_name']}, information limits, {budget['updates']:,} updates of "
        f"{budget['batch']} states, width {budget['width']}, seed {content['seed']}"
    )
    error = content["case"]["meter_error_pu"]
    return title + (f", meters err by {error:g} p.u." if error else "")


def limits_table(content: Mapping[str, Any], stages: int) -> Table:
    """Return the table of the limits: fractions become per cent.

    Args:
        content: Of limits.json.
        stages: K; limits of more stages are left out.
    """
    entries = {int(entry["stage"]): entry for entry in content["limits"]}
    columns = {"team\nrule": _cells(content["team_rule"])}
    columns |= {f"stage\n{k}": _cells(entries[k]) for k in range(1, stages + 1)}
    columns["full\nstate"] = _cells(entries[FULL_STATE])
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    for head in columns:
        table.add_column(head, justify="right")
    for row, name in enumerate(name for name, *_ in _ROWS):
        style = "bold" if row == 0 else None
        table.add_row(name, *(cells[row] for cells in columns.values()), style=style)
    return table


def _cells(entry: Mapping[str, Any]) -> list[str]:
    low, high = entry["per_ci95"]
    half = None if low is None or high is None else (high - low) / 2
    values = {**entry, "half": half, **{f"cdf_{x}": p for x, p in entry["per_cdf"].items()}}
    cells = []
    for _, key, factor, decimals in _ROWS:
        value = values.get(key)
        cells.append("" if value is None else f"{factor * value:.{decimals}f}")
    return cells


class _Shown(LiveBars):
    """Progress: one bar per stage on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, stages: int, budget: Budget) -> None:
        super().__init__(console)
        self._stages, self._updates = stages, budget.updates

    def watch(self, stage: int) -> Watch:
        """Return the function that shows one stage."""
        name = "full state" if stage == FULL_STATE else f"stage {stage}/{self._stages}"
        task = self.bars.add_task(name, total=self._updates)
        begun = time.monotonic()

        def show(updates: int, cost_kw: float) -> None:
            speed = updates / max(time.monotonic() - begun, 1e-9)
            text = (
                f"{name}  updates {updates:,}/{self._updates:,}  cost {cost_kw:.3f} kW  "
                f"{speed:,.0f} updates/s"
            )
            self.bars.update(task, completed=updates, description=text)
            if self.line_is_due(at_once=updates == self._updates):
                left = (self._updates - updates) / speed
                self.print(f"{text}  {left:.0f} s left of it")

        return show
