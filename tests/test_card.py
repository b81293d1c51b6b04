"""README.md's front matter."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.card import Card, FrontMatter
from spaceops.errors import BadInput


def test_fields_are_read_between_the_first_two_fences():
    card = Card.read("---\ntitle: Demo\nsdk: docker\napp_port: 8000\n---\n# Demo\n---\n")

    assert ("Demo", "docker", 8000) == (card.title, card.sdk, card.app_port)


@pytest.mark.parametrize("text", ["", "# Only a heading\n", "\n---\nsdk: docker\n---\n", "---\nsdk: docker\n"])
def test_a_readme_without_front_matter_at_the_very_top_gives_an_empty_card(text):
    card = Card.read(text)

    assert {} == card.fields
    assert 7860 == card.app_port


def test_malformed_yaml_names_the_line():
    with pytest.raises(BadInput, match="line 3"):
        Card.read("---\nsdk: docker\ntitle: a: b\n---\n")


def test_front_matter_that_is_no_mapping_is_refused():
    with pytest.raises(BadInput, match="key: value"):
        Card.read("---\n- a\n---\n")


@pytest.mark.parametrize("port", ["seven", "0", "70000", "true", "[7860]"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(BadInput, match="app_port"):
        _ = Card.read(f"---\napp_port: {port}\n---\n").app_port


def test_a_port_in_quotes_counts():
    assert 8000 == Card.read('---\napp_port: "8000"\n---\n').app_port


# what no YAML may do: end in anything but a card or BadInput

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
HOSTILE = [
    "released: 2020-99-99\n",
    "[" * 50_000,
    "{" * 300 + "\n",
    "- " * 30_000 + "\n",
    "? " * 20_000 + "\n",
    "x: " + "9" * 5000 + "\n",
    "a: &a [x, x]\n" + "".join(f"a{n}: &a{n} [*a, *a]\n" for n in range(200)),
    "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9) if n else ''}]}}\n" for n in range(9)),
    "a: &a {b: 1}\n<<: *a\n",
    "\0",
    "\x80\x81",
    "title:\tHello\n\ttags: x\n",
    "? [a, b]\n: 1\n",
    "? {a: b}\n: 1\n",
    "!!python/object:os.system x: 1\n",
    "!!binary x: !!binary y\n",
    "%YAML 3.0\n",
    "a: 1\n...\nb: 2\n",
    "a: 0x" + "f" * 2000 + "\n",
    "a: 1e999999999\n",
    "x" * 100_001 + ": y\n",
    "a: 'x\n",
    "&a a: &a b\n&a c: *a\n",
    "true: 1\nnull: 2\n1.0: 3\n",
]


@pytest.mark.parametrize("block", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_yaml_ends_in_a_card_or_in_bad_input(block):
    looked_at(f"---\nsdk: docker\n{block}\n---\n")


def looked_at(text):
    """Read a README.md in every way there is."""
    try:
        assert isinstance(Card.read(text).fields, dict)
    except BadInput as error:
        assert error.message.startswith("README.md: the front matter")
    front = FrontMatter.anywhere(text)
    for key, entry in front.entries.items() if front else ():
        assert text[entry.start : entry.end] == entry.raw[: entry.end - entry.start]
        assert 1 <= entry.line <= text.count("\n") + 1
        assert front.line(key) == entry.line
        front.without(key)
    return front


WORDS = (
    "---|--- ||\ufeff---|title: a|"
    "sdk: docker|a: &x [1]|b: *x|<<: *x|\t- a|- a|  c: d|e: \\|  text|f: 'g|h: \"i|# j|k: @|"
    "title: b|?|? l|: m|```yaml|{|]|n: 2020-01-01"
)
LINES = st.sampled_from(WORDS.split("|"))


@settings(max_examples=EXAMPLES)
@given(st.one_of(st.text(), st.lists(LINES).map("\n".join), st.lists(LINES).map("\r\n".join)))
def test_any_text_is_looked_at(text):
    looked_at(text)
    looked_at(f"---\n{text}\n---\n")


PLAIN = st.text("abcdefghij ABC", min_size=1, max_size=20).map(str.strip).filter(bool)


@settings(max_examples=EXAMPLES)
@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=6), PLAIN, min_size=1),
    PLAIN,
    st.sampled_from(["\n", "\r\n"]),
)
def test_an_edit_changes_one_value_and_keeps_every_other_character(fields, value, newline):
    lines = [f"{key}:  {text}  # a comment" for key, text in fields.items()]
    text = newline.join(["---", *lines, "---", "# Hello", ""])
    front = FrontMatter.at_the_top(text)
    for number, key in enumerate(fields):
        changed = [*lines[:number], f'{key}:  "{value}"  # a comment', *lines[number + 1 :]]
        edited = front.with_value(key, f'"{value}"')

        assert newline.join(["---", *changed, "---", "# Hello", ""]) == edited
        assert {**fields, key: value} == Card.read(edited).fields
        assert number + 2 == front.line(key)


# where things stand


README = """\
---
title: 'Hello, you' # greets
app_port: 8000
tags:
- a
- b
emoji:
short_description: >-
  One
  line
