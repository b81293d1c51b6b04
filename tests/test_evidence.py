"""The lines that prove a failure: the right ones, short, and without secrets."""

from __future__ import annotations

import pytest

from spaceops.evidence import MOST, SEARCHED, WIDEST, harmless, last_start, last_step
from spaceops.secret import Secret

NUMBERS = list(map(str, range(30)))
VALUE = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def _known() -> None:
    Secret(VALUE, "API_KEY")


@pytest.mark.parametrize(
    ("lines", "tail"),
    [
        ([], []),
        (["no steps", "at all"], ["no steps", "at all"]),
        (
            ["--> FROM x", "DONE 1s", "--> RUN pip", "boom", '--> ERROR: process "pip" did not complete'],
            ["--> RUN pip", "boom", '--> ERROR: process "pip" did not complete'],
        ),
        (["--> RUN long", *NUMBERS], NUMBERS[-MOST:]),
    ],
)
def test_the_last_step_is_what_explains_a_failed_build(lines, tail):
    assert tail == last_step(lines)


def test_the_last_start_is_what_explains_a_failed_start():
    first, second = "===== Application Startup at 12:00 =====", "===== Application Startup at 12:01 ====="

    assert [second, "--> no step", "boom"] == last_start([first, "an older version", second, "--> no step", "boom"])
    assert NUMBERS[-MOST:] == last_start(NUMBERS)


@pytest.mark.parametrize(
    "pieces",
    [
        [VALUE],
        [f"key={VALUE[:7]}", f"{VALUE[7:]} was refused"],
        [VALUE[:5], VALUE[5:9], VALUE[9:]],
        list(VALUE),
        ["hf_" + "a" * 9, "b" * 20],
    ],
    ids=["whole", "in two", "in three", "letter by letter", "a token of the Hub"],
)
def test_a_secret_is_found_however_the_log_has_cut_it(pieces):
    shown = harmless(["before", *pieces, "after"])

    assert ("before", "after") == (shown[0], shown[-1])
    assert 3 == len(shown)
    assert "[REDACTED:" in shown[1]


def test_a_secret_that_began_before_the_lines_that_are_shown_is_found():
    shown = last_start(harmless([VALUE[:9], VALUE[9:], *NUMBERS[: MOST - 1]]))

    assert "[REDACTED:API_KEY]" == shown[0]
    assert MOST == len(shown)


def test_lines_that_hide_nothing_stay_as_they_are():
    lines = [f"line {number} of {VALUE[:8]}" for number in range(MOST)]

    assert lines == harmless(lines)


def test_a_secret_that_stands_in_its_own_mask_ends_the_search_too():
    Secret("LIKE_ITS_NAME", "LIKE_ITS_NAME")

    assert "LIKE_ITS_NAME]" in "".join(harmless(["a", "LIKE_ITS", "_NAME", "LIKE_ITS_NAME", "b"]))


def test_long_lines_and_control_characters_are_harmless():
    shown = harmless(["x" * 100_000, "\x1b]0;title\x07red\r"])

    assert WIDEST == len(shown[0])
    assert shown[0].endswith("x…")
    assert "\\x1b]0;title\\x07red\\x0d" == shown[1]


def test_only_the_last_lines_are_looked_at():
    assert SEARCHED == len(harmless(["x"] * 100_000))
