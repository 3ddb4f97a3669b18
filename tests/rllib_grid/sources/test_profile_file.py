"""A user's days: what is read, and the one line that says why a file is not."""

from __future__ import annotations

import numpy as np
import pytest

from rllib_grid import GridError
from rllib_grid.sources.profile_file import FileProfiles

HEADER = "time,p_base_kw_1,p_base_kw_2,q_base_kvar_1,q_base_kvar_2,price_eur_per_kwh,outdoor_c"


def rows(start: str = "2023-03-25", days: int = 2, minutes: int = 60) -> list[str]:
    count = days * 24 * 60 // minutes
    times = np.datetime64(start, "m") + np.arange(count) * minutes
    return [f"{time},{i},{-i},{i / 2},{i / 4},0.25,{i % 24}" for i, time in enumerate(times)]


@pytest.fixture
def read(tmp_path):
    def from_lines(lines, header=HEADER, num_buses=2, **options):
        path = tmp_path / "days.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return FileProfiles(str(path), **options).load(num_buses)

    return from_lines


def test_hours(read):
    days = read(rows())
    assert days.dates.astype(str).tolist() == ["2023-03-25", "2023-03-26"]
    assert days.p_base_kw[1, 2].tolist() == [26.0, -26.0]
    assert days.q_base_kvar[1, 2].tolist() == [13.0, 6.5]
    assert (days.price_eur_per_kwh[0, 0], days.outdoor_c[1, 5]) == (0.25, 5.0)


def test_quarters_of_an_hour_as_they_are_and_as_means(read):
    assert read(rows(minutes=15), num_steps=96).p_base_kw[0, 3, 0] == 3.0
    assert read(rows(minutes=15)).p_base_kw[0, 1, 0] == np.mean([4, 5, 6, 7])


def test_columns_in_any_order_and_reactive_power_from_the_power_factor(read):
    lines = [",".join([line.split(",")[k] for k in (6, 0, 2, 1, 5)]) for line in rows()]
    header = "outdoor_c,time,p_base_kw_2,p_base_kw_1,price_eur_per_kwh"
    days = read(lines, header, power_factor=0.8)
    assert days.p_base_kw[0, 4].tolist() == [4.0, -4.0]
    np.testing.assert_allclose(days.q_base_kvar[0, 4], [3.0, 0.0])  # generation at unity


def without(line: int) -> list[str]:
    return [row for i, row in enumerate(rows(), start=2) if i != line]


def with_cell(line: int, column: int, text: str) -> list[str]:
    changed = [row.split(",") for row in rows()]
    changed[line - 2][column] = text
    return [",".join(row) for row in changed]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (without(7), "line 7: time is 2023-03-25T06:00, must be 2023-03-25T05:00: a gap"),
        (without(28), r"line 28: .* a clock change \(a day of 23 hours\); give standard time"),
        (
            [*rows()[:27], rows()[26], *rows()[27:]],
            r"line 29: .* a clock change \(a day of 25 hours",
        ),
        ([*rows()[:5], rows()[2], *rows()[5:]], "line 7: .* a row too many, or out of order"),
        (rows()[1:], "line 2: the first time is 2023-03-25T01:00, must be a midnight"),
        (rows()[:-1], "line 48: the last day ends after 2023-03-26T22:00, must be whole"),
        (rows(minutes=30), "line 3: 30 minutes after the line before, must be 15 or 60"),
        (with_cell(9, 0, "25.03.2023"), "line 9: time is '25.03.2023', must be like 2023"),
        (with_cell(9, 0, "2023-03-25T07:00+01:00"), "line 9: time .* has a zone; give standard"),
        (with_cell(11, 2, "much"), "line 11: p_base_kw_2 is 'much', must be a number"),
        (with_cell(11, 2, "nan"), "line 11: p_base_kw_2 is nan, must be finite"),
        (with_cell(12, 5, "85.2"), "line 12: price_eur_per_kwh is 85.2, must be > 0 and < 10; is"),
        (with_cell(13, 6, "285"), "line 13: outdoor_c is 285, must be > -60 and < 60; is its unit"),
        ([*rows(), "1,2"], "line 50 has 2 cells, must have 7"),
        ([], "holds no rows, must hold whole days"),
    ],
)
def test_bad_rows_are_named_in_one_line(read, lines, says):
    with pytest.raises(GridError, match=f"^days.csv: {says}") as error:
        read(lines)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (HEADER.replace("p_base_kw_2", "p_base_w_2"), "line 1: unknown column 'p_base_w_2'; units"),
        (HEADER.replace("q_base_kvar_2", "p_base_kw_2"), "column 'p_base_kw_2' is there 2 times"),
        (HEADER.replace(",outdoor_c", ",p_base_kw_3"), "unknown column 'p_base_kw_3'.* n is 2"),
        (HEADER.replace(",p_base_kw_2", ",time"), "column 'time' is there 2 times, must be once"),
    ],
)
def test_bad_headers_are_named(read, header, says):
    with pytest.raises(GridError, match=says):
        read(rows(), header)


def test_too_coarse_for_quarters(read):
    with pytest.raises(GridError, match="has a row per hour, 96 steps per day need 15 minutes"):
        read(rows(), num_steps=96)


def test_a_case_keeps_to_the_file_it_was_made_with(read, tmp_path):
    read(rows())
    stored = FileProfiles(str(tmp_path / "days.csv")).to_dict()
    assert FileProfiles.from_dict(stored).load(2).num_days == 2
    (tmp_path / "days.csv").write_text("another")
    with pytest.raises(GridError, match="is not the file of profiles that this case was made"):
        FileProfiles.from_dict(stored)
    with pytest.raises(GridError, match=r"cannot read profiles .*nowhere.csv: No such file"):
        FileProfiles(str(tmp_path / "nowhere.csv"))
