"""The symptoms themselves: each is shown by its examples and nothing else, says something whole, and costs little."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import chain, product

import pytest

from spaceops.diagnosis.scanning import WIDEST, Hit, scan_text
from spaceops.findings import Severity
from spaceops.symptoms import Place, Symptom, all_symptoms

SYMPTOMS = [symptom for symptoms in all_symptoms().values() for symptom in symptoms]
EACH = pytest.mark.parametrize("code", all_symptoms())
FILLED = ("repo_id",)  # of the case, not of the line
OF_THE_ENGINE = {"build-step-failed", "app-crashed", "app-exited"}  # folded by it, under all that is known


def folded(hits: list[Hit]) -> set[str]:
    """The codes that stay when those are gone that another one explains."""
    codes = {hit.symptom.code for hit in hits}
    return codes - {code for hit in hits for code in hit.symptom.explains if code != hit.symptom.code}


def fields(symptom: Symptom) -> set[str]:
    texts = (symptom.message, symptom.hint)
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def shown(symptom: Symptom, example: str, place: Place) -> Hit:
    """How an example shows its symptom, and no other that it does not explain."""
    hits = scan_text(example, place)
    assert {symptom.code} == folded(hits), (place, example)
    return next(hit for hit in hits if hit.symptom is symptom)


@EACH
def test_an_example_shows_its_symptom_whole_and_no_other_that_is_not_explained_by_it(code: str):
    for symptom in all_symptoms()[code]:
        for place, example in product(symptom.places, symptom.examples):
            values = {**shown(symptom, example, place).groups, **dict.fromkeys(FILLED, "acme/demo")}
            assert all(values.get(name) for name in fields(symptom)), example
            assert symptom.message.format(**values) and symptom.hint.format(**values)


@EACH
def test_a_line_that_is_unlike_does_not_show_the_symptom(code: str):
    for symptom in all_symptoms()[code]:
        for place, line in product(symptom.places, symptom.unlike):
            assert symptom not in [hit.symptom for hit in scan_text(line, place)], line


def test_a_symptom_tells_what_is_wrong_in_one_sentence_and_what_mends_it():
    for symptom in SYMPTOMS:
        assert symptom.examples, symptom.code
        assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", symptom.code)
        assert not symptom.message.endswith(".") and symptom.hint.endswith("."), symptom.code
        assert "\n" not in symptom.message + symptom.hint, symptom.code
        assert len(symptom.message) < 330, symptom.code
        assert not re.search(r"\{\{|\}\}", symptom.message + symptom.hint), symptom.code  # shown as it stands, too


def test_a_needle_is_a_text_with_a_word_and_no_space_at_its_ends():
    for symptom in SYMPTOMS:
        for needle in symptom.needles:
            assert needle == needle.strip() and re.search("[A-Za-z]", needle), (symptom.code, needle)


def test_a_pattern_repeats_nothing_without_bounds():
    for symptom in SYMPTOMS:
        for pattern in (symptom.pattern, symptom.near, symptom.unless):
            without_classes = re.sub(r"\[(?:\\.|[^\]\\])+\]", "C", re.sub(r"\\.", "x", pattern))
            assert not re.search(r"[*+]|,\}", without_classes), (symptom.code, pattern)


def test_only_known_codes_are_explained():
    known = set(all_symptoms()) | OF_THE_ENGINE

    assert not {code for symptom in SYMPTOMS for code in symptom.explains} - known


def test_no_symptom_explains_itself_by_way_of_others():
    explained = {code: {one for symptom in all_symptoms()[code] for one in symptom.explains} for code in all_symptoms()}
    circles = {(code, one) for code in explained for one in explained[code] if code in explained[one]}

    assert not circles


def test_symptoms_of_one_code_are_equally_bad_or_say_why():
    differing = {code for code, ones in all_symptoms().items() if len({one.severity for one in ones}) > 1}

    assert {
        "cuda-tag-eol",
        "node-version",
    } == differing  # an image that is gone, and one that goes; refused, and warned of


def test_what_is_only_said_of_a_failure_is_an_error_or_folded():
    vague = {"space-in-error-503", "sse-not-enabled", "dead-on-signal"}

    assert all(symptom.severity is Severity.INFO for code in vague for symptom in all_symptoms()[code])


def nasty(needle: str) -> Iterator[str]:
    """Lines as long as they are looked at that make a pattern begin often and never end."""
    for part in (needle, f"{needle} ", f"{needle}: '", f'"{needle}/', f"{needle}x"):
        yield part * (WIDEST // len(part))


@pytest.mark.timeout(60)
def test_no_pattern_runs_long_on_lines_of_one_character_or_of_its_own_needles():
    for symptom in SYMPTOMS:
        assert not [character for character in "a /'\":.1A_(é\0" if symptom.regex.search(character * WIDEST)], (
            symptom.code
        )
        for line in chain.from_iterable(map(nasty, symptom.needles)):
            symptom.regex.search(line)
