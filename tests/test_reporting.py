"""The report for a forum: what helps, and nothing that is nobody's business."""

from __future__ import annotations

from spaceops.preflight import context
from spaceops.rules.examples import write
from tests.test_diagnosis import BUILD, KEY_ERROR, OWN, STARTED, told

TOKEN = "hf_" + "Ab1" * 12


def test_it_says_the_cause_the_proof_and_the_facts(tmp_path):
    report = told(
        run=STARTED + KEY_ERROR,
        stage="RUNTIME_ERROR",
        said="Exit code: 1. Reason: x",
        files=context(write(tmp_path, {})),
        variables=frozenset({"LEVEL"}),
        secrets=frozenset({"HF_TOKEN"}),
        head="2" * 40,
    ).as_markdown()

    for words in (
        "# Diagnosis of acme/hello",
        "## Cause: missing-secret (error) at main.py:3",
        "Whose fault: yours.",
        "KeyError: 'API_KEY'",
        "- stage: RUNTIME_ERROR",
        "- the Hub says: Exit code: 1. Reason: x",
        "- newest commit: 2222222",
        "- variables: LEVEL",
        "- secrets: HF_TOKEN",
        "- app_port: 7860",
        "- image: python:3.13-slim",
        "- spaceops: ",
        "## The end of the run log",
    ):
        assert words in report


def test_it_holds_no_secret_no_person_and_no_markup_of_others():
    own = OWN.replace("no such thing", f"{TOKEN} of alice@example.com in /home/alice/x [a](http://x) <b>")
    report = told(run=f"{STARTED}{own}```\n# not a title\n").as_markdown()

    assert TOKEN not in report
    assert "alice" not in report
    assert "[a](http://x)" not in report.partition("```")[0]
    assert "\n# not a title\n````" in report


def test_without_a_cause_it_shows_the_lines_that_tell_most():
    report = told(run=f"{STARTED}ERROR: the frobnicator is out of sorts\n").as_markdown()

    assert "No known cause was found." in report
    assert "```text\nERROR: the frobnicator is out of sorts\n```" in report


def test_what_comes_of_the_cause_follows_it():
    assert "## Also: " not in told(BUILD).as_markdown()
