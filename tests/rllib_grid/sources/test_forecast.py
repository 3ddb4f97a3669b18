"""What is expected of the rest of a day."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid.sources.forecast import Forecast
from rllib_grid.sources.profiles import Profiles

DAYS = 4000


def past(rho: float) -> Profiles:
    """Days around a known mean profile, whose deviations shrink by rho from step to step."""
    rng = np.random.default_rng(0)
    mean = 10 + np.arange(24.0)
    deviation = rng.standard_normal((DAYS, 24, 2))
    for step in range(1, 24):
        deviation[:, step] = rho * deviation[:, step - 1] + deviation[:, step]
    p = mean[:, None] + deviation
    dates = np.datetime64("2000-01-01") + np.arange(DAYS)
    flat = np.broadcast_to(0.2 + 0.01 * np.arange(24), (DAYS, 24))
    return Profiles(dates, p, 0.5 * p, flat, flat)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_deviation_of_the_present_fades_as_it_did_in_the_past(rho):
    forecast = Forecast(past(rho))
    now = np.array([[17 + 5.0, 17 - 3.0]])  # the mean of step 7 is 17
    p, q, price = forecast.rest_of_day(7, now, 0.5 * now, np.array([0.27]))
    assert (p.shape, q.shape, price.shape) == ((1, 17, 2), (1, 17, 2), (1, 17))
    np.testing.assert_array_equal(p[:, 0], now)
    fading = rho ** np.arange(17)
    np.testing.assert_allclose(p[0, :, 0], 17 + np.arange(17) + 5 * fading, atol=0.25)
    np.testing.assert_allclose(p[0, :, 1], 17 + np.arange(17) - 3 * fading, atol=0.25)
    np.testing.assert_allclose(q, 0.5 * p, atol=1e-9)
    np.testing.assert_allclose(price[0], 0.27 + 0.01 * np.arange(17))


def test_no_price_is_expected_to_be_negative():
    forecast = Forecast(past(0.9))
    *_, price = forecast.rest_of_day(3, np.zeros((1, 2)), np.zeros((1, 2)), np.array([0.1]))
    assert price[0, 0] == 0.1 and price.min() > 0


def test_the_last_step_is_the_present_alone():
    now = np.array([[1.0, 2.0]])
    p, _, price = Forecast(past(0.5)).rest_of_day(23, now, now, np.array([0.3]))
    assert p.tolist() == [[[1.0, 2.0]]] and price.tolist() == [[0.3]]


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_weather_that_is_colder_than_its_mean_returns_to_it_as_it_did(rho):
    seen = past(rho)
    weather = Profiles(
        seen.dates,
        seen.p_base_kw,
        seen.q_base_kvar,
        seen.price_eur_per_kwh,
        seen.p_base_kw[:, :, 0],
    )
    ahead = Forecast(weather).outdoor_ahead_c(7, np.array([17 - 4.0, 17.0]))
    assert ahead.shape == (2, 17)
    np.testing.assert_allclose(ahead[0], 17 + np.arange(17) - 4 * rho ** np.arange(17), atol=0.25)
    np.testing.assert_allclose(ahead[1], 17 + np.arange(17), atol=0.25)
