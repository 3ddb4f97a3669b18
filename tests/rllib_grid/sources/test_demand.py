"""Laws of base demand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rllib_grid import FileDemand, GaussianDemand, GridError, UniformDemand, save_states
from rllib_grid.sources.demand import demand_from_dict

TAN = np.sqrt(1 - 0.9**2) / 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_law(dtype) -> None:
    law = UniformDemand(limit_kw=210.0, num_buses=3)
    p, q = law.sample(np.random.default_rng(0), 40_000, dtype)
    assert p.dtype == q.dtype == dtype
    assert p.shape == q.shape == (40_000, 3)
    assert np.abs(p).max() <= 210.0
    assert p.mean(axis=0) == pytest.approx(0, abs=3)  # s.e. 0.6
    assert p.std(axis=0) == pytest.approx(210 / np.sqrt(3), rel=0.01)
    assert np.corrcoef(p.T) == pytest.approx(np.eye(3), abs=0.03)
    assert q == pytest.approx(TAN * p, rel=1e-6)


def test_gaussian_law() -> None:
    law = GaussianDemand(sigma_kw=121.0, power_factor=1.0, num_buses=2)
    p, q = law.sample(np.random.default_rng(0), 40_000)
    assert p.std(axis=0) == pytest.approx(121, rel=0.02)
    assert (np.abs(p) > 242).mean() == pytest.approx(0.0455, abs=0.005)
    assert not q.any()


def test_scales() -> None:
    p, q = UniformDemand(limit_kw=210.0, num_buses=2).scale()
    assert p.tolist() == [210.0, 210.0]
    assert q == pytest.approx(210 * TAN)
    assert GaussianDemand(sigma_kw=121.0, num_buses=1).scale()[0].tolist() == [242.0]
    unity = UniformDemand(limit_kw=7.0, power_factor=1.0, num_buses=1)
    assert unity.scale()[1].tolist() == [7.0]  # q is 0, and 0 is no scale


@pytest.mark.parametrize("law", [UniformDemand(limit_kw=210.0), GaussianDemand(sigma_kw=121.0)])
def test_one_number_per_bus_changes_no_draw(law) -> None:
    """The same stream, scaled bus by bus; a bus without demand has none, and counts in units."""
    factors = np.array([1.0, 0.0, 3.0])
    width = {law.spread: tuple(factors * getattr(law, law.spread))}
    several = demand_from_dict({"law": law.law, **width})
    assert several.num_buses == 3
    p_one, q_one = law.sized(3).sample(np.random.default_rng(5), 50)
    p, q = several.sample(np.random.default_rng(5), 50)
    assert p == pytest.approx(p_one * factors, rel=1e-10)
    assert q == pytest.approx(q_one * factors, rel=1e-10)
    assert not p[:, 1].any()
    p_scale, q_scale = several.scale()
    usual = law.sized(3).scale()[0][0]
    assert p_scale == pytest.approx([usual, 1.0, 3 * usual])
    assert q_scale == pytest.approx([usual * TAN, 1.0, 3 * usual * TAN])


def test_power_factor_by_bus() -> None:
    law = UniformDemand(power_factor=(1.0, 0.8))
    p, q = law.sample(np.random.default_rng(0), 100, np.float32)
    assert p.dtype == q.dtype == np.float32
    assert not q[:, 0].any()
    assert q[:, 1] == pytest.approx(0.75 * p[:, 1], rel=1e-6)
    assert law.scale()[1] == pytest.approx([210.0, 210 * 0.75])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_power_factor_by_draw(dtype) -> None:
    law = UniformDemand(power_factor=0.95, power_factor_low=(0.8, 0.95))
    p, q = law.sample(np.random.default_rng(0), 40_000, dtype)
    assert q.dtype == dtype
    factor = np.abs(p) / np.hypot(p, q)
    assert (factor.min(), factor.max()) == pytest.approx((0.8, 0.95), abs=1e-4)
    assert factor[:, 0].mean() == pytest.approx(0.875, abs=0.001)  # s.e. 0.0002
    assert factor[:, 1] == pytest.approx(0.95, rel=1e-5)
    assert (p * q >= 0).all()
    assert abs(np.corrcoef(np.abs(p[:, 0]), factor[:, 0])[0, 1]) < 0.02
    assert (np.abs(q) <= law.scale()[1] * (1 + 1e-6)).all()
    same = UniformDemand(num_buses=2).sample(np.random.default_rng(0), 40_000, dtype)[0]
    assert (p == same).all()  # the power factors are drawn behind p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("law", [UniformDemand, GaussianDemand])
@pytest.mark.parametrize("correlation", [0.3, 0.9])
def test_correlated_buses_keep_the_law_of_each(law, correlation: float, dtype) -> None:
    common = law(num_buses=4, correlation=correlation)
    p, q = common.sample(np.random.default_rng(0), 60_000, dtype)
    assert p.dtype == dtype
    alone = law(num_buses=4).sample(np.random.default_rng(1), 60_000, dtype)[0]
    shares = np.linspace(0.02, 0.98, 13)
    for mine, its in zip(p.T, alone.T, strict=True):
        spread = float(its.std())
        assert np.quantile(mine, shares) == pytest.approx(
            np.quantile(its, shares), abs=0.03 * spread
        )
    found = np.corrcoef(p.T)[np.triu_indices(4, 1)]
    assert found == pytest.approx(np.full(6, correlation), abs=0.012)  # s.e. up to 0.004
    assert q == pytest.approx(TAN * p, rel=1e-6)
    assert [scale.tolist() for scale in common.scale()] == [
        scale.tolist() for scale in law(num_buses=4).scale()
    ]


def test_full_correlation_is_one_draw_for_all() -> None:
    p, _ = UniformDemand(num_buses=3, correlation=1.0).sample(np.random.default_rng(0), 500)
    assert p == pytest.approx(np.repeat(p[:, :1], 3, axis=1), abs=1e-3)
    assert np.abs(p).max() > 200


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_file_law_draws_its_rows(tmp_path, suffix: str) -> None:
    path = tmp_path / f"states.{suffix}"
    p_file, q_file = np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([[0.0, 5.0], [0.0, -7.0]])
    save_states(path, p_file, q_file)
    law = FileDemand(str(path))
    assert law.num_buses == 2
    p, q = law.sample(np.random.default_rng(0), 100)
    first = p[:, 0] == 1.0
    assert 20 < first.sum() < 80
    assert (p == np.where(first[:, None], p_file[0], p_file[1])).all()
    assert (q == np.where(first[:, None], q_file[0], q_file[1])).all()
    assert [scale.tolist() for scale in law.scale()] == [[3.0, 2.0], [1.0, 7.0]]


def test_file_law_refuses_a_changed_file(tmp_path) -> None:
    path = tmp_path / "states.npz"
    save_states(path, np.ones((3, 2)), np.ones((3, 2)))
    written = FileDemand(str(path)).to_dict()
    assert demand_from_dict(written).to_dict() == written
    save_states(path, np.zeros((3, 2)), np.ones((3, 2)))
    with pytest.raises(GridError, match="has changed since the case was written"):
        demand_from_dict(written)


@pytest.mark.parametrize(
    "law",
    [
        UniformDemand(limit_kw=3.0),
        GaussianDemand(sigma_kw=2.0, power_factor=0.8),
        UniformDemand(limit_kw=(3.0, 0.0), power_factor=(0.8, 1.0), correlation=0.25),
        GaussianDemand(sigma_kw=(3.0, 1.0), power_factor_low=0.6),
    ],
)
def test_dict_round_trip_through_json(law) -> None:
    assert demand_from_dict(json.loads(json.dumps(law.to_dict()))) == law


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"law": "poisson"}, "unknown demand law 'poisson'; choose from uniform, gaussian, file"),
        ({"limit_kw": 1.0}, "unknown demand law None"),
        ({"law": "uniform", "sigma_kw": 1.0}, "demand law 'uniform': .*sigma_kw"),
        ({"law": "uniform", "limit_kw": 0.0}, "limit_kw is 0, must be > 0"),
        ({"law": "gaussian", "sigma_kw": float("nan")}, "sigma_kw is nan, must be finite"),
        ({"law": "gaussian", "sigma_kw": "wide"}, "sigma_kw is 'wide', must be a number"),
        ({"law": "uniform", "power_factor": 1.2}, "power_factor is 1.2, must be > 0 and <= 1"),
        (
            {"law": "uniform", "power_factor": [0.9, 1.2]},
            "power_factor is 1.2, must be > 0 and <= 1",
        ),
        ({"law": "uniform", "power_factor": [0.9, 0.0]}, "power_factor is 0, must be > 0"),
        ({"law": "uniform", "limit_kw": [1.0, -1.0]}, "bus 2: limit_kw is -1, must be >= 0"),
        (
            {"law": "uniform", "limit_kw": [1.0, 2.0], "power_factor": [0.9]},
            r"power_factor has shape \(1,\), must be one number or 2",
        ),
        (
            {"law": "uniform", "power_factor": 0.8, "power_factor_low": 0.9},
            "power_factor_low is 0.9, must be <= power_factor, 0.8",
        ),
        ({"law": "uniform", "correlation": -0.1}, "correlation is -0.1, must be >= 0 and <= 1"),
        ({"law": "file", "path": "none.npz"}, "cannot read states .*none.npz"),
    ],
)
def test_bad_laws(data: dict, message: str) -> None:
    with pytest.raises(GridError, match=message):
        demand_from_dict(data)


def test_the_number_of_buses_is_needed_and_kept() -> None:
    with pytest.raises(GridError, match="has no num_buses"):
        UniformDemand().sample(np.random.default_rng(0), 1)
    with pytest.raises(GridError, match="is for 3 buses, the feeder has 12"):
        UniformDemand(num_buses=3).sized(12)
