"""Noise: its size, its memory and its seed."""

from __future__ import annotations

import numpy as np
import pytest

from policies.staged.exploration import NOISES, OU_THETA, LinearSchedule

SHAPE = (500, 4)


def samples(kind, sigma, steps, seed=0):
    """(steps, lanes, width)."""
    noise = NOISES[kind](SHAPE, np.random.default_rng(seed))
    return np.stack([noise.sample(sigma).copy() for _ in range(steps)])


@pytest.mark.parametrize(
    ("progress", "value"), [(-1, 0.3), (0, 0.3), (0.25, 0.25), (1, 0.1), (7, 0.1)]
)
def test_schedule_runs_linearly_and_is_held_at_its_ends(progress, value):
    assert LinearSchedule(0.3, 0.1)(progress) == pytest.approx(value)


@pytest.mark.parametrize("kind", list(NOISES))
def test_same_seed_same_noise(kind):
    first = samples(kind, 0.3, 5)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, samples(kind, 0.3, 5))
    assert not np.allclose(first, samples(kind, 0.3, 5, seed=1))


def test_gaussian_has_its_sigma_and_no_memory():
    x = samples("gaussian", 0.3, 50)
    assert x.std() == pytest.approx(0.3, rel=0.02)
    assert abs(x.mean()) < 0.01
    assert abs(np.corrcoef(x[:-1].ravel(), x[1:].ravel())[0, 1]) < 0.02


def test_ornstein_uhlenbeck_autocorrelation_and_stationary_size():
    x = samples("ornstein-uhlenbeck", 0.3, 150)[50:]
    rho = 1.0 - OU_THETA
    for lag in (1, 5):
        found = np.corrcoef(x[:-lag].ravel(), x[lag:].ravel())[0, 1]
        assert found == pytest.approx(rho**lag, abs=0.02)
    assert x.std() == pytest.approx(0.3 / np.sqrt(1.0 - rho**2), rel=0.03)


def test_ornstein_uhlenbeck_starts_and_restarts_from_zero():
    noise = NOISES["ornstein-uhlenbeck"](SHAPE, np.random.default_rng(0))
    assert noise.sample(0.3).std() == pytest.approx(0.3, rel=0.05)  # from x = 0
    before = noise.sample(0.3).copy()
    mask = np.arange(SHAPE[0]) < 100
    noise.reset(mask)
    after = noise.sample(0.0)  # no new noise: what is left of x
    np.testing.assert_array_equal(after[mask], 0.0)
    np.testing.assert_allclose(after[~mask], (1.0 - OU_THETA) * before[~mask], rtol=1e-6)
