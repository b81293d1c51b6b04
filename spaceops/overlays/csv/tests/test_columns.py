"""What is said about a column."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean, median, quantiles, stdev

import polars as pl
import pytest

from tables.columns import Column, measure
from tables.kinds import typed


def column(*texts: str) -> Column:
    cells = pl.DataFrame({"row": range(2, 2 + len(texts)), "text": texts}, schema={"row": pl.UInt32, "text": pl.String})
    return measure("x", typed(cells, separator=","), len(texts))


def test_what_every_column_has():
    found = column("a", "b", "a", "", "NA")

    assert ("x", "category", 3, 2, 2) == (found.name, found.kind, found.filled, found.missing, found.distinct)


def test_the_facts_about_numbers():
    chance = random.Random(1)
    numbers = [round(chance.gauss(10, 3), 2) for _ in range(300)]

    found = column(*map(str, numbers)).numbers

    assert (min(numbers), max(numbers), median(numbers)) == (found.minimum, found.maximum, pytest.approx(found.median))
    assert (fmean(numbers), stdev(numbers)) == (pytest.approx(found.mean), pytest.approx(found.deviation))
    low, _, high = quantiles(numbers, n=4, method="inclusive")
    assert (low, high) == (pytest.approx(found.lower_quartile), pytest.approx(found.upper_quartile))
    assert (0, sum(number < 0 for number in numbers)) == (found.zeros, found.negative)


@pytest.mark.parametrize("spread", [1e-6, 0.01, 1, 37, 12_345, 1e9, 1e140])
@pytest.mark.parametrize("digits", [None, 0])
def test_every_number_is_in_its_bin(spread, digits):
    chance = random.Random(2)
    numbers = [
        round(chance.uniform(-spread, spread), digits) if digits == 0 else chance.uniform(-1, 1) * spread
        for _ in range(500)
    ]

    bins = column(*(f"{number!r}" for number in numbers)).numbers.bins

    assert 500 == sum(one.count for one in bins)
    assert 1 <= len(bins) <= 41
    for one in bins:
        inside = sum(one.low <= number < one.high or one.low == number == one.high for number in numbers)
        assert one.count == pytest.approx(inside, abs=1)  # the highest may stand on the last border
    assert all(a.high == pytest.approx(b.low, rel=1e-6) or a.low == a.high for a, b in pairwise(bins))


def test_few_whole_numbers_have_a_bin_each():
    bins = column("1", "5", "5", "3", "7.0").numbers.bins

    assert [(1, 1, 1), (2, 2, 0), (3, 3, 1), (4, 4, 0), (5, 5, 2), (6, 6, 0), (7, 7, 1)] == [
        (one.low, one.high, one.count) for one in bins
    ]


def test_the_borders_of_bins_are_round():
    bins = column(*(f"{n * 0.0137:.4f}" for n in range(100))).numbers.bins

    assert [0.0, 0.1, 0.2, 0.3] == [one.low for one in bins[:4]]


@pytest.mark.parametrize(
    "texts",
    [
        ["5"],
        ["0.1"],
        ["0"],
        ["5", "5", "5"],
        ["1e-300", "2e-300"],
        ["-1e140", "1e140"],
        ["1e140", "1e140"],
        ["123456789012345"],
        ["1e149", "1.0000000000000002e149"],
    ],
)
def test_numbers_that_are_one_or_the_same_or_extreme(texts):
    found = column(*texts).numbers

    assert len(texts) == sum(one.count for one in found.bins)
    assert all(math.isfinite(value) for value in (found.mean, found.deviation, found.bins[0].low, found.bins[-1].high))


def test_numbers_far_out_are_told_the_farthest_first_and_left_out_of_the_bins():
    chance = random.Random(3)
    texts = [f"{chance.gauss(10, 2):.2f}" for _ in range(500)] + ["150", "-90"]

    found = column(*texts).numbers

    assert (2, [502, 503], [150, -90]) == (found.outliers.count, found.outliers.rows, found.outliers.values)
    assert 500 == sum(one.count for one in found.bins)
    assert found.bins[-1].high <= 20


def test_a_wide_distribution_has_no_outliers():
    chance = random.Random(4)

    assert column(*(f"{chance.lognormvariate(3, 1):.2f}" for _ in range(1000))).numbers.outliers is None
    assert column(*(f"{chance.gauss(0, 1):.4f}" for _ in range(20_000))).numbers.outliers is None
    assert column(*["0"] * 90, *(str(n) for n in range(10))).numbers.outliers is None
    assert column(*["0"] * 99, "5").numbers.outliers is None


def days(*numbers: int, start: str = "2026-03-02") -> list[str]:
    first = datetime.fromisoformat(start)
    return [(first + timedelta(days=number)).date().isoformat() for number in numbers]


@pytest.mark.parametrize(
    ("span", "unit"), [(1, "day"), (60, "day"), (61, "week"), (420, "week"), (421, "month"), (1800, "month"),
                       (1900, "quarter"), (5400, "quarter"), (6000, "year"), (100_000, "decade")]
)  # fmt: skip
def test_the_unit_of_time_fits_a_chart(span, unit):
    found = column(*days(0, 0, span)).dates

    assert unit == found.unit
    assert 2 <= len(found.periods) <= 62
    assert 3 == sum(period.count for period in found.periods)


def test_times_within_days_are_counted_by_the_hour():
    found = column("2026-03-02 10:05", "2026-03-02 10:50", "2026-03-02 13:00").dates

    assert "hour" == found.unit
    assert [2, 0, 0, 1] == [period.count for period in found.periods]


def test_the_facts_about_dates():
    found = column(*days(0, 1, 1, 5)).dates

    assert (datetime(2026, 3, 2), datetime(2026, 3, 7)) == (found.earliest, found.latest)
    assert [1, 2, 0, 0, 0, 1, 0] == found.weekdays
    assert [1, 2, 0, 0, 0, 1] == [period.count for period in found.periods]


def test_the_longest_gap_is_told_if_it_is_unusual():
    found = column(*days(*range(10), *range(30, 40))).dates.gap

    assert (datetime(2026, 3, 11), datetime(2026, 4, 1), 21) == (found.after, found.before, found.days)
    assert column(*days(*(n for n in range(60) if n % 7 < 5))).dates.gap is None
    assert column(*days(0, 1, 2, 3, 90)).dates.gap is None
    assert column(*days(*range(0, 140, 7), 154)).dates.gap is None
    assert column(*(f"2026-03-0{day} {hour:02}:00" for day in (2, 4) for hour in range(24))).dates.gap is None


def test_the_lengths_of_texts():
    texts = [f"a text of several words, number {n}" for n in range(9)] + [
        "the longest of all these many texts is this one here"
    ]

    found = column(*texts).texts

    assert (33, 33, 52, 11, 7) == (found.shortest, found.median, found.longest, found.longest_row, found.words)


def test_the_most_frequent_values_come_first_and_short():
    found = column(*["b"] * 3, *["a"] * 3, "c", "x" * 200)

    assert [("a", 3), ("b", 3), ("c", 1)] == [(value.value, value.count) for value in found.top[:3]]
    assert "x" * 79 + "…" == found.top[3].value


def test_where_no_value_is_frequent_none_is_told():
    names = [f"{chr(97 + n)} name" for n in range(20)]

    assert [] == column(*names).top
    assert 10 == len(column(*names, names[0]).top)
    assert 3 == len(column(*names[:3]).top)


def test_spellings_of_one_thing_are_told_together():
    found = column("Old Town", "Old Town", "old town", "Old-town", "Bonn", "bonn", "Oslo")

    assert [["Old Town", "Old-town", "old town"], ["Bonn", "bonn"]] == found.variants
    assert [["zone 1", "Zone1", "zone-1"]] == column("zone 1", "zone 1", "Zone1", "zone-1").variants
    assert [] == column("a", "b", "c").variants


def test_signs_that_mean_something_make_no_other_spelling():
    assert [] == column("A", "A-", "AA", "AA-", "1-2", "12", "inf", "-inf").variants


def test_values_that_do_not_fit_are_told_with_their_rows():
    found = column(*["1"] * 200, *["n.n."] * 7, "")
    odd = found.odd

    assert (207, 1, 1) == (found.filled, found.missing, found.distinct)
    assert (7, ["n.n."] * 5, [202, 203, 204, 205, 206]) == (odd.count, odd.values, odd.rows)
