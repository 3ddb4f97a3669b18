"""Controllers whose own demand is measured with an error of 1 %, judged in the true states."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.controllers.files import load_controllers
from rllib_grid import make_case
from tuning.judging import evaluation
from tuning.judging.evaluation import Judge
from tuning.judging.held_states import Faults
from tuning.records.run_folder import load_run

STATES = 4_000


def trained(door, out: Path, meter_error: float) -> tuple[float, float]:
    """Mean PER of stage 2 behind these meters, and that with own demand off by 1 % as well."""
    words = ["train", "--episodes", 4_000, 4_000, "--meter-error", meter_error, "--quiet"]
    code, _, err = door(*words, "--out", out)
    assert code == 0, err
    case = make_case("ieee13", meter_error_pu=meter_error)
    controllers = load_controllers(load_run(out).controllers)
    judge = Judge(case, *evaluation.test_states(case, STATES))
    own, off = (
        judge.stages(controllers, faults=faults)[-1].per_mean
        for faults in (Faults(), Faults(demand_error=0.01))
    )
    return own, off


@pytest.mark.parametrize(
    ("meter_error", "most_own", "most_off"), [(0.0, 0.01, 0.08), (3e-4, 0.03, 0.0385)]
)
def test_demand_off_by_one_per_cent_is_withstood(
    meter_error, most_own, most_off, door, ray_session, tmp_path
):
    own, off = trained(door, tmp_path / "run", meter_error)
    assert own < most_own
    assert own < off < most_off
