"""The live table of a campaign."""

from __future__ import annotations

import io

from rich.console import Console

from rllib_grid import make_case, make_day_case
from tuning.campaigns.progress import CampaignProgress
from tuning.records.cells import Cell


def test_table_of_all_cells(tmp_path, made_report):
    cells = [Cell(tmp_path, "ieee13", name, s) for name in ("maddpg-1", "iterated") for s in (0, 1)]
    cells[0].run.write_config(make_case("ieee13"))
    cells[0].run.write_report(made_report(per=(0.25,)))
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, highlight=False)
    with CampaignProgress(cells, dict.fromkeys(cells, 2_000), console=console) as shown:
        shown.set(cells[1], "running")
        cells[1].run.write_progress([{"episodes_total": 1_500, "validation_per": 0.125}])
        shown.set(cells[2], "failed")
        shown.refresh()
    printed = text.getvalue()
    per = cells[0].run.report()["stages"][-1]["per_mean"]
    for piece in (f"{per:.2%}", "1.5k 12.50%", "failed", "3,500 of 8,000 episodes", "seed 1"):
        assert piece in printed


def test_days_go_by_their_return_and_the_gap_they_close(tmp_path, made_day_report):
    cells = [Cell(tmp_path, "ieee13-day", "ts-maddpg", seed) for seed in (0, 1)]
    for cell in cells:
        cell.run.write_config(make_day_case("ieee13-day"))
    cells[0].run.write_report(made_day_report(gap=(0.5, 0.75)))
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, highlight=False)
    with CampaignProgress(cells, dict.fromkeys(cells, 2_000), console=console) as shown:
        shown.set(cells[1], "running")
        cells[1].run.write_progress([{"episodes_total": 1_500, "validation_return": -44.25}])
        shown.refresh()
    for piece in ("75.00%", "1.5k -44.2 EUR a day", "3,500 of 4,000 episodes"):
        assert piece in text.getvalue()
