"""What README and docs show is there, parses and runs as it stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pages
import pytest
import settings_page
from ray.rllib.algorithms.algorithm import Algorithm

from policies.algorithms.registry import ALGORITHMS, FAMILIES
from policies.algorithms.settings import SETTINGS
from rllib_grid.registration import ENVIRONMENTS
from tuning.cli import COMMANDS, build_parser
from tuning.options.arguments import from_namespace, options

README = pages.README.read_text(encoding="utf-8")
SHOWN = [command for page in pages.PAGES for command in pages.commands(page, set(COMMANDS))]
WITH_PYTHON = [page for page in pages.PAGES if pages.blocks(page, "python")]

# Options in the prose that are of other programs.
NOT_OURS = {
    "--working-dir",
    "--num-cpus",
    "--object-store-memory",
    "--port",
    "--node-manager-port",
    "--object-manager-port",
    "--min-worker-port",
    "--max-worker-port",
    "--metrics-export-port",
}


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in pages.links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in pages.anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.named)
def test_named_files_exist(page: Path) -> None:
    """What looks like a path of ours is one, or the name of an environment."""
    own = re.compile(r"(rllib_grid|policies|tuning|tests|docs)/[\w./-]*")
    for span in filter(own.fullmatch, pages.spans(page)):
        assert span in ENVIRONMENTS or (pages.ROOT / span).exists(), span


def test_pictures_are_shown() -> None:
    shown = {(page.parent / link).resolve() for page in pages.PAGES for link in pages.links(page)}
    assert set((pages.ROOT / "docs").rglob("*.png")) <= shown


def test_commands_are_found() -> None:
    """What the two tests below go over; it cannot be nothing."""
    assert {command.words[0] for command in SHOWN} == set(COMMANDS)


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command.text)
def test_commands_parse_and_pass_their_check(
    command: pages.Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = build_parser().parse_exactly(list(command.words))
    ours = COMMANDS[namespace.command]
    args = from_namespace(ours.arguments, namespace)
    if not command.open and not needs_files(args):
        ours.check(args)


def needs_files(args: Any) -> bool:
    """Whether a command names files that are to be there."""
    values = {field.name: getattr(args, field.name) for field, _, _ in options(type(args))}
    values.pop("out", None)
    flat = [item for v in values.values() for item in (v if isinstance(v, (tuple, list)) else [v])]
    return any(isinstance(v, Path) or str(v).endswith(".json") for v in flat)


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.named)
def test_options_exist(page: Path) -> None:
    """Of the command that the span names, or of any command where it names none."""
    known = options_by_command()
    anyones = set().union(*known.values(), NOT_OURS)
    for span in pages.spans(page):
        name = pages.ours(span).split()[0]
        if name in known or name.startswith("--"):
            unknown = set(re.findall(r"(?<!\S)--[a-z-]+", span)) - known.get(name, anyones)
            assert not unknown, f"{span}: no option {', '.join(unknown)}"


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.named)
def test_settings_exist(page: Path) -> None:
    """``NAME=VALUE``, several changes joined by plus signs as ``ablate --changes`` takes them."""
    for span in pages.spans(page):
        if re.fullmatch(r"[a-z_]+=[^\s\"]+", span):
            for change in span.split("+"):
                name, _, text = pages.filled(change).partition("=")
                SETTINGS[name].read(text)


@cache
def options_by_command() -> dict[str, set[str]]:
    """All options of each command, from its help."""
    (parsers,) = (a.choices for a in build_parser()._actions if isinstance(a.choices, dict))
    return {
        name: set(re.findall(r"--[a-z-]+", parser.format_help()))
        for name, parser in parsers.items()
    }


@pytest.fixture
def tables_as_before() -> Iterator[None]:
    """Blocks may add a command or an algorithm; afterwards there are those of before."""
    tables: list[Any] = [COMMANDS, ALGORITHMS, FAMILIES]
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


@pytest.mark.parametrize("page", WITH_PYTHON, ids=pages.named)
def test_python_blocks_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ray_session: None,
    tables_as_before: None,
) -> None:
    """In their order, in a folder of their own; a later block knows the names of earlier ones."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("blocks_of_a_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look for theirs
    try:
        for number, block in enumerate(pages.blocks(page, "python"), 1):
            code = compile(block, f"{pages.named(page)}, block {number}", "exec")
            exec(code, module.__dict__)
    finally:
        for value in vars(module).values():
            if isinstance(value, Algorithm):
                value.stop()


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 170
    (plug, _) = pages.blocks(pages.README, "python")
    assert len(plug.strip().splitlines()) <= 10


def test_readme_sets_up_by_two_commands() -> None:
    setup = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && "
    lines = [block.strip().removeprefix(setup) for block in pages.blocks(pages.README, "bash")]
    assert lines == [".venv/bin/python -m tuning train", ".venv/bin/python -m pytest"]


def test_readme_lists_the_commands() -> None:
    table = README[README.index("## Commands") : README.index("## Results")]
    assert re.findall(r"^\| `(\w+)", table, flags=re.MULTILINE) == list(COMMANDS)


def test_settings_page_is_the_table() -> None:
    """If it is not: ``python tests/helpers/settings_page.py`` writes it anew."""
    assert settings_page.shown() == settings_page.table()
