"""Noise: its size, its memory and its seed; what acts with it, and without."""

from __future__ import annotations

import numpy as np
import pytest

from policies.contract.joint_spec import JointSpec
from policies.sampling.exploration import (
    NOISES,
    OU_THETA,
    LinearSchedule,
    NoisyActor,
    RandomActor,
    Steady,
)

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


# --- what acts --------------------------------------------------------------------------

FREE = JointSpec(("a", "b"), (2, 2), (2, 2), (0, 0))
TIED = JointSpec(("a", "b"), (2, 2), (2, 2), (0, 0), action_circles=((0, 1, 1.0, 1.0),))
STATE = np.random.default_rng(1).uniform(-0.2, 0.2, SHAPE).astype(np.float32)


def explorer(sigma, spec=FREE, noise="gaussian", gain=1.0):
    rng = np.random.default_rng(0)
    return NoisyActor(lambda inputs: gain * inputs, noise, SHAPE, rng, sigma, spec)


def test_noise_is_added_to_what_the_actors_do_and_clipped():
    action, extras = explorer(0.1)(STATE)
    assert extras == {}
    assert (action - STATE).std() == pytest.approx(0.1, rel=0.05)
    loud, _ = explorer(5.0)(STATE)
    assert np.abs(loud).max() == 1.0 and np.isclose(np.abs(loud), 1.0).mean() > 0.5


def test_without_sigma_nothing_is_drawn():
    action, _ = explorer(0.0)(STATE)
    np.testing.assert_array_equal(action, STATE)


def test_what_is_explored_lies_within_circles():
    for made in (explorer(0.8, TIED), RandomActor(SHAPE, np.random.default_rng(0), TIED)):
        action, _ = made(STATE)
        assert np.hypot(action[:, 0], action[:, 1]).max() <= 1.0 + 1e-6
        assert np.hypot(action[:, 2], action[:, 3]).max() > 1.1


def test_carried_noise_begins_anew_with_a_trajectory():
    made, reference = (explorer(0.2, noise="ornstein-uhlenbeck") for _ in range(2))
    for each in (made, reference):
        each(STATE)
    mask = np.arange(SHAPE[0]) < 100
    made.reset(mask)
    (after, _), (through, _) = made(STATE), reference(STATE)
    np.testing.assert_array_equal(after[~mask], through[~mask])
    assert (after[mask] != through[mask]).any(1).all()


def test_random_actions_are_uniform():
    action, extras = RandomActor((5000, 4), np.random.default_rng(0), FREE)(STATE)
    assert extras == {} and action.dtype == np.float32
    deciles = np.histogram(action, bins=10, range=(-1, 1))[0] / action.size
    np.testing.assert_allclose(deciles, 0.1, atol=0.01)


def test_validation_acts_without_noise():
    action, extras = Steady(lambda inputs: 2.0 * inputs)(STATE)
    np.testing.assert_array_equal(action, 2.0 * STATE)
    assert extras == {}
