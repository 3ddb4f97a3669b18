"""The package as it is installed, elsewhere and without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from rllib_grid.errors import GridError
from rllib_grid.extras import extra_module
from rllib_grid.sources.shapes import bdew_shape
from tuning.cli import main

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("rllib_grid", "policies", "tuning")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that finds nothing by this process's paths."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package and, from here, what it depends on."""
    folder = tmp_path_factory.mktemp("package")
    source, wheels, environment = folder / "source", folder / "wheels", folder / "environment"
    source.mkdir()  # building leaves files beside the packages
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for wing in WINGS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / wing, source / wing, ignore=ignored)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    quietly = ("--quiet", "--no-deps", "--no-index")
    run(*pip, "wheel", *quietly, "--no-build-isolation", "-w", wheels, source, cwd=folder)
    (wheel,) = wheels.iterdir()
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin" / "python"
    run(*pip, "--python", python, "install", *quietly, wheel, cwd=folder)
    (packages,) = environment.glob("lib/python*/site-packages")
    heavy = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "heavy.pth").write_text("\n".join(heavy))
    return environment


def test_training_runs_from_elsewhere_through_the_console_script(
    installed: Path, tmp_path: Path
) -> None:
    words = ["--stages", 1, "--episodes", 300, "--num-envs", 25]
    done = run(installed / "bin" / "rllib-grid", "train", *words, "--quiet", cwd=tmp_path)
    (report,) = tmp_path.glob("runs/*/report.json")
    assert report.parent.name in done.stdout
    assert json.loads(report.read_text())["stages"][0]["episodes"] == 300
    assert json.loads((report.parent / "config.json").read_text())["git_commit"] is None
    assert list(report.parent.glob("controllers/*.json"))


ASKED = """
import json
from pathlib import Path
import policies, rllib_grid, tuning
from rllib_grid import make_case
from tuning.cluster.joining import shipped_code
from tuning.records.provenance import git_commit
print(json.dumps({
    "homes": [module.__file__ for module in (rllib_grid, policies, tuning)],
    "buses": [make_case(name).num_buses for name in ("ieee13", "case33bw")],
    "shipped": [str(Path(path, "__init__.py")) for path in shipped_code()["py_modules"]],
    "commit": git_commit(),
}))
"""


def test_everything_is_found_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    told = json.loads(run(installed / "bin" / "python", "-c", ASKED, cwd=tmp_path).stdout)
    (packages,) = installed.glob("lib/python*/site-packages")
    assert told["homes"] == [str(packages / wing / "__init__.py") for wing in WINGS]
    assert told["shipped"] == told["homes"]  # what a cluster's nodes are brought
    assert told["buses"] == [12, 32]
    assert told["commit"] is None
    data = {path.name for path in (ROOT / "rllib_grid" / "data").iterdir()}
    assert {path.name for path in (packages / "rllib_grid" / "data").iterdir()} == data


def pins() -> dict[str, str]:
    """Version of each package that is pinned, by its canonical name."""
    found = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if text := line.partition("#")[0].strip():
            wanted = Requirement(text)
            found[canonicalize_name(wanted.name)] = str(wanted.specifier).removeprefix("==")
    return found


def test_pins_lie_within_the_ranges() -> None:
    pinned, developing = pins(), {"ruff", "mypy", "pre-commit"}
    wanted = [
        Requirement(text) for texts in (PROJECT["dependencies"], *EXTRAS.values()) for text in texts
    ]
    ranges = {canonicalize_name(each.name): each.specifier for each in wanted}
    del ranges["rllib-grid"]  # its own extras
    assert ranges.keys() == pinned.keys() - developing
    for name, specifier in ranges.items():
        assert specifier.contains(pinned[name]), f"{name}: {pinned[name]} is not {specifier}"
    assert SpecifierSet(PROJECT["requires-python"]).contains("3.11.0")
    assert not SpecifierSet(PROJECT["requires-python"]).contains("3.12.0")


# Without what an extra brings


def line(package: str, extra: str) -> str:
    """What is said where a package is not installed that an extra brings."""
    assert package in {Requirement(text).name for text in EXTRAS[extra]}
    return f'this needs {package}, which is not installed: pip install "rllib-grid[{extra}]"'


def block(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a package not be installed, whatever has been imported of it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command without a package; it must end with the one line that tells the extra."""

    def check(package: str, extra: str, *words: object) -> None:
        block(package, monkeypatch)
        assert main([*map(str, words)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
        assert captured.err.endswith(f"{line(package, extra)}\n")

    return check


def test_sweep_without_optuna(refused: Any, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    refused("optuna", "sweep", "sweep", "--searcher", "optuna", "--out", out)
    assert not out.exists()


def test_feeders_without_pandapower(refused: Any, tmp_path: Path) -> None:
    net = tmp_path / "net.json"
    net.write_text('{"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": {}}')
    refused("pandapower", "feeders", "case", "--from", net, "--out", tmp_path / "case.json")
    refused("pandapower", "feeders", "case", "--case", "ieee13", "--export", tmp_path / "out.json")


def test_standard_load_profiles_without_demandlib(monkeypatch: pytest.MonkeyPatch) -> None:
    block("demandlib", monkeypatch)
    dates = np.arange("1999-01-01", "2000-01-01", dtype="datetime64[D]")  # of no other test
    with pytest.raises(GridError) as refused:
        bdew_shape("dwelling", dates, 0.0)
    assert str(refused.value) == line("demandlib", "bdew")


def test_bench_without_cvxpy(refused: Any, tmp_path: Path) -> None:
    refused("cvxpy", "bench", "bench", "--out", tmp_path / "bench")
    assert not (tmp_path / "bench").exists()


def test_a_package_that_is_broken_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_a_package.py").write_text("import nothing_of_the_kind")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_the_kind"):
        extra_module("half_a_package", "sweep")


# How it is cited


def test_citation_names_this_version_and_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys()  # what the format requires
    for key in ("version", "license"):
        assert str(cited[key]) == PROJECT[key]
    (paper,) = cited["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert [author["family-names"] for author in paper["authors"]] == ["Cho", "Liu", "Zhou", "Chen"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert paper["title"] in readme
