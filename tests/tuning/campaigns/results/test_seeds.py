"""Seeds summarised, on numbers small enough to do by hand."""

from __future__ import annotations

from tuning.campaigns.results import seeds
from tuning.campaigns.results.seeds import Summary


def test_interquartile_mean_drops_a_quarter_off_each_end():
    assert seeds.interquartile_mean([9.0, 2.0, 4.0, -50.0, 3.0]) == 3.0
    assert seeds.interquartile_mean([1, 2, 3, 4, 5, 6, 7, 100]) == 4.5
    assert seeds.interquartile_mean([1.0, 2.0, 6.0]) == 3.0  # nothing to drop


def test_interval_is_that_of_all_resamples():
    """Of the 27 resamples of three values, one has the least mean: more than 2.5 % of them."""
    summary = seeds.summarise([0.0, 3.0, 9.0])
    assert (summary.iqm, summary.low, summary.high) == (4.0, 0.0, 9.0)
    assert summary.values == (0.0, 3.0, 9.0)


def test_each_stratum_is_resampled_by_itself():
    apart = seeds.summarise([1.0, 1.0, 1.0], [5.0, 5.0, 5.0])
    assert (apart.iqm, apart.low, apart.high) == (3.0, 3.0, 3.0)
    together = seeds.summarise([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])
    assert together.low < 3.0 < together.high


def test_nothing_is_made_up_for_one_seed_or_a_missing_value():
    one = seeds.summarise([0.25])
    assert (one.iqm, one.low, one.high) == (0.25, None, None)
    missing = seeds.summarise([0.25, None, 0.3])
    assert (missing.iqm, missing.low) == (None, None)
    assert missing.values == (0.25, None, 0.3)


def test_numbers_as_text():
    assert Summary(0.0004, 0.0003, 0.002, ()).interval(100) == "0.040 [0.030, 0.20]"
    assert Summary(0.0004, 0.0003, 0.002, ()).middle(100) == "0.040"
    assert Summary(12.0, None, None, ()).interval() == "12.00"
    assert Summary(None, None, None, ()).interval() == ""
    assert Summary(12345.0, None, None, (1, 2)).count() == "12,345"
    assert Summary(None, None, None, (1, None, 3)).count() == "2 of 3 seeds"
    assert Summary(None, None, None, (None, None)).count() == "never"
