"""What all tests share: Ray's environment, set before anything imports Ray, and one Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuning.cluster.local_ray import local_ray, prepare_environment

prepare_environment()

ROOT = Path(__file__).resolve().parents[1]
# Ray's workers start with this path: they find the project and the tests' own environments.
os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "helpers")))


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray with four slots for all tests that need it."""
    with local_ray(4):
        yield
