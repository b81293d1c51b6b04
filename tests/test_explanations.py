"""`explain`: every code of an error, a rule and a symptom, for people and as data."""

from __future__ import annotations

import pytest

from spaceops.errors import BadInput
from spaceops.explanations import as_text, codes, explain, rules_as_text, symptoms_as_text
from spaceops.rules import all_rules
from spaceops.symptoms import all_symptoms


@pytest.mark.parametrize("code", codes())
def test_every_code_is_explained_to_people(code):
    text = as_text(explain(code))

    assert text.startswith(f"{code}\n\n")
    assert len(text.splitlines()) > 2


def test_a_rule_is_shown_with_what_is_wrong_and_what_is_right():
    facts = explain("color-invalid")

    assert "error" == facts["check"]
    assert facts["wrong"]["README.md"]
    assert facts["right"]["README.md"]
    assert "wrong, README.md:\n  | " in as_text(facts)


def test_a_symptom_is_shown_with_whose_fault_it_is_and_how_it_shows():
    (first, *_) = explain("scheduling-failure")["diagnose"]

    assert "the platform's" == first["fault"]
    assert first["shows_as"]


def test_an_unknown_code_gets_the_nearest():
    with pytest.raises(BadInput, match="no code 'colour-invalid'") as refused:
        explain("colour-invalid")

    assert "color-invalid" in str(refused.value.hint)


def test_the_reference_has_every_rule_and_every_symptom():
    rules, symptoms = rules_as_text(), symptoms_as_text()

    assert not [code for code in all_rules() if f"### {code}\n" not in rules]
    assert not [code for code in all_symptoms() if f"| `{code}` |" not in symptoms]
