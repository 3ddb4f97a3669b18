"""Table and picture of a training on days, from ``report.json`` alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from tuning.drawing.panels import save_panels, tidy
from tuning.drawing.pictures import GREY
from tuning.subjects.headline import print_warnings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]

DAY_PNG = "day.png"
_STAGE, _BEST, _OTHER = "#0072b2", "#d55e00", "#009e73"
_ROWS = {
    "cost, EUR a day": ("cost_eur_mean", 1.0, "{:,.1f}"),
    "gap closed, %": ("gap_closed", 100.0, "{:.1f}"),
    "voltage penalty, EUR a day": ("penalty_eur_mean", 1.0, "{:.2f}"),
    "losses, kWh a day": ("loss_kwh_mean", 1.0, "{:.0f}"),
    "steps that violate, %": ("step_violation_rate", 100.0, "{:.2f}"),
    "days that violate, %": ("day_violation_rate", 100.0, "{:.1f}"),
    "worst violation, p.u.": ("violation_max_pu", 1.0, "{:.4f}"),
    # With heat pumps alone:
    "comfort cost, EUR a day": ("comfort_eur_mean", 1.0, "{:.2f}"),
    "outside comfort, K h a day": ("discomfort_kh_mean", 1.0, "{:.2f}"),
    "heating, kWh a day": ("heat_kwh_mean", 1.0, "{:,.0f}"),
}
_TITLES = {
    "idle": "no\ncontrol",
    "price_rule": "price\nrule",
    "receding_horizon": "receding\nhorizon",
    "perfect_foresight": "perfect\nforesight",
}


def print_days(report: Entry, console: Console | None = None) -> None:
    """Print the table of a report.

    Args:
        report: Content of ``report.json``.
        console: Where to; standard output if None.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    print_warnings(report, console)
    table = Table(
        box=box.SIMPLE,
        title=_title(report),
        title_justify="left",
        padding=(0, 1),
        pad_edge=False,
    )
    columns = {f"stage\n{entry['stage']}": entry for entry in report["stages"]}
    columns |= {_TITLES[name]: entry for name, entry in report["yardsticks"].items()}
    table.add_column("", no_wrap=True)
    for head in columns:
        table.add_column(head, justify="right")
    for name, (key, factor, form) in _ROWS.items():
        if key not in report["stages"][-1]:
            continue
        style = "bold" if key == "gap_closed" else None
        cells = [form.format(factor * entry[key]) for entry in columns.values()]
        table.add_row(name, *cells, style=style)
    console.print(table)
    last = report["stages"][-1]
    console.print(
        f"the last stage saves {last['saved_of_receding_horizon']:.1%} of what the receding "
        f"horizon saves; perfect foresight is proven to {report['proof']['duality_gap_eur']:.1e} "
        "EUR a day",
        soft_wrap=True,
    )


def _title(report: Entry) -> str:
    return (
        f"{report['case']}, {report['algorithm']}, preset {report['preset']}, "
        f"seed {report['seed']}, {report['test_days']} test days of {report['steps']} steps"
        + "".join(f", {setting}" for setting in report.get("case_settings") or ())
    )


def day_title(report: Entry) -> str:
    """Say which run a picture is of, and which of its days."""
    return f"{_title(report)}:\nthe one on which control matters most"


def draw_day(day: Entry, folder: Path, title: str = "") -> Path:
    """Draw one day: demand and price, storage, charge, voltages, and heating where there is any.

    Args:
        day: The ``day`` of a report: what it was like without control, and under anything of
            `_SERIES`.
        folder: Where ``day.png`` is written.
        title: Above it.

    Returns:
        The file.
    """
    drawn = [_demand, _storage, _charge, _voltage]
    if "t_bounds_c" in day:
        drawn += [_heating, _indoors]

    def draw_on(figure: Figure) -> None:
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=10)
        for axes, draw_panel in zip(figure.subplots(len(drawn), sharex=True), drawn, strict=True):
            tidy(axes)
            draw_panel(axes, day)
            axes.legend(frameon=False, fontsize=8, ncols=3, loc="best")
        axes.set_xlabel(f"hour of {day['date']}")
        axes.set_xlim(0, 24)
        axes.set_xticks(range(0, 25, 3))

    save_panels(folder / DAY_PNG, draw_on, (7.2, 2.25 * len(drawn)))
    return folder / DAY_PNG


