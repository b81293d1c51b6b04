"""Findings and reports: how they are ordered, counted, shown and raised."""

from __future__ import annotations

import json

import pytest

from spaceops import CheckFailed
from spaceops.findings import Fault, Finding, Fix, Report, Severity, in_order

PORT = Finding(
    "The server listens on 8000, but README.md says app_port: 7860.",
    hint="Write app_port: 8000",
    where="Dockerfile:9",
    severity=Severity.ERROR,
    code="app-port-mismatch",
)
LICENSE = Finding("No such licence: foo.", where="README.md", severity=Severity.WARNING, code="license-invalid")
ADVICE = Finding("Pin it.", severity=Severity.INFO, code="unpinned")


def test_a_place_is_a_file_and_perhaps_a_line():
    assert ("Dockerfile", 9) == (PORT.path, PORT.line)
    assert ("README.md", None) == (LICENSE.path, LICENSE.line)
    assert ("", None) == (ADVICE.path, ADVICE.line)
    assert ("a:b", None) == (Finding("x", where="a:b").path, Finding("x", where="a:b").line)


def test_the_worst_come_first_then_by_file_and_line():
    early = Finding("x", where="Dockerfile:2", severity=Severity.ERROR, code="z")

    assert (early, PORT, LICENSE, ADVICE) == in_order([ADVICE, LICENSE, PORT, early])


def test_a_report_prints_what_why_where_and_the_fix():
    assert str(Report("/app", (PORT, LICENSE, ADVICE))) == "\n".join(
        (
            "error[app-port-mismatch] Dockerfile:9",
            "  The server listens on 8000, but README.md says app_port: 7860.",
            "  fix: Write app_port: 8000",
            "warning[license-invalid] README.md",
            "  No such licence: foo.",
            "info[unpinned]",
            "  Pin it.",
            "/app: 1 error, 1 warning, 1 advice.",
        )
    )


def test_exceptions_and_notes_are_shown():
    report = Report("/app", (), ((LICENSE, "our own"),), ("the Hub did not answer",))

    assert "ignored[license-invalid] README.md\n  because: our own\nnote: the Hub did not answer" in str(report)
    assert "/app: no findings." == report.summary


def test_a_diagnosis_shows_its_proof_and_whose_fault_it_is():
    finding = Finding(
        "PIL is missing.",
        hint="Write Pillow into requirements.txt",
        severity=Severity.ERROR,
        code="module-not-found",
        fault=Fault.YOURS,
        evidence=("ModuleNotFoundError: No module named 'PIL'",),
        explains=("launch-timeout",),
    )

    shown = str(finding)

    assert "  | ModuleNotFoundError: No module named 'PIL'\n" in shown
    assert "yours" in shown
    assert "launch-timeout" in shown
    assert {"fault": "yours", "explains": ["launch-timeout"]}.items() <= finding.as_dict().items()


def test_json_holds_what_there_is_and_counts():
    report = json.loads(json.dumps(Report("/app", (PORT, LICENSE, ADVICE)).as_dict()))

    assert (1, 1, 1) == (report["errors"], report["warnings"], report["infos"])
    assert {"code", "severity", "message", "hint", "path", "line", "fixable"} == report["findings"][0].keys()
    assert {"code", "severity", "message", "fixable"} == report["findings"][2].keys()


def test_html_escapes_what_files_hold():
    finding = Finding("<script>", hint="<b>", where="<i>:1", severity=Severity.ERROR, code="x", evidence=("<u>",))

    html = Report("<app>", (finding,))._repr_html_()

    assert not [tag for tag in ("<script>", "<i>:", "<u>", "<app>") if tag in html]


def test_errors_are_raised_with_the_report_and_warnings_are_not():
    report = Report("/app", (PORT, LICENSE))

    with pytest.raises(CheckFailed) as failed:
        report.raise_for_errors()

    assert report is failed.value.report
    assert "app-port-mismatch" in str(failed.value)
    assert "license-invalid" not in str(failed.value)
    assert "app-port-mismatch" == failed.value.as_dict()["report"]["findings"][0]["code"]
    assert Report("/app", (LICENSE,)).raise_for_errors()


def test_only_a_safe_fix_makes_a_finding_fixable():
    safe = Finding("x", fix=Fix.text("a", "b"), severity=Severity.INFO)
    unsafe = Finding("x", fix=Fix.text("a", "b", safe=False), severity=Severity.INFO)

    assert safe.as_dict()["fixable"]
    assert not unsafe.as_dict()["fixable"]
