"""The joint forms of a user's environment, by number of lanes: made once, closed together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policies.contract.copies import joint_env
from policies.contract.joint_spec import JointEnv


class Lanes:
    """Asks an environment for its joint form, or puts copies of it side by side.

    Args:
        make: makes one environment of the user's.
        most_copies: lanes that a plain environment has at most: each is a copy.
    """

    def __init__(self, make: Callable[[], Any], most_copies: int) -> None:
        self._make, self._most = make, most_copies
        self._envs = [make()]
        self._joint: dict[int, JointEnv] = {}

    @property
    def env(self) -> Any:
        """The first environment, of which the others are copies."""
        return self._envs[0]

    def at_most(self, count: int) -> int:
        """How many of so many lanes there can be."""
        return count if hasattr(self.env, "joint") else min(count, self._most)

    def __call__(self, count: int) -> JointEnv:
        """The joint form with so many lanes, to be reset before it is used."""
        if count not in self._joint:
            self._joint[count] = joint_env(self._envs, self._make, count, seed=0)
        return self._joint[count]

    def close(self) -> None:
        """Close everything that was made."""
        for env in (*self._joint.values(), *self._envs):
            close = getattr(env, "close", None)
            if close is not None:
                close()
        self._joint, self._envs = {}, self._envs[:1]
