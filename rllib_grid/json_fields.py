"""Dataclasses in a form that JSON can hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np


def json_fields(made: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, its arrays as lists."""
    values: dict[str, Any] = {f.name: getattr(made, f.name) for f in fields(made)}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = value.tolist()
    return values
