"""What the texts of a column are taken for."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from tables.kinds import Typed, typed


def kind_of(*texts: str | None, separator: str = ",") -> Typed:
    cells = pl.DataFrame({"row": range(2, 2 + len(texts)), "text": texts}, schema={"row": pl.UInt32, "text": pl.String})
    return typed(cells, separator=separator)


def values(*texts: str, separator: str = ",") -> list:
    return kind_of(*texts, separator=separator).frame["value"].to_list()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2.5", "-3", "+4", ".5", "5."], [1, 2.5, -3, 4, 0.5, 5]),
        (["1,234.5", "1,234,567", "12"], [1234.5, 1234567, 12]),
        (["1,5", "2,25", "1.234,5"], [1.5, 2.25, 1234.5]),
        (["1 234,5", "1\u00a0234", "1'234,5"], [1234.5, 1234, 1234.5]),
        (["1.234.567", "2.345.678"], [1234567, 2345678]),
        (["1e3", "-2.5E-2"], [1000, -0.025]),
        (["$1,200.00", "-$3", "12.50 $"], [1200, -3, 12.5]),
        (["3,50 €", "€4"], [3.5, 4]),
        (["12 %", "3.5%"], [12, 3.5]),
        (["₹3", "4 ₽"], [3, 4]),
        (["\N{MINUS SIGN}5", "5"], [-5, 5]),
        (["(1,234.50)", "$(3)", "($4)", "5"], [-1234.5, -3, -4, 5]),
        (["0", "0.10", "0,000"], [0, 0.1, 0]),
    ],
)
def test_numbers_as_people_write_them(texts, expected):
    assert "number" == kind_of(*texts).kind
    assert expected == pytest.approx(values(*texts))


def test_a_comma_before_three_digits_is_what_the_file_makes_it():
    """Where commas part the cells, the number was quoted: they group. Where semicolons do, they were needed."""
    assert [1234, 5678] == values("1,234", "5,678", separator=",")
    assert [1.234, 5.678] == values("1,234", "5,678", separator=";")
    assert [1.234, 5.678] == values("1.234", "5.678", separator=";")


def test_a_word_among_many_numbers_is_odd():
    found = kind_of(*["1"] * 40, "abc", "1e999", *["2"] * 40)

    assert "number" == found.kind
    assert [(42, "abc"), (43, "1e999")] == found.odd.select("row", "text").rows()
    assert 80 == found.values.height


def test_many_words_make_a_category():
    assert "category" == kind_of("1", "2", "x", "y").kind


@pytest.mark.parametrize(
    "texts",
    [["01067", "10115"], ["1234567890123456", "1234567890123457"], ["192.168.1.1", "10.0.0.1"], ["12:30", "13:40"]],
)
def test_what_would_lose_something_as_a_number_is_none(texts):
    assert kind_of(*texts).kind != "number"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31", datetime(2024, 1, 31)),
        ("2024-1-5", datetime(2024, 1, 5)),
        ("2024/01/31", datetime(2024, 1, 31)),
        ("20240131", datetime(2024, 1, 31)),
        ("2024-01", datetime(2024, 1, 1)),
        ("31.01.2024", datetime(2024, 1, 31)),
        ("31.1.24", datetime(2024, 1, 31)),
        ("31/01/2024", datetime(2024, 1, 31)),
        ("01/31/2024", datetime(2024, 1, 31)),
        ("31-01-2024", datetime(2024, 1, 31)),
        ("31 January 2024", datetime(2024, 1, 31)),
        ("31-Jan-2024", datetime(2024, 1, 31)),
        ("31-Jan-24", datetime(2024, 1, 31)),
        ("January 2024", datetime(2024, 1, 1)),
        ("Jan-24", datetime(2024, 1, 1)),
        ("Jan 31, 2024", datetime(2024, 1, 31)),
        ("2024-01-31T23:59:58Z", datetime(2024, 1, 31, 23, 59)),
        ("2024-01-31 23:59:58.123+02:00", datetime(2024, 1, 31, 23, 59)),
        ("31.01.2024 7:05", datetime(2024, 1, 31, 7, 5)),
        ("1/31/2024 12:05 AM", datetime(2024, 1, 31, 0, 5)),
        ("1/31/2024 3:05:59 pm", datetime(2024, 1, 31, 15, 5)),
    ],
)
def test_dates_as_people_write_them(text, expected):
    assert ("date", [expected]) == (kind_of(text).kind, values(text))


def test_the_day_stands_where_it_fits_all_dates():
    assert datetime(2024, 1, 2) == values("01/02/2024", "01/13/2024")[0]
    assert datetime(2024, 2, 1) == values("01/02/2024", "13/01/2024")[0]
    assert kind_of("01/02/2024", "13/01/2024").note is None
    assert kind_of("2024-01-02").note is None


def test_if_either_way_fits_the_day_comes_first_which_is_told():
    found = kind_of("01/02/2024", "03/04/2024")

    assert datetime(2024, 2, 1) == found.frame["value"][0]
    assert "month, day, year would fit as well" in found.note


def test_dates_may_be_written_in_several_ways_which_is_told():
    found = kind_of(*["2024-02-01", "02/13/2024 8:00", "3 Feb 2024"] * 9, "soon")

    assert [datetime(2024, 2, 1), datetime(2024, 2, 13, 8), datetime(2024, 2, 3)] == found.frame["value"][:3].to_list()
    assert ("date", ["soon"]) == (found.kind, found.odd["text"].to_list())
    assert "Dates are written in several ways: “2024-02-01”, “02/13/2024 8:00”, “3 Feb 2024”." == found.note


@pytest.mark.parametrize("odd", ["2024-02-30", "9999-12-31", "0001-01-01", "2024-02-01 25:00", "soon"])
def test_a_date_that_cannot_be_is_odd(odd):
    found = kind_of(*["2024-02-01"] * 40, odd)

    assert ("date", [odd]) == (found.kind, found.odd["text"].to_list())


@pytest.mark.parametrize("texts", [["yes", "No", "YES"], ["true", "False"], ["ja", "nein"], ["y"]])
def test_yes_or_no(texts):
    assert "yes or no" == kind_of(*texts).kind
    assert [float(text[0].lower() in "ytj") for text in texts] == values(*texts)


def test_letters_that_are_no_pair_are_no_yes_or_no():
    assert "category" == kind_of("y", "t", "y").kind
    assert "category" == kind_of("yes", "no", "perhaps").kind
    assert "category" == kind_of(*["yes", "no"] * 100, *["perhaps"] * 50).kind


def test_missing_values_are_left_out():
    found = kind_of("1", "", " ", "NA", "n/a", "NULL", "-", "?", None, "\N{EN DASH}", "<NA>", "n.a.", "2")

    assert [1, 2] == found.frame["value"].to_list()
    assert [2, 14] == found.frame["row"].to_list()


def test_a_column_without_any_value_is_empty():
    assert "empty" == kind_of("", "NA", None).kind


def test_numbers_that_count_the_rows_are_identifiers_but_for_years():
    counting = [str(n) for n in range(1000, 1050)]

    assert "identifier" == kind_of(*counting).kind
    assert "identifier" == kind_of(*counting[:-1], counting[0]).kind
    assert "number" == kind_of(*(str(n) for n in range(1970, 2020))).kind
    assert "number" == kind_of(*(str(n * n) for n in range(50))).kind
    assert "number" == kind_of(*(str(n) for n in range(1000, 1080, 2))).kind
    assert "number" == kind_of("1", "2", "3").kind


def test_words_with_digits_that_never_repeat_are_identifiers():
    assert "identifier" == kind_of(*(f"A-{n:03}" for n in range(50))).kind
    assert "category" == kind_of(*(f"A-{n % 5}" for n in range(50))).kind
    assert "category" == kind_of(*(f"{n} High Street" for n in range(50))).kind
    assert "category" == kind_of("A-1", "A-2").kind
    assert "category" == kind_of(*(f"{n // 60}:{n % 60:02}" for n in range(50))).kind


def test_sentences_are_text_unless_they_repeat():
    sentences = [f"This is the sentence with the number {n}." for n in range(40)]

    assert "text" == kind_of(*sentences).kind
    assert "category" == kind_of(*sentences[:4] * 10).kind
    assert "text" == kind_of(*(f"https://example.org/a/rather/long/way/to/page/{n}" for n in range(40))).kind


def test_surrounding_space_does_not_count():
    assert ["a", "b"] == values(" a", "b\t")
    assert [1.0, 2.0] == values(" 1 ", "2")
