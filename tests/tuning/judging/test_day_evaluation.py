"""Days judged: shares of the gap, violations, and what is proven of the optimum."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Feeder
from rllib_grid.cases.day_case import DayCase
from rllib_grid.devices.heat import HeatPumps
from rllib_grid.envs.day_rollout import idle
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles
from tuning.judging.day_evaluation import (
    DayJudge,
    judged_days,
    temperatures_at_midnight,
)


@pytest.fixture(scope="module")
def case() -> DayCase:
    """Two buses, an agent each, and an evening that violates the lower bound."""
    feeder = Feeder("line", (0, 1), np.array([1.0, 2.0]), np.array([1.0, 1.0]), 2.0)
    source = SyntheticProfiles(load_kw=20.0, solar_kwp=20.0)
    return DayCase("line", feeder, ((1,), (2,)), source, v_min_pu=0.97)


@pytest.fixture(scope="module")
def warm(case) -> DayCase:
    """The same with heated buildings, light enough to cool out in a night."""
    heat = HeatPumps(c_kwh_per_k=5.0, r_k_per_kw=2.0, p_heat_max_kw=6.0, t_start_c=(18.0, 22.0))
    return case.replace(name="warm line", heat=heat)


@pytest.fixture(scope="module")
def warm_judge(warm) -> DayJudge:
    return DayJudge(warm, "test", 4)


@pytest.fixture(scope="module")
def judge(case) -> DayJudge:
    return DayJudge(case, "test", 4)


def test_the_gap_runs_from_idling_to_perfect_foresight(judge):
    assert judge.gap_closed(judge.idle.cost_eur) == 0.0
    assert judge.gap_closed(judge.foresight.cost_eur) == 1.0
    halfway = (judge.idle.cost_eur + judge.foresight.cost_eur) / 2
    assert judge.gap_closed(halfway) == pytest.approx(0.5)
    rule, horizon = judge.price_rule(), judge.receding_horizon()
    # The rule knows nothing of the feeder, whose voltages it makes worse here.
    assert judge.gap_closed(rule.cost_eur) < 0.5 < judge.gap_closed(horizon.cost_eur) < 1.0
    assert np.all(horizon.cost_eur > judge.foresight.bound_eur)


def test_violations_by_hand(judge):
    v_pu = np.full_like(judge.idle.v_pu, 1.0)
    v_pu[0, 3, 0], v_pu[0, 7, 1], v_pu[2, 5, 1] = 0.96, 1.07, 0.97 - 5e-6
    done = judge.judge(judge.idle._replace(v_pu=v_pu))
    assert done.step_violation_rate == 2 / (4 * 24)
    assert done.day_violation_rate == 1 / 4
    assert done.violation_max_pu == pytest.approx(0.02)
    assert judge.judge(judge.idle).step_violation_rate > 0
    assert list(done.entry(stage=1))[:2] == ["stage", "cost_eur_mean"]


def test_the_proof_is_tight(judge):
    proof = judge.proof()
    assert set(proof) == {"duality_gap_eur", "relaxation_gap_eur", "waste_kwh"}
    assert max(map(abs, proof.values())) < 1e-4


def test_a_date_begins_with_the_same_charge_whatever_else_is_judged(case):
    few, start = judged_days(case, "test", 4)
    every, all_starts = judged_days(case, "test", 1000)
    assert (few.num_days, every.num_days) == (4, 71)
    where = np.searchsorted(every.dates, few.dates)
    np.testing.assert_array_equal(all_starts[where], start)
    share = all_starts / case.capacity_kwh
    assert 0.2 <= share.min() < 0.25 and 0.75 < share.max() <= 0.8


def test_discomfort_by_hand(warm_judge, judge):
    """Steps of an hour; the temperature at midnight is nobody's doing."""
    heat = warm_judge.idle.heat
    t_in, p_heat = np.full_like(heat.t_in_c, 21.0), np.zeros_like(heat.p_heat_kw)
    t_in[:, 0] = 10.0
    t_in[0, 3, 0], t_in[2, 9, 1], p_heat[1, 4] = 18.5, 24.5, (3.0, 1.0)
    heat = heat._replace(t_in_c=t_in, p_heat_kw=p_heat, comfort_eur=np.array([1.0, 3, 0, 0]))
    done = warm_judge.judge(warm_judge.idle._replace(heat=heat)).entry()
    assert done["discomfort_kh_mean"] == pytest.approx((1.5 + 0.5) / 8)
    assert (done["comfort_eur_mean"], done["heat_kwh_mean"]) == (1.0, 1.0)
    without = judge.judge(judge.idle).entry()
    assert set(done) - set(without) == {"discomfort_kh_mean", "comfort_eur_mean", "heat_kwh_mean"}


def test_heating_is_part_of_the_proof_and_of_every_yardstick(warm_judge):
    assert max(map(abs, warm_judge.proof().values())) < 1e-4
    horizon = warm_judge.receding_horizon()
    assert np.all(warm_judge.foresight.bound_eur < horizon.cost_eur)
    assert warm_judge.gap_closed(horizon.cost_eur) > 0.5


def test_a_date_begins_with_the_same_temperature_whatever_else_is_judged(warm, case, warm_judge):
    every, _ = judged_days(warm, "test", 1000)
    where = np.searchsorted(every.dates, warm_judge.days.dates)
    starts = temperatures_at_midnight(warm, every)
    np.testing.assert_array_equal(starts[where], warm_judge.t_start_c)
    assert 18.0 <= starts.min() < 18.2 and 21.8 < starts.max() <= 22.0
    # Not a copy of what the charge was drawn by.
    shares = (starts - 18.0) / 4.0, (judged_days(warm, "test", 1000)[1] / 100.0 - 0.2) / 0.6
    assert abs(np.corrcoef(shares[0].ravel(), shares[1].ravel())[0, 1]) < 0.3
    assert temperatures_at_midnight(case, every) is None


def test_idle_does_nothing(judge):
    assert not judge.idle.p_ctrl_kw.any() and not judge.idle.q_ctrl_kvar.any()
    assert judge.run(idle).cost_eur.tolist() == judge.idle.cost_eur.tolist()
