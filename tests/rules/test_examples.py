"""Every rule keeps its promise: with its bad example exactly it speaks, with its good one it is silent."""

from __future__ import annotations

import re

import pytest

from spaceops.bundled import bundled
from spaceops.preflight import check
from spaceops.rules import all_rules
from spaceops.rules.examples import write

RULES = all_rules().values()
OFFLINE = [rule for rule in RULES if not rule.body.__module__.endswith(".online")]


@pytest.mark.parametrize("rule", OFFLINE, ids=lambda rule: rule.code)
def test_the_bad_example_gives_exactly_this_code(rule, tmp_path):
    report = check(write(tmp_path, rule.bad))

    assert {rule.code} == {finding.code for finding in report}, report
    assert not report.notes


@pytest.mark.parametrize("rule", OFFLINE, ids=lambda rule: rule.code)
def test_the_good_example_does_not_give_it(rule, tmp_path):
    report = check(write(tmp_path, rule.good))

    assert rule.code not in {finding.code for finding in report}, report
    assert not report.notes


@pytest.mark.parametrize("rule", OFFLINE, ids=lambda rule: rule.code)
def test_a_rule_says_what_it_is_about_and_has_both_examples(rule):
    assert re.match(r"[A-Z`].{20,}", rule.meaning), "a docstring of a sentence at least"
    assert rule.bad
    assert rule.good


@pytest.mark.parametrize("rule", OFFLINE, ids=lambda rule: rule.code)
def test_a_finding_names_its_place_and_how_it_is_mended(rule, tmp_path):
    for finding in check(write(tmp_path, rule.bad)):
        assert finding.hint, finding
        assert finding.where, finding
        assert not finding.message.endswith("."), finding


def test_the_good_space_has_no_finding(tmp_path):
    assert () == check(write(tmp_path, {})).findings


def test_the_app_template_has_no_finding(tmp_path):
    assert () == check(bundled("app_template")).findings