def _hours(values: Any) -> list[float]:
    """Edges of the steps, in hours."""
    return [24 * k / len(values) for k in range(len(values) + 1)]


def _stairs(axes: Axes, values: Any, **style: Any) -> None:
    axes.stairs(values, _hours(values), baseline=None, linewidth=1.5, **style)


def _on_the_right(axes: Axes, values: Any, label: str) -> None:
    """What has a unit of its own."""
    other = axes.twinx()
    other.spines["top"].set_visible(False)
    _stairs(other, values, color=_OTHER)
    other.set_ylabel(label, color=_OTHER)


def _demand(axes: Axes, day: Entry) -> None:
    _stairs(axes, day["p_base_kw"], color=GREY, label="base demand")
    axes.set_ylabel("kW, all buildings")
    _on_the_right(axes, day["price_eur_per_kwh"], "price, EUR per kWh")


def _storage(axes: Axes, day: Entry) -> None:
    for name, label, colour in _series(day):
        _stairs(axes, day[name]["p_ctrl_kw"], color=colour, label=f"storage, {label}")
        q = day[name]["q_ctrl_kvar"]
        axes.stairs(q, _hours(q), baseline=None, color=colour, linestyle=":", linewidth=1.2)
    axes.set_ylabel("kW (dotted: kvar)")


def _charge(axes: Axes, day: Entry) -> None:
    for name, label, colour in _series(day):
        soc = day[name]["soc_kwh"]
        hours = [24 * k / (len(soc) - 1) for k in range(len(soc))]
        text = f"{label}: {day[name]['cost_eur']:,.0f} EUR"
        axes.plot(hours, soc, color=colour, linewidth=1.5, label=text)
    axes.set_ylim(0, 1.05 * day["capacity_kwh"])
    axes.set_ylabel("state of charge, kWh")


def _voltage(axes: Axes, day: Entry) -> None:
    for bound in day["v_bounds_pu"]:
        axes.axhline(bound, color="#b00020", linewidth=1.0, linestyle="--")
    for side in ("min", "max"):
        _stairs(
            axes, day[f"idle_v_{side}_pu"], color=GREY, label="no control" if side == "min" else ""
        )
        for name, label, colour in _series(day):
            text = label if side == "min" else ""
            _stairs(axes, day[name][f"v_{side}_pu"], color=colour, label=text)
    axes.set_ylabel("lowest and highest voltage, p.u.")


def _heating(axes: Axes, day: Entry) -> None:
    _stairs(axes, day["idle"]["p_heat_kw"], color=GREY, label="thermostats")
    for name, label, colour in _series(day):
        _stairs(axes, day[name]["p_heat_kw"], color=colour, label=label)
    axes.set_ylabel("heat pumps, kW")
    _on_the_right(axes, day["outdoor_c"], "outdoors, °C")


def _indoors(axes: Axes, day: Entry) -> None:
    for bound in day["t_bounds_c"]:
        axes.axhline(bound, color="#b00020", linewidth=1.0, linestyle="--")
    drawn = (("idle", "thermostats", GREY), *_series(day))
    for side in ("min", "max"):
        for name, label, colour in drawn:
            t_in = day[name][f"t_{side}_c"]
            hours = [24 * k / (len(t_in) - 1) for k in range(len(t_in))]
            text = label if side == "min" else ""
            axes.plot(hours, t_in, color=colour, linewidth=1.5, label=text)
    axes.set_ylabel("indoors, °C (coldest, warmest)")


def _series(day: Entry) -> list[tuple[str, str, str]]:
    """Name, label and colour of what the day is shown under."""
    return [series for series in _SERIES if series[0] in day]


_SERIES = (
    ("foresight", "perfect foresight", _BEST),
    ("price_rule", "price rule", _OTHER),
    ("stage", "controllers", _STAGE),
)
