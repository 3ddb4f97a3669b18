"""The team-optimal rule."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import Case, GridError, OptimalDispatch, make_case, team_optimal


def test_one_bus_agents_by_hand() -> None:
    """Each minimises k (p_base + p)^2 + alpha p^2 within its limit, k its own loss factor."""
    case = make_case("ieee13-twelve", alpha_q=2e-4, p_limit_kw=60.0)
    p, q = case.demand.sample(np.random.default_rng(0), 200)
    p_ctrl, q_ctrl = team_optimal(case, p, q)
    k = np.diag(case.feeder.loss_p)
    assert p_ctrl == pytest.approx(np.clip(-k / (k + 1e-4) * p, -60, 60), abs=1e-8)
    assert q_ctrl == pytest.approx(np.clip(-k / (k + 2e-4) * q, -105, 105), abs=1e-8)
    assert 0.01 < (np.abs(p_ctrl) == 60).mean() < 0.5


def test_a_linear_cost_shifts_the_rule() -> None:
    case = make_case("ieee13-twelve", beta_p=np.linspace(-0.01, 0.01, 12))
    p_ctrl, _ = team_optimal(case, np.zeros((1, 12)), np.zeros((1, 12)))
    k = np.diag(case.feeder.loss_p)
    assert p_ctrl[0] == pytest.approx(-case.beta_p / (2 * (k + 1e-4)), abs=1e-8)


def test_an_agent_sees_its_own_buses_only(ieee13: Case) -> None:
    p, q = ieee13.demand.sample(np.random.default_rng(1), 20)
    own = np.array(ieee13.groups[0]) - 1
    others = np.array(ieee13.groups[1]) - 1
    before, _ = team_optimal(ieee13, p, q)
    p[:, others] *= -0.5
    after, _ = team_optimal(ieee13, p, q)
    assert (after[:, own] == before[:, own]).all()
    assert np.abs(after[:, others] - before[:, others]).max() > 1


def test_a_single_agent_is_the_optimum(ieee13: Case) -> None:
    case = ieee13.replace(groups=[range(1, 13)])
    p, q = case.demand.sample(np.random.default_rng(2), 100)
    best = OptimalDispatch(case).solve(p, q)
    p_ctrl, q_ctrl = team_optimal(case, p, q)
    assert p_ctrl == pytest.approx(best.p_ctrl_kw, abs=1e-8)
    assert q_ctrl == pytest.approx(best.q_ctrl_kvar, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "per"), [("ieee13", 0.256), ("ieee13-contiguous", 0.128), ("ieee13-twelve", 0.535)]
)
def test_its_share_above_the_optimum(name: str, per: float) -> None:
    """Mean PER over 10,000 states; the expected values are those of 100,000 (s.e. 0.08 points)."""
    case = make_case(name)
    p, q = case.demand.sample(np.random.default_rng(3), 10_000)
    best = OptimalDispatch(case).solve(p, q).cost_kw
    regret = case.cost_kw(p, q, *team_optimal(case, p, q)) - best
    assert regret.min() > -1e-9
    assert (regret / np.abs(best)).mean() == pytest.approx(per, abs=0.008)


def test_bad_states(ieee13: Case) -> None:
    with pytest.raises(GridError, match=r"q_base_kvar has shape \(1, 3\), must be \(B, 12\)"):
        team_optimal(ieee13, np.zeros((1, 12)), np.zeros((1, 3)))
