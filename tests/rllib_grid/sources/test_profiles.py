"""Days: hourly means, parts of the year, and the made-up year."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.sources.profile_source import profiles_from_dict
from rllib_grid.sources.profiles import SPLITS, Profiles
from rllib_grid.sources.shapes import bdew_shape, clear_sky_w_per_m2, is_weekend
from rllib_grid.sources.synthetic_profiles import SyntheticProfiles


@pytest.fixture(scope="module")
def year() -> Profiles:
    return SyntheticProfiles().load(3)


def made_of(days: int, steps: int = 24) -> Profiles:
    dates = np.datetime64("2023-01-02") + np.arange(days)
    p = np.arange(days * steps * 2.0).reshape(days, steps, 2)
    return Profiles(dates, p, -p, p[:, :, 0] + 1, 2 * p[:, :, 1])


def test_hourly_means_by_hand():
    hourly = made_of(2, 96).hourly()
    assert (hourly.num_steps, hourly.step_h) == (24, 1.0)
    # Rows of 15 minutes at bus 1: 0, 2, 4, 6 in the first hour.
    assert hourly.p_base_kw[0, 0].tolist() == [3.0, 4.0]
    assert hourly.q_base_kvar[1, 23, 1] == -np.mean([377, 379, 381, 383])
    assert hourly.price_eur_per_kwh[0, 0] == 4.0
    assert hourly.hourly() is hourly


def test_parts_share_no_day_and_depend_on_dates_alone(year):
    parts = {split: set(year.of(split).dates.tolist()) for split in SPLITS}
    assert set.union(*parts.values()) == set(year.dates.tolist())
    assert sum(map(len, parts.values())) == year.num_days == 365
    assert [len(parts[split]) for split in SPLITS] == [224, 70, 71]
    half = year.take(np.arange(100, 300))
    assert set(half.of("test").dates.tolist()) == parts["test"] & set(half.dates.tolist())
    weekends = [is_weekend(year.of(split).dates).mean() for split in SPLITS]
    np.testing.assert_allclose(weekends, 2 / 7, atol=0.015)


def test_a_year_too_short_for_a_part_is_refused():
    with pytest.raises(GridError, match=r"no day of 2023-01-02 to 2023-01-08 is a .* day"):
        for split in SPLITS:
            made_of(7).of(split)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"p_base_kw": np.zeros((3, 25, 2))}, "steps per day are 25, must be 24 or 96"),
        ({"outdoor_c": np.zeros((3, 23))}, r"outdoor_c has shape \(3, 23\), must be \(3, 24\)"),
        ({"price_eur_per_kwh": np.full((3, 24), np.nan)}, "price_eur_per_kwh holds values that"),
        ({"dates": made_of(3).dates[::-1]}, "dates are not ascending"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, says):
    good = {name: getattr(made_of(3), name) for name in Profiles.__dataclass_fields__}
    with pytest.raises(GridError, match=says):
        Profiles(**{**good, **change})


def test_the_made_up_year_is_plausible(year):
    twelve = SyntheticProfiles().load(12)
    assert twelve.price_eur_per_kwh.min() > 0
    assert twelve.price_eur_per_kwh.mean() == pytest.approx(0.25, rel=0.02)
    night, noon = twelve.p_base_kw[:, 2].mean(), twelve.p_base_kw[:, 12].mean()
    evening = twelve.p_base_kw[:, 18].mean()
    assert night < noon < evening  # the sun takes off at noon what shops add
    assert twelve.q_base_kvar.min() > 0 and twelve.p_base_kw.min() < -20
    assert twelve.outdoor_c[180:210].mean() > twelve.outdoor_c[:30].mean() + 12


def test_buildings_and_days_differ_but_are_reproducible(year):
    again = SyntheticProfiles.from_dict(SyntheticProfiles().to_dict()).load(3)
    np.testing.assert_array_equal(again.p_base_kw, year.p_base_kw)
    other = SyntheticProfiles(seed=1).load(3)
    for a, b in (
        (year.p_base_kw[:, :, 0], year.p_base_kw[:, :, 1]),
        (year.p_base_kw[3], year.p_base_kw[10]),
        (year.p_base_kw, other.p_base_kw),
    ):
        assert np.abs(a - b).mean() > 2.0


def test_a_step_of_15_minutes_is_the_hour_in_more_detail(year):
    fine = SyntheticProfiles(num_steps=96).load(3)
    np.testing.assert_allclose(fine.hourly().p_base_kw, year.p_base_kw, atol=1e-9)


def test_the_sun_stands_where_textbooks_have_it():
    """At the equinox at the equator it is in the zenith: 1098 exp(-0.059) W per m2."""
    day = np.array(["2023-03-22"], dtype="datetime64[D]")
    hours = np.array([0.0, 6.0, 12.0, 15.0])
    sky = clear_sky_w_per_m2(day, hours, latitude_deg=0.0)[0]
    np.testing.assert_allclose(sky[[0, 1]], 0.0, atol=1.0)
    assert sky[2] == pytest.approx(1098 * np.exp(-0.059), rel=1e-3)
    assert sky[3] == pytest.approx(1098 * 0.5**0.5 * np.exp(-0.059 * 2**0.5), rel=1e-3)
    summer = clear_sky_w_per_m2(np.array(["2023-06-21"], dtype="datetime64[D]"), hours, 50.0)
    zenith = np.deg2rad(50.0 - 23.45)
    assert summer[0, 2] == pytest.approx(
        1098 * np.cos(zenith) * np.exp(-0.059 / np.cos(zenith)), rel=1e-4
    )


def test_sources_are_known_by_kind():
    source = SyntheticProfiles(load_kw=10.0)
    assert profiles_from_dict(source.to_dict()) == source
    with pytest.raises(GridError, match="unknown kind of profiles 'weather'"):
        profiles_from_dict({"kind": "weather"})
    with pytest.raises(GridError, match="unknown field of synthetic profiles 'size'"):
        profiles_from_dict({"kind": "synthetic", "size": 3})


def test_standard_load_profiles_keep_their_means_and_habits():
    pytest.importorskip("demandlib")
    year = SyntheticProfiles(shapes="bdew", solar_kwp=0.0, num_steps=96).load(12)
    assert year.p_base_kw.mean() == pytest.approx(60.0, rel=0.3)
    shop = bdew_shape("commerce", year.dates, 0.0)
    np.testing.assert_allclose(shop.mean(), 1.0)
    tuesday, sunday = (
        int(np.argmax(year.dates == np.datetime64(d))) for d in ("2023-06-13", "2023-06-18")
    )
    assert shop[tuesday, 44] > 3 * shop[sunday, 44]
    later = bdew_shape("dwelling", year.dates, 1.0)
    np.testing.assert_allclose(later[:, 4:], bdew_shape("dwelling", year.dates, 0.0)[:, :-4])
