"""The sentences that say what stands out."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from models import Vader
from tables.analysis import analyze

CHANCE = random.Random(6)


@pytest.fixture(scope="module")
def vader() -> Vader:
    model = Vader()
    model.load()
    return model


@pytest.fixture
def sentences(tmp_path, vader):
    """The sentences about a table that is given as columns."""

    def sentences(**columns: list) -> list[str]:
        file = Path(tmp_path / "upload")
        rows = zip(*columns.values(), strict=True)
        file.write_text("\n".join(";".join(map(str, row)) for row in [list(columns), *rows]) + "\n", "utf-8")
        return [insight.text for insight in analyze(file, "a.csv", vader, lambda _share, _step: None).insights]

    return sentences


def noise(count: int, middle: float = 0) -> list[float]:
    return [round(CHANCE.gauss(middle, 1), 6) for _ in range(count)]


def test_of_an_even_table_nothing_stands_out(sentences):
    assert [] == sentences(a=noise(100), b=noise(100), c=["x", "y"] * 50)


def test_numbers_far_above_the_median(sentences):
    price = noise(300, 10)
    price[3], price[75] = 120, 150

    [sentence] = sentences(price=price, other=noise(300))

    assert sentence.startswith("“price” has 2 values at least 1")
    assert sentence.endswith("times the median: rows 5 and 77.")


def test_numbers_far_from_the_rest(sentences):
    [sentence] = sentences(x=[*noise(300), -70], y=noise(301))

    assert sentence.startswith("“x” has 1 value far from the rest, which is between -")
    assert float(sentence.split("between -")[1].split(" and")[0]) < 10
    assert sentence.endswith(": row 302.")


def test_what_is_less_than_twice_the_median_is_not_told_as_its_multiple(sentences):
    [sentence] = sentences(x=[*noise(300, 20), 35], y=noise(301))

    assert sentence.startswith("“x” has 1 value far from the rest, which is between 1")


def test_words_among_numbers(sentences):
    assert ["“x” has 2 values that are no number, such as “good” and “bad”: rows 2 and 102."] == sentences(
        x=["good", *noise(99), "bad"], y=noise(101)
    )


def test_a_column_with_something_odd_is_not_the_same_in_every_row(sentences):
    assert ["“x” has 1 value that is no number, such as “many”: row 41."] == sentences(
        x=[*["1"] * 39, "many"], y=noise(40)
    )


def test_rows_that_repeat(sentences):
    x, y = noise(100), noise(100)

    assert ["5 rows (5%) repeat earlier rows: rows 102, 103, 104, 105 and 106."] == sentences(x=x + x[:5], y=y + y[:5])


def test_a_table_of_few_categories_repeats_itself_by_nature(sentences):
    assert [] == sentences(a=["x", "y"] * 50, b=["p", "q"] * 50)


def test_columns_that_say_nothing_or_little(sentences):
    found = sentences(
        a=noise(100), empty=[""] * 100, same=["x"] * 100, half=[*noise(50), *[""] * 50], most=[*["p"] * 95, *["q"] * 5]
    )

    assert {
        "“empty” is empty.",
        "“same” is the same in every row.",
        "“half” is missing in 50% of the rows.",
        "“most” is “p” in 95% of the rows that have it.",
    } == set(found)


def test_a_key_that_is_there_again(sentences):
    assert ["“id” looks like a key, but 2 rows repeat some."] == sentences(
        id=[*range(1000, 1098), 1000, 1001], a=noise(100), b=noise(100)
    )


def test_spellings(sentences):
    found = sentences(a=noise(100), town=["Old Town", "Bonn"] * 49 + ["old town", "Bonn"])

    assert ["“town” spells one thing in several ways: “Old Town” and “old town”."] == found


def test_what_goes_together(sentences):
    a = noise(200)

    assert ["Where “a” is higher, “less” falls (rank correlation -1.00)."] == sentences(a=a, less=[-x for x in a])


def test_what_differs(sentences):
    kinds = ["a", "b"] * 100

    [sentence] = sentences(
        kind=kinds, n=[round(x + 10 * (k == "b"), 1) for k, x in zip(kinds, noise(200), strict=True)]
    )

    assert sentence.startswith("“n” differs by “kind”: its median is ")
    assert "for “b” and " in sentence


def test_what_differs_though_its_median_does_not(sentences):
    """Most spend nothing; of two values a median tells little."""
    kinds = ["a", "b"] * 100
    spent = [0 if k == "a" or n % 40 < 23 else 50 + n for n, k in enumerate(kinds)]
    paid = ["yes" if k == "b" or n % 8 == 0 else "no" for n, k in enumerate(kinds)]

    assert ["“paid” differs by “kind”: 100% are yes for “b” and 25% for “a”."] == sentences(kind=kinds, paid=paid)
    [sentence] = sentences(kind=kinds, spent=spent)
    assert sentence.startswith("“spent” differs by “kind”: its mean is ")
    assert sentence.endswith(" for “b” and 0 for “a”.")


def test_dates_that_can_be_read_otherwise(sentences):
    [sentence] = sentences(day=[f"0{n % 9 + 1}/05/2024" for n in range(90)], n=noise(90))

    assert sentence.startswith("“day”: The days are read as day, month, year")


def test_chance_makes_no_gap(sentences):
    days = [date(2026, 1, 5) + timedelta(days=CHANCE.randrange(365)) for _ in range(300)]

    assert not [sentence for sentence in sentences(day=days, n=noise(300)) if "gap" in sentence]


def test_what_happens_over_time(sentences):
    days = [date(2026, 1, 5) + timedelta(days=n) for n in range(200)]
    days = [day for day in days if day.weekday() < 5 and not date(2026, 3, 2) <= day < date(2026, 4, 6)]
    n = [round(day.toordinal() - days[0].toordinal() + x, 1) for day, x in zip(days, noise(len(days)), strict=True)]

    found = sentences(day=days, n=n)

    assert "“day” has a gap of 38 days, between 2026-02-27 and 2026-04-06." in found
    assert "“day” is never on a weekend." in found
    assert any(sentence.startswith("“n” rises over time: its mean was ") for sentence in found)


def test_high_values_that_pull_the_mean(sentences):
    found = sentences(a=noise(400), pay=[round(CHANCE.lognormvariate(3, 1.6)) + 1 for _ in range(400)])

    assert any(sentence.startswith("A few high values of “pay” pull its mean") for sentence in found)


def test_the_mood_of_texts(sentences):
    said = [f"I love this place and its {n} lovely cakes, wonderful!" for n in range(40)]

    assert ["100% of the texts in “said” are positive, says vaderSentiment."] == sentences(said=said, a=noise(40))


@pytest.mark.parametrize("text", ["Die Torte war die beste und das Personal nett", "Пирог был очень вкусный и свежий"])
def test_what_a_list_of_english_words_says_of_other_languages_is_not_told(sentences, text):
    assert [] == sentences(said=[f"{text}, Nummer {n}." for n in range(40)], a=noise(40))


def test_much_about_the_same_does_not_hide_what_else_there_is(sentences):
    a = noise(100)
    far = {f"far{n}": [*noise(99, 10), 200 + n] for n in range(20)}
    found = sentences(**far, a=a, less=[-x for x in a])

    assert "Where “a” is higher, “less” falls (rank correlation -1.00)." in found
    assert 15 == len(found)


def test_the_most_important_come_first_and_not_too_many(sentences):
    a = noise(100)
    found = sentences(**{f"c{n}": a for n in range(8)}, odd=["x", *noise(99)])

    assert "odd" in found[0]
    assert 15 == len(found)
