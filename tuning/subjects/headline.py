"""What every report begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console


def print_warnings(report: Mapping[str, Any], console: Console) -> None:
    """Print what is wrong with the last stage of a report, a line each; nothing where all is well.

    Args:
        report: Content of ``report.json``.
        console: Where to.
    """
    for warning in report.get("warnings") or ():
        console.print(f"warning: {warning}", style="bold", soft_wrap=True)
