"""Fields of the case by name: what ``--case-settings`` may change, one number or word each."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuning.errors import CommandError
from tuning.options.settings import named_words

if TYPE_CHECKING:
    from tuning.options.train_args import TrainArgs

_NOT_SCALAR = ("name", "feeder", "groups", "demand")
_METER_ERROR = "meter_error_pu"  # an option of its own, --meter-error


def read_case_settings(case: str, words: Sequence[str]) -> dict[str, Any]:
    """Read changes to a case as the command line has them; a later one wins.

    Args:
        case: Name of the case.
        words: ``NAME=VALUE`` each. A number stands for all buses where the field has one for each.

    Returns:
        Values by name, in the order of the case's fields.

    Raises:
        CommandError: A word without ``=``, an unknown field, or a value that the case refuses.
    """
    from rllib_grid import Case, GridError, make_case

    names = [f.name for f in dataclasses.fields(Case) if f.name not in _NOT_SCALAR]
    found = {}
    for name, text in named_words("--case-settings", words, names):
        found[name] = _value(text)
    if found:
        try:
            make_case(case, **found)
        except GridError as error:
            raise CommandError(f"--case-settings: {error}") from error
    return {name: found[name] for name in names if name in found}


def write_case_settings(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The inverse of `read_case_settings`."""
    return tuple(f"{name}={value}" for name, value in settings.items())


def with_case_settings(args: TrainArgs) -> TrainArgs:
    """Check the changes to the case and bring them into one form; an error of meters goes to its
    own option.

    Raises:
        CommandError: Changes that are refused, or conflict with ``--meter-error`` or the stages.
    """
    settings = read_case_settings(args.case, args.case_settings or ())
    if _METER_ERROR in settings:
        error = float(settings.pop(_METER_ERROR))
        if "meter_error" in args.explicit() and args.meter_error != error:
            raise CommandError(
                f"--meter-error {args.meter_error} conflicts with --case-settings "
                f"{_METER_ERROR}={error}"
            )
        args = dataclasses.replace(args, meter_error=error, given=args.given | {"meter_error"})
    args = dataclasses.replace(args, case_settings=write_case_settings(settings) or None)
    _check_time(args, settings)
    return args


def case_changes(args: TrainArgs) -> dict[str, Any]:
    """Return all fields in which the case of a training differs from the one it names."""
    settings = read_case_settings(args.case, args.case_settings or ())
    return {_METER_ERROR: args.meter_error, **settings}


def _check_time(args: TrainArgs, settings: Mapping[str, Any]) -> None:
    """Refuse probes that leave no time for the action, before anything is trained."""
    algorithm = args.named()
    actions = args.stages + algorithm.rounds - 1 + algorithm.recurrent
    share = float(settings.get("probe_share", 0.0))
    if not math.isclose((actions - 1) * share, 1.0) and (actions - 1) * share < 1.0:
        return
    raise CommandError(
        f"--case-settings: {actions - 1} probes of probe_share={share:g} leave no time for the "
        "action: lower it, or train fewer stages"
    )


def _value(text: str) -> Any:
    """Return a number where the text is one, whole where it is written so."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
