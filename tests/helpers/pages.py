"""README and docs taken apart: links, headings, code spans, blocks, commands of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "rllib_grid/data/README.md")

# What stands for a value that the reader has to put in.
PLACEHOLDERS = {
    "C": "ieee13",
    "E": "3e-4",
    "K": "2",
    "M": "0.02",
    "N": "2",
    "S": "0",
    "CHANGE": "sigma=0.05",
    "NAME=VALUE": "sigma=0.05",
}
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_OURS = re.compile(r"(?:\S*python -m tuning|(?<![\w-])rllib-grid) +([^&|;#'\"\n]+)")


@dataclass(frozen=True)
class Command:
    """A command of ours as a page shows it.

    Attributes:
        page: Where.
        text: As it stands there, on one line.
        words: Behind ``python -m tuning``, values put in.
        open: Whether a value had to be put in.
    """

    page: Path
    text: str
    words: tuple[str, ...]
    open: bool


def named(page: Path) -> str:
    """The page's name in the ids of tests."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """What stands between the page's fences of a language."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [match[3] for match in found if match[2] == language]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """The code spans of the page's prose, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def links(page: Path) -> list[str]:
    """Targets of the page's links and pictures, those to the web left out."""
    text = re.sub(r"`[^`]*`", "", prose(page))
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in found if not re.match(r"\w+:", target)]


def anchors(page: Path) -> set[str]:
    """What links to the page may name behind ``#``, as GitHub makes it of headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading)).lower()
        found.add(plain.strip().replace(" ", "-"))
    return found


def commands(page: Path, names: set[str]) -> Iterator[Command]:
    """The page's commands of ours, from its blocks and from its prose.

    Args:
        page: A page.
        names: Of all commands; a span that begins with one and goes on counts too, and one of
            settings alone.
    """
    text = page.read_text(encoding="utf-8")
    fenced = "\n".join(match[3] for match in _FENCE.finditer(text) if match[2] != "python")
    for match in _OURS.finditer(fenced.replace("\\\n", " ")):
        yield _command(page, match[1])
    for span in spans(page):
        words = ours(span).split()
        bare = words[-1].startswith("--")  # speaks of an option without its value
        if words[0] in ("--settings", "--case-settings"):
            words.insert(0, "train")
        if words[0] in names and len(words) > 1 and not bare:
            yield _command(page, " ".join(words))


def ours(span: str) -> str:
    """The span without the way to our door, if it begins with that."""
    match = _OURS.match(span)
    return match[1] if match else span


def _command(page: Path, text: str) -> Command:
    words = [word for word in text.split() if word != "..."]
    values = [filled(word) for word in words]
    return Command(page, " ".join(words), tuple(values), values != words)


def filled(word: str) -> str:
    """A word with a value in place of what stands for one."""
    if word.startswith("$") or word in PLACEHOLDERS:
        return PLACEHOLDERS.get(word, "1")
    name, equals, value = word.partition("=")
    if equals:
        return f"{name}={','.join(PLACEHOLDERS.get(part, part) for part in value.split(','))}"
    return word
