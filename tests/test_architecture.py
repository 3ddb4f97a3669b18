"""Imports run in one direction, and the packages import nothing heavy before it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("rllib_grid", "policies", "tuning")
FORBIDDEN = {"rllib_grid": {"policies", "tuning"}, "policies": {"rllib_grid", "tuning"}}
HEAVY = ("ray", "torch", "cvxpy", "gymnasium", "matplotlib", "scipy")


def imported(path: Path) -> set[str]:
    """Top-level names of all modules a file imports, wherever in the file it does."""
    package = path.relative_to(ROOT).parts[0]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(package if node.level else str(node.module).split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                names.add(str(first.value).split(".")[0])
    return names


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
