"""What is found in a file of knowledge, and what is not."""

from __future__ import annotations

import pytest

from knowledge import Knowledge, words
from models import KNOWLEDGE

SHOP = """# Our shop

For those who edit this file.

## Introduction

We are a small shop for bicycles.

## Opening hours

We are open from nine to six on weekdays.

On Saturdays we close at two, and on
Sundays we are closed.

## Repairs

A repair takes three days and costs at least 20 euros.
"""


@pytest.fixture(scope="module")
def shop():
    return Knowledge(SHOP)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When do you close on Saturday?", "On Saturdays we close at two, and on Sundays we are closed."),
        ("What are your opening hours on weekdays?", "We are open from nine to six on weekdays."),
        ("How long does a REPAIR take?", "A repair takes three days and costs at least 20 euros."),
        ("repairing cost", "A repair takes three days and costs at least 20 euros."),
    ],
)
def test_the_paragraph_that_fits_is_found(shop, question, answer):
    assert answer == shop.best(question).text


@pytest.mark.parametrize("question", ["What is the capital of France?", "Do you sell cars or boats?", "привет"])
def test_what_it_does_not_know_it_does_not_answer(shop, question):
    assert shop.best(question) is None


@pytest.mark.parametrize("question", ["Hello!", "Who are you?", "What can you do for me?", "?!"])
def test_who_asks_nothing_gets_the_introduction(shop, question):
    assert "Introduction" == shop.best(question).heading


def test_rare_words_say_more_than_common_ones():
    knowledge = Knowledge(
        "## A\n\n" + "\n\n".join(f"Bicycle number {number} green" for number in "123456") + "\n\nRed bicycle"
    )

    assert "Red bicycle" == knowledge.best("red bicycle number").text


def test_words_of_the_heading_count_twice_and_those_of_a_long_paragraph_less(shop):
    assert "Repairs" == shop.best("repairs").heading
    assert "Salt" == Knowledge("## Fish\n\nwater and salt\n\n## Salt\n\nwater and bread").best("salt").heading
    assert "salt" == Knowledge("## Fish\n\nsalt, water, bread, oil, wine\n\nsalt").best("salt").text


def test_what_stands_above_the_first_heading_is_not_an_answer(shop):
    assert ["Introduction", "Opening hours", "Repairs"] == shop.headings
    assert shop.best("edit this file") is None


def test_endings_do_not_matter():
    assert words("stored storing stores store") == ["stor"] * 4
    assert ["glass", "class"] == words("glass classes")


@pytest.mark.parametrize("text", ["", "# Title\n\nText", "## Heading\n\n \n"])
def test_a_file_without_paragraphs_says_what_is_missing(text):
    with pytest.raises(ValueError, match="no paragraph under a heading of the second level"):
        Knowledge(text)


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("Hi, what is this?", "What this is"),
        ("How can I teach you something else?", "Teaching it something else"),
        ("How do I use a model with a GPU?", "Using a language model"),
        ("Are my messages stored?", "Privacy"),
        ("How long may a message be?", "Limits"),
        ("Is there an API for programs?", "Programs and the API"),
    ],
)
def test_the_file_of_this_app_answers_what_people_ask_about_it(question, heading):
    assert heading == Knowledge(KNOWLEDGE.read_text("utf-8")).best(question).heading
