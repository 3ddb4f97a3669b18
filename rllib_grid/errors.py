"""Errors that a user of the grid can cause."""

from __future__ import annotations


class GridError(ValueError):
    """Bad input, said in one line: the value, its bound and the remedy."""


class FeederError(GridError):
    """A feeder that is not a radial tree with sound impedances."""
