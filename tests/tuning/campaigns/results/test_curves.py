"""Learning curves, on numbers small enough to do by hand."""

from __future__ import annotations

import pytest

from tuning.campaigns.results import curves
from tuning.campaigns.results.curves import Point


def curve(*points):
    return [Point(*point) for point in points]


def test_optimised_is_the_first_count_within_five_per_cent_of_the_best():
    learnt = curve((1, 100, 0.9), (1, 200, 0.30), (2, 300, 0.1049), (2, 400, 0.12), (2, 500, 0.1))
    assert curves.episodes_to_optimised(learnt) == 300
    assert curves.episodes_to_optimised(curve((1, 100, 0.106), (1, 200, 0.1))) == 200
    below = curve((1, 100, -0.1), (1, 200, -0.19), (1, 300, -0.191), (1, 400, -0.2))
    assert curves.episodes_to_optimised(below) == 200
    assert curves.episodes_to_optimised([]) is None


def test_passing_is_strictly_below():
    learnt = curve((1, 100, 0.3), (1, 200, 0.175), (2, 300, 0.1), (2, 400, 0.2))
    assert curves.episodes_to_pass(learnt, 0.175) == 300
    assert curves.episodes_to_pass(learnt, 0.1) is None


def test_band_holds_the_last_value_of_every_seed_at_every_count():
    one = curve((1, 10, 0.9), (1, 20, 0.5), (1, 20, 0.4), (2, 30, 0.2))
    other = curve((1, 15, 0.7), (1, 20, 0.6), (2, 30, 0.1))
    band = curves.band_to_json(curves.band_of([one, other]), "per")
    assert band["stage"] == [1, 1, 1, 2]
    assert band["episodes"] == [10, 15, 20, 30]
    assert band["low"] == [0.7, 0.7, 0.4, 0.1]
    assert band["high"] == [0.9, 0.9, 0.6, 0.2]
    assert band["per"] == pytest.approx([0.8, 0.8, 0.5, 0.15])


def test_curve_leaves_out_what_is_no_number(made_report):
    report = made_report()
    report["learning_curve"][0]["validation_per"] = None
    assert len(curves.curve_of(report, "validation_per")) == len(report["learning_curve"]) - 1
    assert curves.curve_of({"learning_curve": None}, "validation_per") == []
