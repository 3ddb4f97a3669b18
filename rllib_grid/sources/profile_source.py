"""What a source of days offers, and the sources by their kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from rllib_grid.checks import known
from rllib_grid.sources.profile_file import FileProfiles
from rllib_grid.sources.profiles import Profiles
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles


@runtime_checkable
class ProfileSource(Protocol):
    """What a day case asks of the place its days come from."""

    kind: ClassVar[str]

    def load(self, num_buses: int) -> Profiles:
        """The days of n buildings; the same at every call."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form that `profiles_from_dict` reads."""


def profiles_from_dict(data: Mapping[str, Any]) -> ProfileSource:
    """The inverse of a source's `to_dict`.

    Raises:
        GridError: on an unknown kind or field, or a bad value.
    """
    kind = data.get("kind")
    known("kind of profiles", kind, (SyntheticProfiles.kind, FileProfiles.kind))
    source = SyntheticProfiles if kind == SyntheticProfiles.kind else FileProfiles
    return source.from_dict(dict(data))
