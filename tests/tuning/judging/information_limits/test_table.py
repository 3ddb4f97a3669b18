"""The command: what it prints and keeps, and what it refuses."""

from __future__ import annotations

import pytest

from rllib_grid import make_case
from tuning.judging.information_limits.budget import FULL_STATE
from tuning.judging.information_limits.cache import load_limits


def test_the_command_prints_every_limit_and_keeps_it(door, here):
    words = ("limits", "--updates", 3, "--stages", 2, "--out", here / "out")
    code, out, err = door(*words)
    assert (code, err) == (0, "")
    for head in ("rule", "full", "stage 1/2  updates 3/3", "Pr(PER < 5 %), %", "mean regret, kW"):
        assert head in out
    found = load_limits(make_case("ieee13"))
    line = next(line for line in out.splitlines() if "mean PER" in line)
    shown = [f"{100 * found[stage]:.3f}" for stage in (1, 2, FULL_STATE)]
    assert line.split()[3:] == ["25.577", *shown]
    assert "exists already" in door(*words)[2]
    code, again, _ = door(*words[:-2])
    assert code == 0 and line in again.splitlines()
    assert "updates 3/3" not in again  # nothing is computed twice


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--case", "ieee13-contigous"], "is unknown; did you mean ieee13-contiguous?"),
        (["--stages", 0], "--stages: 0 is out of bounds, must be >= 1"),
        (["--updates", 0], "--updates: 0 is out of bounds, must be >= 1"),
        (["--updates", "x"], "argument --updates: invalid int value: 'x'"),
        (["--seed", -1], "--seed: -1 is out of bounds, must be >= 0"),
        (["--meter-error", "nan"], "--meter-error: nan is out of bounds, must be >= 0"),
        (["--out", "."], "exists already, nothing is overwritten"),
    ],
)
def test_bad_options_are_refused_before_any_work(refused, here, words, message):
    (here / "mine").touch()
    assert message in refused("limits", *words)
    assert [path.name for path in here.iterdir()] == ["mine"]
