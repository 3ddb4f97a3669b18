"""Imports run in one direction, and the packages import nothing heavy before it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("rllib_grid", "policies", "tuning")
FORBIDDEN = {"rllib_grid": {"policies", "tuning"}, "policies": {"rllib_grid", "tuning"}}
HEAVY = ("ray", "torch", "cvxpy", "gymnasium", "matplotlib", "scipy")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name (or "") of all that a file imports, wherever in the file it does."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value), ""


def imported(path: Path) -> set[str]:
    """Top-level names of all modules a file imports."""
    return {module.split(".")[0] for module, _ in imports(path)}


def files(wing: str) -> list[Path]:
    found = sorted((ROOT / wing).rglob("*.py"))
    assert len(found) > 5, f"{wing} is not where this test looks for it"
    return found


@pytest.mark.parametrize("wing", list(FORBIDDEN))
def test_imports_run_in_one_direction(wing):
    for path in files(wing):
        crossing = imported(path) & FORBIDDEN[wing]
        assert not crossing, f"{path.relative_to(ROOT)} imports {', '.join(crossing)}"


def test_tuning_joins_the_other_wings():
    """Which shows that `imported` sees what it is to see."""
    names = set().union(*(imported(path) for path in files("tuning")))
    assert set(WINGS) <= names


def test_no_test_imports_another():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        last = {module.rpartition(".")[2] for module, _ in imports(path)}
        crossing = {name for name in last if name.startswith("test_") or name == "conftest"}
        assert not crossing, f"{path.relative_to(ROOT)} imports {', '.join(crossing)}"


def file_graph(wing: str) -> dict[str, set[str]]:
    """Each file of a wing and the files of it that it imports, lazily and for types included.

    That Python runs the `__init__` of every folder on the way to a file does not count; taking a
    name from one does.
    """
    paths = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in files(wing)}

    def home(module: str, name: str) -> str | None:
        candidates = (f"{module}.{name}", module, f"{module}.__init__")
        return next((one for one in candidates if one in paths), None)

    return {
        file: {found for found in (home(*one) for one in imports(path)) if found} - {file}
        for file, path in paths.items()
    }


def folder_graph(wing: str) -> dict[str, set[str]]:
    """The same by folders; files beside the folders stand for themselves."""

    def folder(file: str) -> str:
        return file if file.count(".") == 1 else file.rpartition(".")[0]

    graph: dict[str, set[str]] = {}
    for file, others in file_graph(wing).items():
        graph.setdefault(folder(file), set()).update(map(folder, others))
    return {one: others - {one} for one, others in graph.items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of a graph; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_the_graphs_hold_what_is_imported():
    """Of a folder, of its `__init__`, of another folder, and of a file beside the folders."""
    graph = file_graph("rllib_grid")
    assert "rllib_grid.physics.zbus" in graph["rllib_grid.physics.ac"]
    assert "rllib_grid.feeders.reading" in graph["rllib_grid.feeders.__init__"]
    assert {"rllib_grid.physics", "rllib_grid.feeder"} <= folder_graph("rllib_grid")[
        "rllib_grid.cases"
    ]


@pytest.mark.parametrize("wing", WINGS)
def test_files_import_without_circles(wing):
    assert circle(file_graph(wing)) == []


@pytest.mark.parametrize("wing", WINGS)
def test_folders_import_downwards(wing):
    assert circle(folder_graph(wing)) == []


@pytest.mark.parametrize("wing", WINGS)
def test_nothing_imports_the_tests(wing):
    for path in files(wing):
        assert not imported(path) & {"tests", "conftest", "pytest", "quadratic_game"}, path


@pytest.mark.parametrize(
    "module",
    [
        *WINGS,
        "policies.controllers.files",
        "policies.contract.walk",
        "policies.contract.joint_spec",
        "rllib_grid.cases.case",
    ],
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == []


@pytest.mark.parametrize("wing", WINGS)
def test_lazy_names_lead_somewhere(wing):
    """Every name a package offers can be had from it, and others cannot."""
    package = __import__(wing)
    for name in getattr(package, "__all__", []):
        assert getattr(getattr(package, name), "__name__", name) == name
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = package.nothing_of_the_kind
