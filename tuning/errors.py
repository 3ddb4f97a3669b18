"""The error of this wing that a user can mend: shown as one line, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CommandError(ValueError):
    """Bad input to a command. Its message is one line: the value, the bound and the remedy."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the known word nearest to ``word``, or ``""``."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
