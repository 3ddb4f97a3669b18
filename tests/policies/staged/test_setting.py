"""A row of the table of settings: what it takes, what it refuses, and its written form."""

from __future__ import annotations

import numpy as np
import pytest

from policies.staged.setting import Setting

RATE = Setting("rate", float, 0.5, "a rate", high=1.0)
SHARE = Setting("share", float, 0.5, "a share", high=1.0, closed=True, below=True)
COUNT = Setting("count", int, 3, "a count", low=2.0, closed=True)
LIST = Setting("list", float, (0.1,), "up to two numbers", closed=True, several=2)
WORD = Setting("word", str, "one", "a word", choices=("one", "two"))
SWITCH = Setting("switch", bool, True, "a switch")
MAYBE = Setting("maybe", float, None, "a number or none", optional=True)


@pytest.mark.parametrize(
    ("setting", "given", "held"),
    [
        (RATE, 1, 1.0),
        (RATE, np.float32(0.25), 0.25),
        (SHARE, 0, 0.0),
        (COUNT, 2, 2),
        (COUNT, 7.0, 7),
        (COUNT, np.int64(5), 5),
        (LIST, 0.3, [0.3]),
        (LIST, (0.3,), [0.3]),
        (LIST, [1, 0], [1.0, 0.0]),
        (WORD, "two", "two"),
        (SWITCH, False, False),
        (SWITCH, np.bool_(True), True),
        (MAYBE, None, None),
        (MAYBE, 2, 2.0),
    ],
)
def test_what_is_taken_has_one_form(setting, given, held):
    found = setting.checked(given)
    assert found == held and type(found) is type(held)


@pytest.mark.parametrize(
    ("setting", "given", "line"),
    [
        (RATE, 0, "rate is 0, must be > 0 and <= 1"),
        (RATE, 1.5, "rate is 1.5, must be > 0 and <= 1"),
        (RATE, float("nan"), "rate is nan, must be > 0 and <= 1"),
        (RATE, "0.5", "rate is '0.5', must be > 0 and <= 1"),
        (RATE, True, "rate is True, must be > 0 and <= 1"),
        (RATE, None, "rate is None, must be > 0 and <= 1"),
        (RATE, [0.5], "rate is [0.5], must be > 0 and <= 1"),
        (SHARE, 1.0, "share is 1.0, must be >= 0 and < 1"),
        (COUNT, 1, "count is 1, must be a whole number >= 2"),
        (COUNT, 2.5, "count is 2.5, must be a whole number >= 2"),
        (COUNT, float("inf"), "count is inf, must be a whole number >= 2"),
        (LIST, [], "list is [], must be 1 to 2 number(s)"),
        (LIST, [1, 2, 3], "list is [1, 2, 3], must be 1 to 2 number(s)"),
        (LIST, [1, -2], "list is [1, -2], must be >= 0"),
        (LIST, "12", "list is '12', must be >= 0"),
        (LIST, None, "list is None, must be >= 0"),
        (WORD, "three", "word is 'three', must be one of one, two"),
        (WORD, 1, "word is 1, must be one of one, two"),
        (SWITCH, 1, "switch is 1, must be true or false"),
        (SWITCH, "true", "switch is 'true', must be true or false"),
        (MAYBE, 0.0, "maybe is 0.0, must be > 0"),
    ],
)
def test_what_is_refused_is_named_with_value_and_bounds(setting, given, line):
    with pytest.raises(ValueError) as refused:
        setting.checked(given)
    assert str(refused.value) == line


def test_a_list_is_the_configurations_own():
    given = [0.1, 0.2]
    held = LIST.checked(given)
    given[0] = 9.0
    assert held == [0.1, 0.2]


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (RATE, "1e-2", 0.01),
        (COUNT, "7", 7),
        (LIST, "0.3", 0.3),
        (LIST, "0.3,0.1", (0.3, 0.1)),
        (WORD, "two", "two"),
        (SWITCH, "false", False),
        (MAYBE, "none", None),
        (MAYBE, "0.5", 0.5),
    ],
)
def test_what_is_written_is_read_again(setting, text, value):
    assert setting.read(text) == value
    assert setting.read(setting.write(value)) == value


@pytest.mark.parametrize(
    ("setting", "text", "line"),
    [
        (RATE, "x", "rate=x is no number"),
        (RATE, "2", "rate=2 is out of bounds, must be > 0 and <= 1"),
        (COUNT, "2.5", "count=2.5 is no whole number"),
        (LIST, "1,2,3", "list=1,2,3 takes at most 2 number(s)"),
        (WORD, "three", "word is 'three', must be one of one, two"),
        (SWITCH, "1", "switch=1 must be true or false"),
        (RATE, "none", "rate=none is no number"),
    ],
)
def test_a_text_that_is_refused_is_named(setting, text, line):
    with pytest.raises(ValueError) as refused:
        setting.read(text)
    assert str(refused.value) == line


def test_a_family_may_differ():
    row = Setting("size", int, 9, "a size", several=2, differs={"small": {"default": 1}})
    assert (row.of("small").default, row.of("other").default) == (1, 9)
    assert row.of("small").several == 2 and not row.of("small").differs
