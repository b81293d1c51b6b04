"""Texts taken apart: where sentences end and where they do not, in English and German, plain or in Markdown."""

from __future__ import annotations

import random

import pytest

from document import LONGEST, take_apart


def sentences(text: str) -> list[str]:
    return [sentence.text for sentence in take_apart(text).sentences]


@pytest.mark.parametrize(
    "text",
    [
        "It rained. | Then it stopped! | Did it? | It did… | All was well.",
        "Mr. J. R. Smith, Jr. met Dr. Lee at 5 p.m. yesterday. | They spoke.",
        "It costs 3.50 euros, e.g. in Boston, Mass. | That is No. 5 of them.",
        "She lives in the U.S. | The house is old.",
        "See Fig. 2 and Sec. 3 in vol. 4. | Next comes more.",
        '"Why?" she asked. | Nobody knew, alas!',
        'He said: "It works." | Then he left (it was late). | Nobody saw him.',
        "Am 3. Oktober 1990 kam Prof. Dr. Weber, vgl. Abb. 2, nach Bonn. | Im 19. Jahrhundert war z. B. alles anders.",
        "Es kostet 3.500 Euro, d. h. zu viel. | Das sagte sie am 4. Mai. | „Wer zahlt das?“ | Niemand u. a. nicht.",
        "Sitzung: 12. März 2026. | Nr. 7. | 12. März: nichts. | Es waren 12. | Märzen gab es nicht.",
        "Version 2.0 is out. | It was 1999. | We won.",
        "Really?! | Yes... | No.",
        "これは文です。 | 次の文です！ | 終わりですか？",  # noqa: RUF001
        "no capitals and no end",
    ],
)
def test_sentences_end_where_they_do(text):
    expected = [part.strip() for part in text.split("|")]
    joined = text.replace(" | ", "" if "。" in text else " ")

    assert expected == sentences(joined)


def test_a_number_at_an_end_may_be_the_end():
    assert ["He was 12.", "The others were older."] == sentences("He was 12. The others were older.")


def test_places_are_those_of_the_text_as_it_was_sent():
    text = "# Title 🎭\n\nFirst one,\nover two lines.   Second one.\n\n* **Third** [one](http://x.example).\n"
    document = take_apart(text)

    assert ["First one, over two lines.", "Second one.", "Third one."] == [one.text for one in document.sentences]
    assert ["First one,\nover two lines.", "Second one.", "**Third** [one](http://x.example)."] == [
        text[one.start : one.end] for one in document.sentences
    ]
    assert [(True, False), (False, False), (True, True)] == [
        (one.opens_paragraph, one.is_item) for one in document.sentences
    ]


def test_headings_are_no_sentences():
    text = "Overview\n\nIt begins here. It goes on.\n\n## Details ##\nMore of it.\nAnd more.\n\nThe end of it\n\nDone."
    document = take_apart(text)

    assert ["Overview", "Details", "The end of it"] == document.headings
    assert ["It begins here.", "It goes on.", "More of it.", "And more.", "Done."] == [
        one.text for one in document.sentences
    ]


def test_code_tables_and_rules_are_left_out():
    text = "Before.\n```python\nx = 1. Y = 2.\n```\n| a | b |\n|---|---|\nk\tv\tw.\n***\nAfter."

    assert ["Before.", "After."] == sentences(text)


def test_what_a_reader_of_markdown_does_not_see_is_left_out():
    text = (
        '<p align="center">\n  <a href="x"><img src="y"></a>\n</p>\n\nOne begins.\n\n'
        "<!--\nadded: v1\n\nchanges: none\n-->\n\nUse a <b> tag.\n\n[one]: https://one.example/a 'Its title'\n"
    )

    assert ["One begins.", "Use a <b> tag."] == sentences(text)


def test_items_are_sentences_of_their_own():
    assert ["Buy bread.", "Buy two loaves.", "milk", "eggs", "Then go home."] == sentences(
        "- Buy bread. Buy two loaves.\n* milk\n3) eggs\n\nThen go home."
    )


@pytest.mark.parametrize(
    ("marked", "read"),
    [
        ("It is **very** _good_ and *new*.", "It is very good and new."),
        ("Call `main()` in my_own_module at 2*3*4.", "Call main() in my_own_module at 2*3*4."),
        ("A ![picture](x.png)and a [link](y).", "A and a link."),
        ("See the [first][one], the [`second`][] and that[^3].", "See the first, the second and that."),
        ("[^3]: It is told below.", "It is told below."),
        ("So it is.[1][2] And a[i][j] too.", "So it is.[1][2] And a[i][j] too."),
        ("A hyphen-\nated word and a well-\nknown one.", "A hyphenated word and a wellknown one."),
        ("> Quoted over\n> two lines.", "Quoted over two lines."),
    ],
)
def test_a_sentence_is_read_without_its_marks(marked, read):
    assert [read] == sentences(marked)


def test_what_never_ends_is_cut_into_pieces():
    document = take_apart("a word " * 1000 + "\n\n" + "x" * 3000)

    assert all(len(one.text) <= LONGEST for one in document.sentences)
    assert 1000 == sum(one.text.count("word") for one in document.sentences)
    assert 3000 == sum(one.text.count("x") for one in document.sentences)


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_taken_apart_in_its_order(seed):
    chance = random.Random(seed)
    for _ in range(50):
        text = "".join(chance.choices("aZ .!?\n\t|#*-_`[](){}>\"'“„3。é🎭\u00ad", k=chance.randint(0, 200)))
        end = 0
        for sentence in take_apart(text).sentences:
            assert end <= sentence.start < sentence.end <= len(text), text
            assert sentence.text.strip() == sentence.text != "", text
            end = sentence.end


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a ",
        ".",
        "A. ",
        "\n",
        "[(",
        "`*_",
        "#",
        " ",
        "\t",
        "a|",
        "- x\n",
        "' ",
        "z.b. ",
        "*",
        "-\n",
        "<a",
        "<a>",
        "<!--\n",
        "[a][",
    ],
)
def test_no_text_takes_much_longer_than_its_length_explains(piece):
    """A square of this length would run into the time limit of the tests."""
    take_apart(piece * (150_000 // len(piece)))


@pytest.mark.parametrize("piece", [" _a", "[a](", "x"])
def test_what_goes_on_behind_the_mark_of_a_heading_is_text(piece):
    """A heading without end would be read at once, which takes the square of its length."""
    document = take_apart("# " + piece * (20_000 // len(piece)))

    assert [] == document.headings
    assert len(document.sentences) > 20
