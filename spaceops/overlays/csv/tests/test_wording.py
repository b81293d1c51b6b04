"""Numbers, dates and lists in words."""

from __future__ import annotations

from datetime import datetime

import pytest

from tables.wording import date, listed, many, number, rows, share


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-7.0, "-7"),
        (1234567.0, "1,234,567"),
        (1234.5678, "1,235"),
        (12.34567, "12.35"),
        (0.0123456, "0.01235"),
        (0.00001234, "1.23e-05"),
        (1e15, "1e+15"),
        (-1.5e140, "-1.5e+140"),
    ],
)
def test_a_number_has_the_digits_that_people_read(value, words):
    assert words == number(value)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (0, "0%"),
        (1, "less than 0.1%"),
        (20, "0.2%"),
        (97, "1%"),
        (1234, "12%"),
        (9_950, "99.5%"),
        (9_999, "99.9%"),
    ],
)
def test_a_share_is_never_all_or_nothing_unless_it_is(part, words):
    assert words == share(part, 10_000)
    assert "100%" == share(10_000, 10_000)


def test_rows_are_named_in_order():
    assert "row 7" == rows([7], 1)
    assert "rows 5, 77 and 90" == rows([90, 5, 77], 3)
    assert "rows 5, 77 and others" == rows([77, 5], 9)


def test_one_and_many():
    assert ("1 row", "2,000 rows") == (many(1, "row"), many(2000, "row"))
    assert ("a", "a and b", "a, b and c") == (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"]))


def test_a_date_is_as_exact_as_its_unit():
    moment = datetime(2026, 3, 2, 14)

    assert ("2026-03-02 14:00", "2026-03-02", "2026-03", "2026") == tuple(
        date(moment, unit) for unit in ("hour", "week", "month", "year")
    )
