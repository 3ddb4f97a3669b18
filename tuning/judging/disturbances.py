"""What trained controllers are put through: meters, probes and agents as they are in the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.judging.held_states import NO_FAULTS, Faults

TRIED_METER_ERRORS_PU = (1e-4, 3e-4, 1e-3, 3e-3)
METER_STEPS_PU = (1e-4, 1e-3)
DEMAND_ERRORS = (1e-3, 1e-2)  # of an agent's own demand, relative to it
DEMAND_STEPS_KW = (0.1, 1.0)
DRIFTS_KW = (1.0, 3.0, 10.0)
PROBE_LOSSES = (0.1, 1.0)
PROBE_SHARE = 0.1

# Fields of a case that say what its meters, probes and agents do; all 0 is ideal.
IDEAL: Mapping[str, float] = dict.fromkeys(
    ("meter_error_pu", "meter_step_pu", "probe_share", "drift_kw", "probe_loss", "agent_loss"), 0.0
)


@dataclass(frozen=True)
class Disturbance:
    """One thing that is not ideal.

    Attributes:
        name: What a table calls it.
        changes: Fields of the case, by name, that differ from the ideal.
        faults: What is broken beside that.
    """

    name: str
    changes: Mapping[str, float] = field(default_factory=dict)
    faults: Faults = NO_FAULTS


def disturbances(agent: str) -> list[Disturbance]:
    """Return everything that is tried, the ideal first.

    Args:
        agent: Whose meters are stuck, and who drops out.
    """
    found = [Disturbance("nothing")]
    for error in TRIED_METER_ERRORS_PU:
        found.append(Disturbance(f"meters err by {error:g} p.u.", {"meter_error_pu": error}))
    for step in METER_STEPS_PU:
        found.append(Disturbance(f"meters count in {step:g} p.u.", {"meter_step_pu": step}))
    found += [
        Disturbance(f"{agent} reads the head's voltage", faults=Faults(agent, meter="head")),
        Disturbance(f"{agent} reads its first reading", faults=Faults(agent, meter="first")),
        Disturbance(f"{agent} stays with its prototype", faults=Faults(agent, action="first")),
        Disturbance(f"{agent} is idle", faults=Faults(agent, action="idle")),
    ]
    for loss in PROBE_LOSSES:
        found.append(Disturbance(f"{loss:.0%} of the readings missed", {"probe_loss": loss}))
    for error in DEMAND_ERRORS:
        faults = Faults(demand_error=error)
        found.append(Disturbance(f"own demand known to {error:.1%}", faults=faults))
    for step in DEMAND_STEPS_KW:
        faults = Faults(demand_step_kw=step)
        found.append(Disturbance(f"own demand known in {step:g} kW", faults=faults))
    for drift in DRIFTS_KW:
        found.append(Disturbance(f"demand drifts by {drift:g} kW", {"drift_kw": drift}))
    found.append(Disturbance(f"a probe lasts {PROBE_SHARE:g} steps", {"probe_share": PROBE_SHARE}))
    return found
