"""One door for every kind of feeder file, by its suffix."""

from __future__ import annotations

from pathlib import Path

from rllib_grid.errors import FeederError, GridError
from rllib_grid.feeders.imported import ImportedFeeder
from rllib_grid.feeders.matpower_import import from_matpower
from rllib_grid.feeders.pandapower_import import from_pandapower
from rllib_grid.feeders.plain_csv import from_csv
from rllib_grid.feeders.plausible import checked_units

SUFFIXES = (".json", ".m", ".csv")


def read_feeder(
    path: str | Path, *, head: str | None = None, v_base_kv: float | None = None
) -> ImportedFeeder:
    """Read a feeder from a file.

    Args:
        path: a pandapower net (.json), a MATPOWER case (.m) or a plain table (.csv).
        head: name of the source to keep, where there are several.
        v_base_kv: nominal voltage; for .csv alone, whose columns do not hold it.

    Raises:
        FeederError: on another suffix, what the file's reader refuses, or loads and impedances
            that cannot be in the units that they claim; naming the file.
    """
    path = Path(path)
    try:
        return checked_units(_read(path, head, v_base_kv))
    except GridError as error:
        if path.name in str(error):
            raise
        raise FeederError(f"{path}: {error}") from None


def _read(path: Path, head: str | None, v_base_kv: float | None) -> ImportedFeeder:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FeederError(
            f"{path} is no feeder file by its suffix; must be .json (pandapower), .m (MATPOWER) or "
            ".csv"
        )
    if suffix == ".csv":
        if v_base_kv is None:
            raise FeederError(
                f"{path}: a .csv needs v_base_kv (--v-base-kv), the nominal voltage in kV"
            )
        return from_csv(path, v_base_kv=v_base_kv, head=head)
    if v_base_kv is not None:
        raise FeederError(
            f"{path} holds its nominal voltages; v_base_kv (--v-base-kv) is for .csv alone"
        )
    if suffix == ".m":
        return from_matpower(path, head=head)
    return from_pandapower(path, head=head)
