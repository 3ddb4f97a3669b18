"""The table of settings in docs/settings.md, made from the one that the program goes by.

``python tests/helpers/settings_page.py`` writes it anew between its two marks.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "settings.md"
MARKS = ("<!-- made by tests/helpers/settings_page.py -->", "<!-- end -->")
sys.path.insert(0, str(ROOT))  # for use as a script

from policies.algorithms.registry import FAMILIES  # noqa: E402
from policies.algorithms.settings import SETTINGS  # noqa: E402
from policies.staged.setting import Setting  # noqa: E402


def table() -> str:
    """The table in Markdown, a section per group."""
    groups: dict[str, list[Setting]] = {}
    for setting in SETTINGS.values():
        groups.setdefault(setting.group, []).append(setting)
    return "\n\n".join(_section(name, rows) for name, rows in groups.items())


def write() -> None:
    """Put the table between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{table()}\n\n{MARKS[1]}{after}", encoding="utf-8")


def shown() -> str:
    """What stands between the marks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(MARKS[0])[2].partition(MARKS[1])[0].strip()


def _section(name: str, rows: list[Setting]) -> str:
    lines = [f"## {name.capitalize()}", "", "| name | default | may be | is |", "|---|---|---|---|"]
    lines += [
        f"| `{row.name}` | {_default(row)} | {_allowed(row)} | {_words(row)} |" for row in rows
    ]
    return "\n".join(lines)


def _default(row: Setting) -> str:
    texts = [f"`{row.write(row.default)}`"]
    for family, changes in row.differs.items():
        if "default" in changes:
            texts.append(f"{family}: `{row.write(changes['default'])}`")
    return "; ".join(texts)


def _allowed(row: Setting) -> str:
    if row.kind is str:
        texts = [", ".join(f"`{choice}`" for choice in row.choices)]
        for family, changes in row.differs.items():
            if "choices" in changes:
                texts.append(f"{family}: " + ", ".join(f"`{c}`" for c in changes["choices"]))
        return "; ".join(texts)
    if row.kind is bool:
        return "`true`, `false`"
    allowed = row.bounds
    if row.several > 1:
        allowed += f", up to {row.several} of them"
    return allowed + (", or `none`" if row.optional else "")


def _words(row: Setting) -> str:
    words = row.words.replace("|", "\\|")
    if row.families and set(row.families) < set(FAMILIES):
        words += f" ({', '.join(row.families)} alone)"
    if row.fixed_by:
        words += f"; on the command line `{row.fixed_by}`"
    return words


if __name__ == "__main__":
    write()
