"""What columns have to do with one another."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl
import pytest

from tables import relations
from tables.columns import measure
from tables.kinds import typed
from tables.relations import Relations, Sample

CHANCE = random.Random(5)


def related(columns: Mapping[str, Sequence[object]]) -> Relations:
    [total] = {len(values) for values in columns.values()}
    rows = pl.Series("row", range(2, 2 + total), dtype=pl.UInt32)
    sample = Sample(rows)
    for name, values in columns.items():
        cells = typed(pl.DataFrame({"row": rows, "text": [str(value) for value in values]}), separator=",")
        sample.add(measure(name, cells, total), cells.values)
    return sample.relations()


def noise(count: int = 200) -> list[float]:
    return [round(CHANCE.gauss(0, 1), 3) for _ in range(count)]


def test_what_rises_together_is_correlated_straight_or_not():
    a = noise()
    found = related({"a": a, "cube": [x**3 for x in a], "less": [-x for x in a], "other": noise()}).correlations

    assert ["a", "cube", "less", "other"] == found.columns
    assert (1, 1, -1) == tuple(pytest.approx(value, abs=0.01) for value in found.matrix[0][:3])
    assert abs(found.matrix[0][3]) < 0.25
    assert found.matrix[2][0] == found.matrix[0][2]


def test_only_rows_that_have_both_count():
    a = noise(40)
    found = related(
        {"a": a, "half": [x if n % 2 else "" for n, x in enumerate(a)], "few": [*a[:9], *[""] * 31]}
    ).correlations

    assert found.matrix[0][1] > 0.97
    assert found.matrix[0][2] is None


def test_ranks_are_those_among_the_rows_that_have_both():
    """Here ten of the lowest and the highest of all: a rank of 1000 among ranks up to 10 would decide alone."""
    few = {**dict(zip(range(10), [7.5, 2, 9, 4, 0, 8, 1, 5, 3, 6], strict=True)), 999: 10}
    found = related({"a": [f"{n}.5" for n in range(1000)], "b": [few.get(n, "") for n in range(1000)]})

    differences = sum((x - sorted(few.values()).index(y)) ** 2 for x, y in enumerate(few.values()))
    assert found.correlations.matrix[0][1] == pytest.approx(1 - 6 * differences / (11 * (11**2 - 1)), abs=0.001)


def test_what_never_changes_where_both_are_goes_with_nothing():
    found = related({"a": [*noise(20), *[""] * 5], "b": [*["7"] * 20, *noise(5)]}).correlations

    assert [[1.0, None], [None, 1.0]] == found.matrix


def test_yes_or_no_goes_with_numbers():
    a = noise()
    found = related({"a": a, "positive": ["yes" if x > 0 else "no" for x in a]}).correlations

    assert found.matrix[0][1] > 0.8


@pytest.mark.parametrize("columns", [{"a": [1.5, 2, 7]}, {"a": ["x", "y", "x"]}, {"a": [1, 1, 1], "b": [2, 3, 9]}])
def test_one_column_of_numbers_is_not_correlated(columns):
    assert related(columns).correlations is None


def test_a_category_that_matters_is_told_with_its_medians():
    kinds = ["a", "b", "c"] * 60
    found = related(
        {"kind": kinds, "n": [ord(k) * 10 + x for k, x in zip(kinds, noise(180), strict=True)], "x": noise(180)}
    )

    [groups] = found.groups
    assert ("kind", "n") == (groups.category, groups.number)
    assert groups.explained > 0.8
    assert [("c", 60), ("b", 60), ("a", 60)] == [(one.value, one.rows) for one in groups.groups]
    assert 990 == pytest.approx(groups.groups[0].median, abs=1)


def test_where_medians_tell_little_means_are_told():
    kinds = ["a", "b", "c"] * 60
    found = related({"kind": kinds, "paid": ["no" if k == "a" or n < 60 else "yes" for n, k in enumerate(kinds)]})

    [groups] = found.groups
    assert "mean" == groups.by
    assert [("b", 1), ("c", 1), ("a", 0)] == [(one.value, one.median) for one in groups.groups]
    assert 2 / 3 == pytest.approx(groups.groups[0].mean)


def test_a_category_of_few_rows_does_not_matter():
    found = related({"kind": [*["a"] * 50, *["b"] * 5], "n": [*noise(50), 90, 91, 92, 93, 94.5]})

    assert [] == found.groups
    assert [] == related({"kind": ["a", "b"] * 4, "n": noise(8)}).groups


def test_nor_is_it_told_beside_those_of_many():
    kinds = [*["a", "b"] * 50, *["c"] * 9]
    [groups] = related({"kind": kinds, "n": [ord(k) + x / 9 for k, x in zip(kinds, noise(109), strict=True)]}).groups

    assert ["b", "a"] == [one.value for one in groups.groups]


def days(count: int) -> list[date]:
    return [date(2026, 1, 5) + timedelta(days=day) for day in range(count)]


def test_a_number_over_time_has_its_mean_for_each_period_and_a_trend():
    found = related({"day": days(140), "n": [day + x for day, x in enumerate(noise(140))], "x": noise(140)})

    rising, flat = found.series
    assert ("day", "n", "week", 20) == (rising.date, rising.number, rising.unit, len(rising.points))
    assert [3, 10, 17] == [pytest.approx(point.mean, abs=1.5) for point in rising.points[:3]]
    assert rising.trend > 0.95
    assert abs(flat.trend) < 0.7


def test_few_days_make_no_trend_and_two_no_line():
    assert [] == related({"day": days(2), "n": [1.5, 7]}).series
    assert [None] == [series.trend for series in related({"day": days(9), "n": noise(9)}).series]


def test_a_period_without_rows_has_no_mean():
    some = [day for day in days(60) if day.month != 2]

    [series] = related({"day": some, "n": noise(len(some))}).series

    assert [None] * 28 == [point.mean for point in series.points if point.start.month == 2]


def test_a_large_table_is_sampled_evenly():
    total = 2 * relations.ROWS + 10
    values = range(total)

    found = related({"a": [f"{n}.5" for n in values], "b": [f"{2 * n}.5" for n in values]})

    assert relations.ROWS / 2 < found.rows <= relations.ROWS
    assert 1 == found.correlations.matrix[0][1]


@pytest.mark.parametrize("name", ["*", "^a.*$", "row", "0", "", "value", "ä\n\"'"])
def test_the_name_of_a_column_means_nothing_else(name):
    a = noise(50)

    found = related({name: a, "a2": a, "kind": ["p", "q"] * 25, "day": days(50)})

    assert [name, "a2"] == found.correlations.columns
    assert 1 == pytest.approx(found.correlations.matrix[0][1])
    assert {name, "a2"} == {series.number for series in found.series}


def test_of_many_columns_some_are_related():
    found = related({f"c{n}": noise(20) for n in range(40)})

    assert relations.MOST == len(found.correlations.columns)
