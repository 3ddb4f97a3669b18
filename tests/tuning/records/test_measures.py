"""What trainings are compared by, of states and of days."""

from __future__ import annotations

import math

from tuning.records.measures import GAP_CLOSED, PER, measure_of, measure_of_progress


def test_less_per_and_more_return_come_first():
    assert sorted([0.3, None, 0.1, math.nan], key=PER.order)[:2] == [0.1, 0.3]
    assert sorted([-50.0, math.inf, -20.0, None], key=GAP_CLOSED.order)[:2] == [-20.0, -50.0]


def test_values_as_text():
    assert (PER.text(0.12345), PER.text(0.12345, digits=3)) == ("12.35%", "12.345%")
    assert GAP_CLOSED.text(-1234.56) == "-1,234.6 EUR a day"
    assert PER.text(None) == PER.text(math.nan) == GAP_CLOSED.text(math.nan) == "unknown"


def test_files_say_which_it_is(made_report, made_day_report):
    assert measure_of(made_report()) is PER
    assert measure_of(made_day_report()) is GAP_CLOSED
    assert measure_of_progress({"validation_per": "0.1", "validation_return": "-2"}) is PER
    assert measure_of_progress({"validation_return": "-2"}) is GAP_CLOSED