---

# Hello
"""


def test_every_key_is_known_as_it_is_written():
    entries = FrontMatter.at_the_top(README).entries

    assert {
        "title": (2, "'Hello, you'", "'"),
        "app_port": (3, "8000", ""),
        "tags": (4, "- a\n- b\n", "[]"),
        "emoji": (7, "", ""),
        "short_description": (8, ">-\n  One\n  line\n", ">"),
    } == {key: (entry.line, entry.raw, entry.style) for key, entry in entries.items()}
    assert [key for key, entry in entries.items() if entry.is_plain] == ["app_port", "emoji"]


def test_a_value_can_be_given_to_a_key_without_one():
    edited = FrontMatter.at_the_top(README).with_value("emoji", "x")

    assert README.replace("emoji:\n", "emoji: x\n") == edited


def test_only_a_key_of_one_line_can_be_taken_away():
    front = FrontMatter.at_the_top(README)

    assert README.replace("app_port: 8000\n", "") == front.without("app_port")
    assert [None, None] == [front.without("tags"), front.without("short_description")]
    assert FrontMatter.at_the_top("---\n{sdk: docker, app_file: a}\n---\n").without("app_file") is None


@pytest.mark.parametrize(
    ("before", "first_line"),
    [("", 1), ("\ufeff", 1), ("\n\n", 3), ("# Title\n---\nrule\n---\n", 5), ("<!-- x -->\n", 2)],
)
def test_the_block_is_found_below_other_text(before, first_line):
    front = FrontMatter.anywhere(before + README.replace("title", "sdk"))

    assert (first_line, before, first_line + 1) == (front.first_line, front.before, front.line("sdk"))
    assert (None if before else front) == FrontMatter.at_the_top(before + README.replace("title", "sdk"))


@pytest.mark.parametrize(
    "text", ["", "---", "---\n", "# Title\n---\ntext\n---\n", "---\ntitle: x\n", "----\nsdk: x\n----\n"]
)
def test_text_without_a_block_has_none(text):
    assert FrontMatter.anywhere(text) is None


def test_tabs_alone_do_not_hide_what_it_says():
    front = FrontMatter.at_the_top("---\ntitle:\tHello\nsdk: docker\n---\n")

    assert {"title": "Hello", "sdk": "docker"} == front.fields
    assert (1, False) == (front.problem.line, front.problem.certain)


def test_with_tabs_and_something_worse_nothing_is_known():
    front = FrontMatter.at_the_top("---\ntitle:\tHello\nsdk: a: b\n---\n")

    assert {} == front.fields
    assert (2, True) == (front.problem.line, front.problem.certain)


def test_an_anchor_that_is_set_twice_warns_nobody():
    assert {"a": 1, "b": 2} == Card.read("---\na: &x 1\nb: &x 2\n---\n").fields


def test_an_empty_block_is_an_empty_card():
    assert {} == Card.read("---\n# nothing yet\n---\n").fields
